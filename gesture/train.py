"""Train the sign and movement models from the tables in `data/`: Keras in, TFLite and a card out."""

import sys
from pathlib import Path

from gesture.prepare import SIGN_LABELS
from gesture.tables import BASE_DATA, TableError, read_hands, read_paths
from gesture.train_motions import train_motions
from gesture.train_signs import train_signs
from gesture.trajectories import MOTION_LABELS


def main(arguments: list[str]) -> int:
    """Train what the command line names: `signs`, `motions`, or both where it names nothing."""
    models = Path(__file__).resolve().parent.parent / "models"
    wanted = arguments or ["signs", "motions"]
    if not set(wanted) <= {"signs", "motions"}:
        print("usage: python -m gesture.train [signs] [motions]", file=sys.stderr)
        return 2
    try:
        if "signs" in wanted:
            train_signs(read_hands(BASE_DATA / "signs.csv.gz"), SIGN_LABELS, models / "signs")
        if "motions" in wanted:
            train_motions(read_paths(BASE_DATA / "motions.csv.gz"), MOTION_LABELS, models / "motions")
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
