"""Screams in noise: recall by signal-to-noise ratio, and the time to the decision."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.augment import mix
from audio.blocks import SAMPLE_RATE
from audio.corpus import Clip
from audio.detector import OPERATING_POINT, ScreamModel, load_scream_model
from audio.judging import listen
from audio.parallel import Progress, in_portions
from audio.recording import read_clip

Array = NDArray[np.float32]

SNRS_DB = (None, 20, 10, 5, 0)
"""Ratios of scream and background at which recall is stated; None: no background."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the probability at each ratio."""
LEAD_S = 2.0
"""Background before a scream, when the time to the decision is taken."""


def recall_in_noise(
    name: str,
    clips: Sequence[Clip],
    *,
    home: Path | None = None,
    jobs: int,
    snrs_db: Sequence[int | None] = SNRS_DB,
    progress: Progress,
) -> dict[str, Any]:
    """Screams that set in after two seconds of other sound: the share that raises an alarm, and how soon.

    Args:
        name: of the model.
        clips: screams and ambient recordings; weak screams are left out.
        home: a folder with further models.
        jobs: processes.
        snrs_db: ratios of scream and background; None: no background.
        progress: told how far it is.

    Returns:
        by signal-to-noise ratio in dB ("clean" without background): `recall`, `median_s` and `p95_s` from the scream's
        first loud moment to the alarm, of those that raise one, and five quantiles of the highest persisted
        `probability`. An alarm before that moment is no find. Empty without screams or backgrounds.

    Raises:
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    rng = np.random.default_rng(0)
    screams = [clip for clip in clips if clip.label == "scream" and not clip.weak]
    backgrounds = [clip for clip in clips if clip.label == "ambient" and not 0 < clip.seconds < LEAD_S]
    if not screams or not backgrounds:
        return {}
    pairs = [(clip.path, backgrounds[rng.integers(len(backgrounds))].path) for clip in screams]
    found = in_portions(f"{name}: screams in noise", partial(_waits, name, home, snrs_db), pairs, jobs, progress)
    result: dict[str, Any] = {}
    for place, snr_db in enumerate(snrs_db):
        waits = [each[place][0] for each in found if each[place][0] is not None]
        result["clean" if snr_db is None else str(snr_db)] = {
            "screams": len(found),
            "recall": len(waits) / len(found),
            "median_s": float(np.median(waits)) if waits else None,
            "p95_s": float(np.percentile(waits, 95)) if waits else None,
            "probability": np.quantile([each[place][1] for each in found], QUANTILES).round(4).tolist(),
        }
    return result


def _waits(
    name: str, home: Path | None, snrs_db: Sequence[int | None], pairs: list[tuple[Path, Path]]
) -> list[list[tuple[float | None, float]]]:
    """A scream sets in after other sound, at each ratio: when it is noticed, and how sure the detector becomes."""
    model = load_scream_model(name, home)
    return [
        [_wait(model, scream, background, snr_db) for snr_db in snrs_db]
        for scream, background in ((read_clip(front), read_clip(back)) for front, back in pairs)
    ]


def _wait(model: ScreamModel, scream: Array, background: Array, snr_db: float | None) -> tuple[float | None, float]:
    """Seconds from the scream to the alarm, None without one, and the highest persisted probability after it set in."""
    lead = int(LEAD_S * SAMPLE_RATE)
    front = np.concatenate([np.zeros(lead, np.float32), scream])
    mixed = front if snr_db is None else mix(front, np.resize(background, len(front)), snr_db)
    mixed = (mixed / (np.abs(mixed).max() + 1e-9) * 0.5).astype(np.float32)
    size = SAMPLE_RATE // 50
    pieces = np.square(scream[: len(scream) // size * size].reshape(-1, size)).mean(axis=1)
    onset = LEAD_S + float(np.argmax(pieces > pieces.max() / 100)) / 50 if len(pieces) else LEAD_S
    readings = listen(model, mixed)
    first = next((reading.at_s for reading in readings if reading.scream >= OPERATING_POINT), None)
    highest = max((reading.scream for reading in readings if reading.at_s >= onset), default=0.0)
    return (None if first is None or first < onset else first - onset), highest
