"""The whole round of one's own gesture: collected from a clip, trained, in use, an emergency with its own policy."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gesture import retrain
from gesture.collection import Collection
from gesture.plan import SignPlan
from gesture.retrain import retrain_signs
from gesture.rows import SIGNS
from models.hand_landmarker import default_path, is_complete
from models.in_use import use
from safety_monitor.cli import app
from safety_monitor.demo import poses
from safety_monitor.demo.hand import draw_hand
from safety_monitor.demo.scene import room, rotation
from safety_monitor.journal.incidents import Journal
from tests.recordings import write_media
from tests.system.command import safety_monitor

HORNS = poses.pose([[6, 4, 6, 4], *poses.FIST.fingers[1:3].tolist(), [-14, 6, 8, 5]], [[20, 45], [-40, 36], [-66, 16]])
"""Index and little finger stretched out: none of the signs that the model knows."""
STATION = """
[[emergency.gestures]]
sign = "horns"
held_s = 1.0

[[policies]]
name = "quietly"
triggers = ["horns"]
silent = true

[[policies]]
name = "everything else"
"""


def clip(path: Path, frames: int, seed: int) -> Path:
    """A drawn hand that shows horns, here and there, near and far, upright and turned."""
    rng = np.random.default_rng(seed)
    (x, y, roll), palm = rng.uniform([280, 300, -15], [360, 380, 15]), rng.uniform(85, 115)
    images = []
    for _ in range(frames):
        x, y, roll = np.array([x, y, roll]) + rng.normal(0, [4, 4, 2])
        turned = poses.skeleton(HORNS) @ rotation(rng.normal(0, 4), -8 + rng.normal(0, 4), roll).T
        images.append(draw_hand(turned * (palm, -palm, palm) + (x, y, 0.0), room()[0]))
    return write_media(path, images=images)


@pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
def test_from_a_clip_to_an_incident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrain, "FOLDS", 2)  # what is measured of people left out matters elsewhere
    home, collected = tmp_path / "home", tmp_path / "gestures"
    recording = clip(tmp_path / "horns.mp4", 45, seed=1)
    arguments = ["collect", "--camera", str(recording), "--sign", "horns", "--no-window", "--rate", "30"]
    answer = CliRunner().invoke(app, [*arguments, "--data", str(collected), "--person", "drawn"])
    assert answer.exit_code == 0, answer.output
    rows = sum(Collection(collected).counts(SIGNS).values())
    assert rows >= 40

    plan = SignPlan(epochs=6, samples=4_000, members=1)
    trained = retrain_signs(
        Collection(collected), home / "models" / "signs.new", home / "models", plan, progress=lambda line: None
    )
    use(home / "models", SIGNS, trained.folder)

    (home / "station.toml").write_text(STATION)
    again = clip(tmp_path / "again.mp4", 25, seed=2)
    result = safety_monitor(home, "run", "--camera", again, "--mic", "off", "--fast", "--json")
    assert result.status == 0, result.stderr
    assert result.stdout == ""  # as its own policy says: nobody is to notice
    journal = Journal(home)
    try:
        (entry,) = journal.list(limit=10)
    finally:
        journal.close()
    assert entry.silent
    assert entry.incident.labels == ("horns",)
    assert entry.incident.confidence >= 0.8
