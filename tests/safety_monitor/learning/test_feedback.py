"""What people say of an incident puts its recordings where the next training finds them, and moves them."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio.blocks import SAMPLE_RATE, Block
from audio.corpus import read_corpus, read_feedback
from audio.recording import read_clip
from gesture.capture import Frame
from gesture.detector import HandReading
from gesture.tables import read_hands
from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.actions.recorder import Recorder
from safety_monitor.config import Settings
from safety_monitor.incident import Evidence, Incident, Mark, Sense, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.learning.feedback import mark, when_saved

ID = "0b4ad0e6-6f0e-4c5e-8a43-000000000001"
TRIGGER_S = 12.0
HEARD_AND_SEEN = Incident(
    ID,
    State.PENDING,
    TRIGGER_S,
    0.97,
    (
        Evidence(Sense.AUDIO, "scream", 0.9, TRIGGER_S),
        Evidence(Sense.GESTURE, "signal_for_help", 0.9, TRIGGER_S),
    ),
    "both",
)
HAND = np.random.default_rng(0).uniform(0.3, 0.6, (21, 3)).astype(np.float32)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    journal.record(HEARD_AND_SEEN)
    journal.record(replace(HEARD_AND_SEEN, state=State.CONFIRMED))
    yield journal
    journal.close()


def keep_evidence(settings: Settings, journal: Journal) -> None:
    """Twenty seconds of noise that is as loud as it is late, and a hand with its thumb tucked in from the tenth on."""
    store = EvidenceStore(settings.home, keep_days=30.0, most_bytes=10**9)
    recorder = Recorder(store, before_s=10.0, after_s=5.0, saved=when_saved(settings, journal))
    rng = np.random.default_rng(1)
    for tenth in range(200):
        at_s = tenth / 10
        noise = rng.uniform(-1, 1, SAMPLE_RATE // 10) * (at_s + 0.1) / 25
        recorder.hear(Block(noise.astype(np.float32), at_s))
        frame = Frame(np.zeros((48, 64, 3), np.uint8), at_s)
        recorder.see(frame)
        sign = "open_palm" if tenth < 100 else "thumb_tucked"
        recorder.note(frame, [HandReading(at_s, 1, "left", HAND, sign, {sign: 1.0})])
    recorder.begin(replace(HEARD_AND_SEEN, state=State.CONFIRMED))
    recorder.close()


def put_aside(settings: Settings) -> set[str]:
    folder = settings.feedback_folder
    return {str(path.relative_to(folder)) for path in folder.glob("*/**/*") if path.is_file()}


REAL = {f"scream/{ID}.flac", f"hands/real/{ID}.csv", f"clips/real/{ID}.mp4"}
FALSE = {f"ambient/{ID}.flac", f"hands/false/{ID}.csv", f"clips/false/{ID}.mp4"}


def test_recordings_follow_the_mark_also_when_the_evidence_has_gone(settings: Settings, journal: Journal) -> None:
    keep_evidence(settings, journal)
    assert put_aside(settings) == set()
    marked = mark(settings, journal, ID[:8], Mark.FALSE, by="anna", text="a party")
    assert put_aside(settings) == FALSE
    assert set(marked.files) == {settings.feedback_folder / name for name in FALSE}
    assert marked.text.startswith("put aside for the next training: data/feedback/ambient/")
    (clip,) = read_feedback(settings.feedback_folder)
    assert (clip.label, clip.source, clip.group, clip.seconds) == ("ambient", "feedback", ID, 4.0)
    assert clip.weight > 1
    assert read_corpus(settings.feedback_folder) == (clip,)
    heard = read_clip(clip.path).reshape(4, -1)  # what came before the trigger, nothing of what came after
    assert np.abs(heard).max(axis=1) == pytest.approx([9 / 25, 10 / 25, 11 / 25, 12 / 25], abs=0.01)
    hands = read_hands(settings.feedback_folder / "hands" / "false" / f"{ID}.csv")
    assert set(hands.label.tolist()) == {"thumb_tucked"}  # what the sign was told by; the palm was rightly seen
    assert (float(hands.at_s.min()), float(hands.at_s.max())) == (10.0, TRIGGER_S)
    assert hands.landmarks[0] == pytest.approx(HAND, abs=1e-5)

    shutil.rmtree(settings.home / "evidence")
    mark(settings, journal, ID, Mark.REAL)
    assert put_aside(settings) == REAL
    (clip,) = read_feedback(settings.feedback_folder)
    assert (clip.label, clip.seconds) == ("scream", 2.0)
    assert np.abs(read_clip(clip.path)).max() == pytest.approx(12 / 25, abs=0.01)

    mark(settings, journal, ID, Mark.FALSE)
    assert put_aside(settings) == FALSE
    marked = mark(settings, journal, ID, Mark.NONE)
    assert put_aside(settings) == set()
    assert read_feedback(settings.feedback_folder) == ()
    assert marked.text == "nothing of it is put aside for training"
    assert [remark.mark for remark in journal.show(ID).remarks] == [Mark.FALSE, Mark.REAL, Mark.FALSE, Mark.NONE]


def test_a_mark_that_comes_before_the_recordings_are_complete_finds_them_later(
    settings: Settings, journal: Journal
) -> None:
    marked = mark(settings, journal, ID, Mark.REAL)
    assert marked.text == "its recordings are put aside as soon as they are complete"
    assert put_aside(settings) == set()
    keep_evidence(settings, journal)
    assert put_aside(settings) == REAL


def test_a_mark_stays_when_there_is_nothing_to_put_aside(settings: Settings, journal: Journal) -> None:
    journal.clock = lambda: 4e9
    marked = mark(settings, journal, ID, Mark.FALSE)
    assert marked.text == "no recording of it was left that a training could learn from"
    assert journal.show(ID).mark is Mark.FALSE


def test_a_mark_stays_when_the_disk_refuses(settings: Settings, journal: Journal) -> None:
    keep_evidence(settings, journal)
    (settings.home / "data").write_text("in the way")
    marked = mark(settings, journal, ID, Mark.REAL)
    assert marked.text.startswith("its recordings could not be put aside: ")
    assert journal.show(ID).mark is Mark.REAL


@pytest.mark.parametrize(
    "columns", ["path;label;mine", "\ufeffpath;label;source;group;seconds;licence;note;weight;mine"]
)
def test_a_manifest_that_a_spreadsheet_has_written_is_taken_as_it_is(
    settings: Settings, journal: Journal, columns: str
) -> None:
    keep_evidence(settings, journal)
    mark(settings, journal, ID, Mark.FALSE)
    others = f"ambient/other.flac;ambient{';' * (columns.count(';') - 1)}loud"
    mine = f"ambient/{ID}.flac;ambient{';' * (columns.count(';') - 1)}"
    manifest = settings.feedback_folder / "manifest.csv"
    manifest.write_text(f"{columns}\r\n{others}\r\n{mine}\r\n", encoding="utf-8")
    (settings.feedback_folder / "ambient" / "other.flac").write_bytes(b"sound")

    mark(settings, journal, ID, Mark.REAL)
    assert {clip.path.name: clip.label for clip in read_feedback(settings.feedback_folder)} == {
        "other.flac": "ambient",
        f"{ID}.flac": "scream",
    }
    assert "loud" in manifest.read_text(encoding="utf-8")


def test_a_mark_stays_when_the_manifest_is_no_table(settings: Settings, journal: Journal) -> None:
    keep_evidence(settings, journal)
    mark(settings, journal, ID, Mark.FALSE)
    manifest = settings.feedback_folder / "manifest.csv"
    manifest.write_bytes(b"path,label,note\nambient/x.flac,ambient,M\xfcller\n")
    marked = mark(settings, journal, ID, Mark.REAL)
    assert marked.text.endswith("manifest.csv: is no text in UTF-8: save it as such")
    assert journal.show(ID).mark is Mark.REAL
