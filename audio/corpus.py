"""Labelled recordings: a manifest or folders of labels, split by group or source, never by row."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os.path import isfile  # no error where a name is too long to be one
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.recording import SUFFIXES
from media.folders import files_in
from models.card import sha256

LABELS = ("scream", "conversation", "ambient")
SCREAM = LABELS.index("scream")
MANIFEST = "manifest.csv"
PARTS = ("train", "validation", "test")
COLUMNS = ("path", "label", "source", "group", "seconds", "licence", "note", "weight")
"""Of a manifest; all but the first two may be missing."""
REPEATS = (("nevado", "ww13"),)
"""Sources that hold the same sounds under other names and in other groups: 24 coughs, cries, sneezes and yawns, whose
waveforms correlate by 0.68 at least."""
HEAVIEST = 100.0
"""Greatest weight of a clip."""


class CorpusError(Exception):
    """Data that cannot be used; the text is one line that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording.

    Attributes:
        path: the sound file.
        label: one of `LABELS`.
        source: where it was gathered: a place, a project, a microphone.
        group: recordings that belong together and must not be split.
        seconds: its length as the manifest gives it, 0 where unknown.
        licence: as the manifest gives it.
        note: remarks of the manifest; see `weak` and `disputed`.
        weight: how much it counts in training.
    """

    path: Path
    label: str
    source: str
    group: str
    seconds: float = 0.0
    licence: str = ""
    note: str = ""
    weight: float = 1.0

    @property
    def weak(self) -> bool:
        """Whether the label was not given by a person: good enough to train, never to judge."""
        return self.label == "scream" and "weak label" in self.note

    @property
    def disputed(self) -> bool:
        """Whether an alarm on it cannot be called false (acted distress)."""
        return "do not count" in self.note

    @property
    def sure(self) -> bool:
        """Whether models are judged by it: its label was given by a person and is beyond dispute."""
        return not self.weak and not self.disputed


def labels_of(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Of each recording the place of its label among `LABELS`."""
    return np.asarray([LABELS.index(clip.label) for clip in clips], np.int64)


def are_screams(clips: Sequence[Clip]) -> NDArray[np.bool_]:
    """Which recordings are of screams."""
    return np.asarray(labels_of(clips) == SCREAM, np.bool_)


def are_sure(clips: Sequence[Clip]) -> NDArray[np.bool_]:
    """By which recordings models are judged."""
    return np.asarray([clip.sure for clip in clips], np.bool_)


def read_corpus(where: Path) -> tuple[Clip, ...]:
    """Clips of a manifest (a CSV with `COLUMNS`) or of folders named by label; copies of a file are of one group.

    Args:
        where: a .csv file, a folder with `manifest.csv`, or a folder with one folder for each label.

    Raises:
        CorpusError: nothing there, an unknown label, a row without path or label, recordings that are missing, or names
            that are no text.
    """
    manifest = where / MANIFEST if where.is_dir() else where
    if manifest.suffix.lower() == ".csv" and manifest.is_file():
        clips = _read_manifest(manifest)
        missing = [clip.path for clip in clips if not isfile(clip.path)]
        if missing:
            raise CorpusError(f"{manifest}: {len(missing)} of {len(clips)} recordings not found: {some(missing)}")
        return _with_copies_together(clips)
    if not where.is_dir():
        raise CorpusError(f"{where}: no such folder or manifest")
    found = [clip for label in LABELS for folder in _folders(where, label) for clip in _read_folder(folder, label)]
    if not found:
        raise CorpusError(f"{where}: neither {MANIFEST} nor sounds in folders named {', '.join(LABELS)}")
    unnamed = [ascii(clip.group) for clip in found if not _is_text(clip.group)]
    if unnamed:
        raise CorpusError(f"{where}: rename what has a name that is no text in UTF-8: {some(unnamed)}")
    return _with_copies_together(found)


def _is_text(name: str) -> bool:
    """Whether a name can be written into a card or a table; one out of an old archive may hold other bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def some(things: Sequence[object], most: int = 3) -> str:
    """The first of them, and how many more there are."""
    return "; ".join(map(str, things[:most])) + (f"; and {len(things) - most} more" if len(things) > most else "")


def _folders(where: Path, label: str) -> list[Path]:
    """Folders of a label, however it is capitalised."""
    return [folder for folder in sorted(where.iterdir()) if folder.name.lower() == label and folder.is_dir()]


def _read_folder(folder: Path, label: str) -> Iterator[Clip]:
    """Recordings of a label; folders inside stand for sources."""
    for path in files_in(folder, SUFFIXES):
        inside = path.relative_to(folder)
        source = inside.parts[0] if len(inside.parts) > 1 else folder.parent.resolve().name
        yield Clip(path, label, source, f"{source}|{inside.with_suffix('')}")


def read_feedback(folder: Path) -> tuple[Clip, ...]:
    """Clips that people marked as real or false alarms, to be trained along; none where there is no such folder.

    They carry a weight above 1, are all of one source, and each is a group of its own. One whose file somebody has
    deleted is left out.

    Args:
        folder: `data/feedback` in the station's home.

    Raises:
        CorpusError: its manifest is malformed.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return ()
    return tuple(clip for clip in _read_manifest(manifest, may_be_empty=True) if isfile(clip.path))


