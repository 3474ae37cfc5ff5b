"""What people say that an incident was, and its recordings put aside for the next training.

    data/feedback/               in the station's home
      manifest.csv               the sounds, as `audio.corpus` reads them
      scream/ID.flac             rightly taken for a scream
      ambient/, conversation/    wrongly taken for one; by what they are else most like
      hands/real/ID.csv          hands of the gesture and what they were taken for, as `gesture.tables` reads them
      hands/false/ID.csv         the same of gestures that were none
      clips/real/ID.mp4 …        the picture of incidents that hands led to, to look at or to collect from

Only what led to the incident is put aside: what came after it has the station's own siren in it. What is put aside
stays when the evidence itself has gone, and moves when the mark changes.
"""

import csv
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, SoundError
from audio.corpus import COLUMNS, LABELS, MANIFEST, CorpusError, rows_of
from audio.judging import listen
from audio.recording import read_clip
from gesture.rows import SIGNS, table_text
from gesture.signal_for_help import TUCKED
from gesture.tables import TableError, read_rows
from models.atomic_file import write_whole
from safety_monitor.actions.evidence import HANDS
from safety_monitor.actions.recorder import CLIP, SOUND, SPARE_S, flac, trigger_of
from safety_monitor.config import Settings
from safety_monitor.evidence import evidence_store
from safety_monitor.incident import Mark, Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.senses import load_scream_classifier
from safety_monitor.sensing import SenseError

log = logging.getLogger(__name__)

SOURCE = "feedback"
"""Of the sounds in the manifest."""
WEIGHT = 4.0
"""How many other recordings one counts as in training: it is of the very place where the station hangs."""
LEAD_S = {Mark.REAL: 2.0, Mark.FALSE: 4.0}
"""Seconds of sound before the trigger: a scream is noticed within a second of its beginning; what was taken for one may
have built up."""
HANDS_S = 4.0
"""Seconds of hands before the trigger; a held sign's own time comes on top."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What came of a mark.

    Attributes:
        entry: the incident as the journal holds it now.
        files: put aside for the next training.
        text: one line about them for people.
    """

    entry: Entry
    files: tuple[Path, ...]
    text: str


def mark(settings: Settings, journal: Journal, incident_id: str, what: Mark, *, by: str = "", text: str = "") -> Marked:
    """Write what a person says that an incident was, and put its recordings aside for training, or out again.

    The mark counts as soon as it is written, whatever becomes of the recordings. May take a second: the sound of a
    false alarm is judged again.

    Args:
        settings: of the station.
        journal: of the station.
        incident_id: may be shortened while it is unique.
        what: it was.
        by: who says it.
        text: a note beside it.

    Raises:
        JournalError: no such incident, or the mark cannot be written.
    """
    entry = journal.remark(incident_id, text, by=by, mark=what)
    try:
        files = put_aside(settings, entry)
    except (OSError, SenseError) as error:
        return Marked(entry, (), f"its recordings could not be put aside: {error}")
    if files:
        names = ", ".join(str(path.relative_to(settings.home)) for path in files)
        return Marked(entry, files, f"put aside for the next training: {names}")
    if entry.mark is None:
        return Marked(entry, (), "nothing of it is put aside for training")
    if settings.evidence.enabled and _is_fresh(settings, journal, entry):
        return Marked(entry, (), "its recordings are put aside as soon as they are complete")
    return Marked(entry, (), "no recording of it was left that a training could learn from")


def when_saved(settings: Settings, journal: Journal) -> Callable[[str], None]:
    """What puts aside the recordings of an incident that was marked before they were complete."""

    def saved(incident_id: str) -> None:
        try:
            entry = journal.show(incident_id)
            if entry.mark is not None:
                put_aside(settings, entry)
        except (JournalError, OSError, SenseError) as error:
            log.warning("recordings of a marked incident could not be put aside: %s", error)

    return saved


