"""What `analyze` says of recordings and pictures, good ones and broken ones."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from safety_monitor.analysis import stretches
from safety_monitor.demo.scene import FPS, picture_at, sound
from tests.system.command import Result, safety_monitor

RATE = 16_000
SCREAM_S = 5.0
THUMB_TUCKED_S = 41.6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings and pictures cut from the demo scene, and broken ones."""
    folder = tmp_path_factory.mktemp("recordings")
    demo = sound()
    soundfile.write(folder / "scream.wav", demo[: int((SCREAM_S + 3) * RATE)], RATE)
    soundfile.write(folder / "quiet.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "empty.wav", np.zeros(0), RATE)
    (folder / "text.wav").write_text("not a recording")
    (folder / "cut.mp4").write_bytes(b"\x00\x00\x00\x20ftypisom")
    picture = cv2.cvtColor(picture_at(int(THUMB_TUCKED_S * FPS)), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(folder / "hand.png"), picture)
    cv2.imwrite(str(folder / "wall.jpg"), np.full((240, 320, 3), 127, np.uint8))
    return folder


@pytest.fixture(scope="module")
def judged(folder: Path) -> Result:
    """All of them, in one start."""
    return safety_monitor(folder / "home", "analyze", "--json", *sorted(folder.glob("*.*")), folder / "missing.mp3")


def test_every_file_gets_its_object_and_the_bad_ones_an_error(judged: Result, folder: Path) -> None:
    names = {Path(result["file"]).name: result for result in judged.objects}
    assert names.keys() == {path.name for path in folder.glob("*.*")} | {"missing.mp3"}
    bad = {name for name, result in names.items() if "error" in result}
    assert bad == {"empty.wav", "text.wav", "cut.mp4", "missing.mp3"}
    assert all(name in names[name]["error"] and "\n" not in names[name]["error"] for name in bad)
    assert judged.status == 1
    assert "Traceback" not in judged.stderr


def test_a_scream_is_found_with_its_time_line_and_its_incident(judged: Result) -> None:
    (result,) = [result for result in judged.objects if result["file"].endswith("scream.wav")]
    assert result["label"] == "scream"
    assert result["scream_probability"] >= 0.8
    assert result["duration_s"] == pytest.approx(SCREAM_S + 3)
    segments = result["segments"]
    assert all(later["end_s"] - earlier["end_s"] <= 0.25 for earlier, later in itertools.pairwise(segments))
    assert all(sum(segment["probabilities"].values()) == pytest.approx(1.0, abs=0.001) for segment in segments)
    confirmed = [step for step in result["incidents"] if step["state"] == "confirmed"]
    assert [step["senses"] for step in confirmed] == [["audio"]]
    assert SCREAM_S <= confirmed[0]["at_s"] <= SCREAM_S + 2


def test_silence_is_no_scream(judged: Result) -> None:
    (result,) = [result for result in judged.objects if result["file"].endswith("quiet.wav")]
    assert (result["label"], result["incidents"]) == ("ambient", [])
    assert result["scream_probability"] < 0.5


def test_a_picture_is_a_file_of_one_frame(judged: Result) -> None:
    by_name = {Path(result["file"]).name: result for result in judged.objects}
    (sign,) = by_name["hand.png"]["signs"]
    assert sign["label"] == "thumb_tucked"
    assert sign["handedness"] in ("left", "right")
    assert by_name["hand.png"]["scream_probability"] is None
    assert by_name["wall.jpg"]["signs"] == []


def test_for_people_it_is_a_page_not_json(folder: Path) -> None:
    result = safety_monitor(folder / "home", "analyze", folder / "scream.wav")
    assert result.status == 0
    assert "s: ALARM at " in result.stdout.splitlines()[0]
    assert "sound as a whole        scream, scream probability" in result.stdout
    assert "confirmed" in result.stdout


def test_what_cannot_be_judged_is_named_once(folder: Path) -> None:
    result = safety_monitor(folder / "home", "analyze", folder / "missing.mp3")
    assert (result.status, result.stdout) == (1, f"{folder / 'missing.mp3'}: no such file\n")


def test_hands_that_are_judged_in_turn_are_told_apart_and_what_flickers_is_left_out() -> None:
    def reading(at_s: float, hand: int, label: str, side: str = "left") -> dict[str, object]:
        return {"at_s": at_s, "hand": hand, "handedness": side, "label": label, "probability": 0.9 + at_s / 100}

    readings = [reading(at / 10, hand, "fist" if hand == 1 else "ok") for at in range(5) for hand in (1, 2)]
    readings += [reading(0.5, 1, "wave"), reading(0.6, 1, "none"), reading(0.7, 1, "none"), reading(0.8, 1, "none")]
    readings.append(reading(0.3, 3, "ok", "right"))
    told = [(each.hand, each.label, each.begin_s, each.end_s) for each in stretches(readings)]
    assert told == [(1, "fist", 0.0, 0.4), (2, "ok", 0.0, 0.4), (3, "ok", 0.3, 0.3)]