def _read_manifest(manifest: Path, *, may_be_empty: bool = False) -> tuple[Clip, ...]:
    clips = []
    for line, row in rows_of(manifest):
        path, label = row.get("path"), row.get("label", "").lower()
        if not path or label not in LABELS:
            there = f", not '{row['label']}'" if path and row.get("label") else ""
            raise CorpusError(f"{manifest}:{line}: needs a path and a label out of {', '.join(LABELS)}{there}")
        source = row.get("source") or manifest.resolve().parent.name
        try:
            seconds, weight = _number(row.get("seconds") or "0"), _number(row.get("weight") or "1")
        except ValueError:
            raise CorpusError(f"{manifest}:{line}: seconds and weight must be numbers") from None
        if not 0 <= weight <= HEAVIEST:
            raise CorpusError(f"{manifest}:{line}: a weight is between 0 and {HEAVIEST:g}")
        clips.append(
            Clip(
                path=manifest.parent / path,
                label=label,
                source=source,
                group=row.get("group") or f"{source}|{path}",
                seconds=seconds,
                licence=row.get("licence") or "",
                note=row.get("note") or "",
                weight=weight,
            )
        )
    if not clips and not may_be_empty:
        raise CorpusError(f"{manifest}: no rows")
    return tuple(clips)


def _number(text: str) -> float:
    """A number as spreadsheets write it; those that part columns by semicolons write 3,5."""
    return float(text.replace(",", "."))


def rows_of(manifest: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows of a table with their lines; commas, semicolons or tabs part the columns, as spreadsheets write them.

    Raises:
        CorpusError: it cannot be read, or names no columns `path` and `label`.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=head.count), restval="")
            names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
            lacking = [name for name in COLUMNS[:2] if name not in names]
            if lacking:
                raise CorpusError(f"{manifest}: its first line must name columns; {' and '.join(lacking)} not there")
            reader.fieldnames = names
            return [
                (reader.line_num, {name: text.strip() for name, text in row.items() if isinstance(text, str)})
                for row in reader
            ]
    except UnicodeDecodeError:
        raise CorpusError(f"{manifest}: is no text in UTF-8: save it as such") from None
    except (OSError, csv.Error) as error:
        raise CorpusError(f"{manifest}: cannot be read: {error}") from None


def folds(clips: Sequence[Clip], count: int) -> dict[str, int]:
    """Sources dealt to `count` folds so that each has a like share of screams and of everything else.

    Largest source first, each to the fold that has least of what it brings; the same clips give the same folds. Sources
    that share a group or recordings go together: nothing that was learned from may be judged.
    """
    first = _together(clips)
    screams: dict[str, int] = {}
    others: dict[str, int] = {}
    for clip in clips:
        side = screams if clip.label == "scream" and not clip.weak else others
        side[first[clip.source]] = side.get(first[clip.source], 0) + 1
    total = max(1, sum(screams.values())), max(1, sum(others.values()))
    load = [[0.0, 0.0] for _ in range(count)]
    result: dict[str, int] = {}
    shares = {s: (screams.get(s, 0) / total[0], others.get(s, 0) / total[1]) for s in screams | others}
    for source in sorted(shares, key=lambda s: (-sum(shares[s]), s)):
        scream, other = shares[source]
        fold = min(range(count), key=lambda f: (scream * load[f][0] + other * load[f][1], sum(load[f]), f))
        result[source] = fold
        load[fold][0] += scream
        load[fold][1] += other
    return {source: result[first[source]] for source in first}


def _together(clips: Sequence[Clip]) -> dict[str, str]:
    """Of each source the first, by name, of those that must not be parted from it."""
    of_group: dict[str, str] = {}
    pairs = [(of_group.setdefault(clip.group, clip.source), clip.source) for clip in clips]
    there = {clip.source for clip in clips}
    return _firsts([*pairs, *(each for each in REPEATS if set(each) <= there)])


def _firsts(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Of each name in the pairs the first, in the order of names, of those that pairs join it with."""
    first = {name: name for pair in pairs for name in pair}

    def follow(name: str) -> str:
        while first[name] != name:
            name = first[name]
        return name

    for pair in pairs:
        least, other = sorted(map(follow, pair))
        first[other] = least
    return {name: follow(name) for name in first}


def _with_copies_together(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """The clips, those whose files are alike in one group: who has learned from a recording knows its copies."""
    of_file: dict[str, str] = {}
    first = _firsts([(of_file.setdefault(_content(clip.path), clip.group), clip.group) for clip in clips])
    return tuple(replace(clip, group=first[clip.group]) for clip in clips)


def _content(path: Path) -> str:
    """The same for the same bytes; what cannot be read is told of when all are decoded."""
    try:
        return sha256(path)
    except OSError:
        return str(path)


def split(clips: Sequence[Clip], seed: int = 0) -> dict[str, str]:
    """Groups dealt to "train" (70 %), "validation" (15 %) and "test" (15 %) by a hash of group and seed.

    Where chance leaves a part without a label of which there are groups enough, the part with most of them gives one.
    """
    places: dict[str, float] = {}
    labels: dict[str, set[str]] = {}
    for clip in clips:
        digest = hashlib.sha256(f"{seed}|{clip.group}".encode()).digest()
        places[clip.group] = int.from_bytes(digest[:4], "big") / 2**32
        labels.setdefault(clip.group, set()).add(clip.label)
    result = {group: PARTS[(place >= 0.70) + (place >= 0.85)] for group, place in places.items()}
    for label in LABELS:
        mine = sorted((group for group in result if label in labels[group]), key=lambda group: places[group])
        for part in PARTS:
            there = {each: [group for group in mine if result[group] == each] for each in PARTS}
            most = max(there.values(), key=len)
            if not there[part] and len(most) > 1:
                result[most[-1]] = part
    return result