def put_aside(settings: Settings, entry: Entry) -> tuple[Path, ...]:
    """Make the folder hold what the incident's mark asks for, and nothing else of it.

    Returns:
        The files of the incident that are there now.

    Raises:
        OSError: a file cannot be read or written.
        SenseError: the model that is to judge a false alarm's sound cannot be used.
    """
    folder, incident = settings.feedback_folder, entry.incident
    if entry.mark is None and not folder.is_dir():
        return ()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        before = _there(folder, incident.id)
        wanted: dict[Path, bytes] = {}
        rows = [row for row in _manifest(folder) if Path(row["path"]).stem != incident.id]
        if entry.mark is not None:
            kept = evidence_store(settings).files(incident.id)
            sources = before | {path.name: path for path in kept}  # the evidence holds more, where it is still there
            if Sense.AUDIO in incident.senses and SOUND in sources:
                sound = _excerpt(sources[SOUND], LEAD_S[entry.mark])
                label = "scream" if entry.mark is Mark.REAL else _otherwise(settings, sound)
                path = Path(label) / f"{incident.id}.flac"
                wanted[path] = flac(sound, len(sound) / SAMPLE_RATE)
                rows.append(_row(path, label, incident.id, len(sound) / SAMPLE_RATE))
            if Sense.GESTURE in incident.senses:
                if HANDS in sources and (text := _hands(settings, entry, sources[HANDS])):
                    wanted[Path("hands") / entry.mark / f"{incident.id}.csv"] = text.encode()
                if CLIP in sources:
                    wanted[Path("clips") / entry.mark / f"{incident.id}.mp4"] = sources[CLIP].read_bytes()
        for path, data in wanted.items():
            _write(folder / path, data)
        _write(folder / MANIFEST, _csv(rows).encode())
        for path in before.values():
            if path.relative_to(folder) not in wanted:
                path.unlink()
        return tuple(folder / path for path in wanted)


def _there(folder: Path, incident_id: str) -> dict[str, Path]:
    """What is put aside of an incident, by the name that its evidence has."""
    names = {".flac": SOUND, ".csv": HANDS, ".mp4": CLIP}
    return {names[path.suffix]: path for path in folder.glob(f"**/{incident_id}.*") if path.suffix in names}


def _excerpt(path: Path, lead_s: float) -> NDArray[np.float32]:
    """The last seconds before the trigger."""
    try:
        samples, trigger = read_clip(path), round(trigger_of(path) * SAMPLE_RATE)
    except SoundError as error:
        raise OSError(str(error)) from None
    return samples[max(trigger - round(lead_s * SAMPLE_RATE), 0) : trigger]


def _otherwise(settings: Settings, samples: NDArray[np.float32]) -> str:
    """What a sound that is no scream is most like."""
    readings = listen(load_scream_classifier(settings), samples)
    others = [label for label in LABELS if label != "scream"]
    return max(others, key=lambda label: sum(reading.probabilities.get(label, 0.0) for reading in readings))


def _hands(settings: Settings, entry: Entry, path: Path) -> str:
    """The hands that led to an incident, as they were taken for a sign that means "Emergency"; empty without any."""
    gestures = [gesture for gesture in settings.emergency.gestures if gesture.label in entry.incident.labels]
    signs = {gesture.sign or TUCKED for gesture in gestures if not gesture.movement}
    trigger_s = _trigger_s(entry)
    begin_s = trigger_s - HANDS_S - max((gesture.held_s for gesture in gestures if gesture.sign), default=0.0)
    try:
        rows = [
            tuple(row.values())
            for row in read_rows(path)
            if row["label"] in signs and begin_s <= float(row["at_s"]) <= trigger_s
        ]
    except TableError as error:
        raise OSError(str(error)) from None
    return table_text(SIGNS, rows) if rows else ""


def _trigger_s(entry: Entry) -> float:
    """When an incident was confirmed, on the clock of its source."""
    times = [step.at_s for step in entry.transitions if step.state is State.CONFIRMED]
    return times[0] if times else entry.incident.at_s


def _is_fresh(settings: Settings, journal: Journal, entry: Entry) -> bool:
    """Whether the evidence of an incident may still be in the making."""
    age_s = journal.clock() - datetime.fromisoformat(entry.opened_at).timestamp()
    return age_s < settings.fusion.pending_s + settings.evidence.after_s + SPARE_S


def _manifest(folder: Path) -> list[dict[str, str]]:
    """Rows of the manifest, which somebody may have edited in a spreadsheet since.

    Raises:
        OSError: it is no table.
    """
    path = folder / MANIFEST
    try:
        return [row for _, row in rows_of(path)] if path.exists() else []
    except CorpusError as error:
        raise OSError(str(error)) from None


def _row(path: Path, label: str, incident_id: str, seconds: float) -> dict[str, str]:
    return {
        "path": str(path),
        "label": label,
        "source": SOURCE,
        "group": incident_id,
        "seconds": f"{seconds:.2f}",
        "licence": "",
        "note": "marked by a person",
        "weight": f"{WEIGHT:g}",
    }


def _csv(rows: list[dict[str, str]]) -> str:
    """The manifest as text; columns that somebody has added stay."""
    text = io.StringIO()
    columns = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, data)
