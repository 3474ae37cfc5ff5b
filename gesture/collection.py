"""What users have collected: one folder with tables, label files and the two-model format beside them.

    hands.csv                            every collected hand, as `gesture.tables` writes it
    motions.csv                          every collected movement
    keypoint_classifier_label.csv        signs, one a line; its line number is the class in keypoint.csv
    keypoint.csv                         the same hands as the two-model repository writes them
    point_history_classifier_label.csv   movements, one a line
    point_history.csv                    the same movements as the two-model repository writes them

The first two are what counts; the others are made from them, so that other programs can read along. Every row is on the
disk before it counts as collected, and every change is made under a lock: two collectors may share a folder. What a
crash or a hand has left out of step – half a row at the end, a label without a line, a table of the other format that
lacks rows – is put right by the next that changes something.
"""

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock

from gesture.prepare import SIGN_LABELS
from gesture.rows import (
    HEADS,
    MOTIONS,
    SIGNS,
    TWO_MODEL_COLUMNS,
    TWO_MODEL_LABELS,
    CollectionError,
    Origin,
    check_new_label,
    from_two_model,
    line_of,
    table_text,
    two_model_row,
)
from gesture.tables import HandTable, PathTable, TableError, read_hands, read_paths, read_rows
from gesture.trajectories import MOTION_LABELS
from models.atomic_file import write_whole

TABLES = {SIGNS: "hands.csv", MOTIONS: "motions.csv"}
LABELS = {SIGNS: "keypoint_classifier_label.csv", MOTIONS: "point_history_classifier_label.csv"}
TWO_MODEL = {SIGNS: "keypoint.csv", MOTIONS: "point_history.csv"}
BASE_LABELS = {SIGNS: SIGN_LABELS, MOTIONS: MOTION_LABELS}
"""Labels that the program came with."""


class Collection:
    """The folder; several may be open on one folder, in several processes.

    All methods raise `TableError` where a table is damaged, and those that change something `CollectionError` where the
    disk refuses.

    Args:
        folder: made where it is missing.

    Raises:
        CollectionError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._in_step: set[str] = set()
        with _disk(folder):
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _disk(self.folder), FileLock(self.folder / ".lock", poll_interval=0.01):
            for kind, name in TABLES.items():
                _mend(self.folder / name, len(HEADS[kind]))
                _mend(self.folder / TWO_MODEL[kind], TWO_MODEL_COLUMNS[kind])
            try:
                yield
            except BaseException:
                self._in_step.clear()  # whatever was under way may be half done
                raise

    def hands(self) -> HandTable | None:
        """All collected hands; None where there are none."""
        path = self._table(SIGNS)
        return read_hands(path) if path else None

    def paths(self) -> PathTable | None:
        """All collected movements; None where there are none."""
        path = self._table(MOTIONS)
        return read_paths(path) if path else None

    def _table(self, kind: str) -> Path | None:
        """The table of a kind, without a row that a crash has cut off; None where a full disk took nothing of it."""
        path = self.folder / TABLES[kind]
        if not _ends_whole(path):
            with self._locked():  # mends it
                pass
        return path if path.exists() and path.stat().st_size else None

    def _rows(self, kind: str) -> list[dict[str, str]]:
        path = self._table(kind)
        if path is None:
            return []
        rows = read_rows(path)
        if rows and tuple(rows[0]) != HEADS[kind]:
            raise TableError(f"{path}: its head line is not that of a table of {kind}; move the file away")
        return rows

    def labels(self, kind: str) -> list[str]:
        """Labels of "signs" or "motions", in the order of their classes in the two-model format."""
        path = self.folder / LABELS[kind]
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            return []
        except UnicodeDecodeError:
            raise TableError(f"{path}: is not UTF-8; save it as that") from None
        return list(dict.fromkeys(line.split(",")[0].strip() for line in lines if line.strip(" ,\t\r")))

    def add_label(self, kind: str, label: str) -> None:
        """Make a label known.

        Raises:
            CollectionError: it is none, or is known already, also where it is written a little otherwise.
        """
        with self._locked():
            known = self.labels(kind)
            if self.check_label(kind, label) in known:
                raise CollectionError(f"the label '{label}' is there already")
            self._write_labels(kind, [*known, label])

    def check_label(self, kind: str, label: str) -> str:
        """A label that rows are to get, where it is known or may become so, see `gesture.rows.check_new_label`."""
        known = self.labels(kind)
        return label if label in known else check_new_label(label, [*known, *BASE_LABELS[kind]])

    def add(self, kind: str, row: Sequence[str]) -> None:
        """Append one row and wait until it is on the disk; a new label is made known on the way."""
        with self._locked():
            if kind not in self._in_step:
                self._put_in_step(kind)
            known = self.labels(kind)
            if row[0] not in known:
                known.append(self.check_label(kind, row[0]))
                self._write_labels(kind, known)
            self._append(TABLES[kind], line_of(HEADS[kind]), line_of(row))
            self._append(TWO_MODEL[kind], "", line_of(two_model_row(kind, row, known)))

    def _put_in_step(self, kind: str) -> None:
        """Make up for what a crash has kept from the other tables."""
        rows = max(len(self._lines(TABLES[kind])) - 1, 0)
        if rows != len(self._lines(TWO_MODEL[kind])):
            self._write_two_model(kind)
        self._in_step.add(kind)

    def undo(self, kind: str, row: Sequence[str]) -> bool:
        """Take back a row that was added; False where it is not there any more."""
        with self._locked():
            lines = self._lines(TABLES[kind])
            line = line_of(row)
            if line not in lines:
                return False
            del lines[len(lines) - 1 - lines[::-1].index(line)]
            self._replace(TABLES[kind], "".join(lines))
            self._write_two_model(kind)
            return True

    def rename_label(self, kind: str, old: str, new: str) -> int:
        """Give a label another name, in the label file and in every row; returns how many rows there were.

        Raises:
            CollectionError: there is no such label, or the new one is there already.
        """
        with self._locked():
            known = self._known(kind, old)
            if new in known:
                raise CollectionError(f"the label '{new}' is there already")
            check_new_label(new, [*(label for label in known if label != old), *BASE_LABELS[kind]])
            return self._relabel(kind, old, [new])

    def remove_label(self, kind: str, label: str) -> int:
        """Forget a label and all its rows; returns how many rows there were.

        Raises:
            CollectionError: there is no such label.
        """
        with self._locked():
            self._known(kind, label)
            return self._relabel(kind, label, [])

    def _known(self, kind: str, label: str) -> list[str]:
        """The labels, of which this must be one."""
        known = self.labels(kind)
        if label not in known:
            raise CollectionError(f"no label '{label}'; known: {', '.join(known) or 'none'}")
        return known

    def _relabel(self, kind: str, old: str, new: list[str]) -> int:
        """Put another label, or none, in the place of one everywhere; returns how many rows there were."""
        rows = [list(row.values()) for row in self._rows(kind)]
        if rows:
            kept = [[label, *row[1:]] for row in rows for label in (new if row[0] == old else row[:1])]
            self._replace(TABLES[kind], table_text(kind, kept))
        self._write_labels(kind, [label for one in self.labels(kind) for label in (new if one == old else [one])])
        self._write_two_model(kind)
        return sum(row[0] == old for row in rows)

    def counts(self, kind: str) -> dict[tuple[str, str, str], int]:
        """Rows by label, person and session."""
        return dict(Counter((row["label"], row["person"], row["session"]) for row in self._rows(kind)))

    def check(self) -> list[str]:
        """Complaints, a line each; an empty list means that all is well."""
        complaints = []
        for kind, name in TABLES.items():
            path = self.folder / name
            try:
                self._rows(kind)
                table = self.hands() if kind == SIGNS else self.paths()
                unknown = sorted(set(() if table is None else table.label.tolist()) - set(self.labels(kind)))
            except TableError as error:
                complaints.append(f"{error}; delete that row, or bring the file back from a copy")
                continue
            if table is None:
                continue
            complaints += [f"{path}: the label '{label}' is not in {LABELS[kind]}" for label in unknown]
            for label in np.unique(table.label):
                rows, people = int((table.label == label).sum()), len(set(table.person[table.label == label].tolist()))
                if rows < 50:
                    complaints.append(f"{label}: {rows} rows; 100 are a good start")
                elif people < 2:
                    complaints.append(
                        f"{label}: shown by one person only; how well it does on others cannot be measured"
                    )
        return complaints

    def import_two_model(self, kind: str, table: Path, labels: Path | None, origin: Origin) -> int:
        """Take over a CSV of the two-model repository (keypoint.csv or point_history.csv); returns how many were new.

        Rows that were taken over before are not taken over twice, whatever they or their file are called by now. What
        the program itself calls otherwise is taken over under the program's name where that is known here and theirs is
        not: it was renamed, or collected here.

        Hands of that format have no depth and no side: they are taken for flat right hands. Its numbers carry no unit;
        a hand is given an ordinary size.

        Raises:
            CollectionError: a row is not of that format; nothing is taken over then.
        """
        names = None
        try:
            text = table.read_text(encoding="utf-8-sig")
            if labels is not None:
                lines = labels.read_text(encoding="utf-8-sig").splitlines()
                names = [line.split(",")[0].strip() for line in lines if line.strip()]
        except OSError as error:
            raise CollectionError(f"{error.filename}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CollectionError(f"{table if labels is None else f'{table} or {labels}'}: is not UTF-8") from None
        reader = csv.reader(io.StringIO(text, newline=""))
        try:
            rows = [
                from_two_model(kind, row, names, origin, f"{table.name}:{reader.line_num}") for row in reader if row
            ]
        except csv.Error as error:
            raise CollectionError(f"{table.name}:{reader.line_num}: not a CSV: {error}") from None
        with self._locked():
            known = self.labels(kind)
            ours = {their: our for their, our in TWO_MODEL_LABELS[kind].items() if our in known and their not in known}
            # Not by the label, which may have been renamed since, nor by the source: the file may have been, too.
            there = {tuple(row.values())[2:] for row in self._rows(kind)}
            new = [(ours.get(row[0], row[0]), *row[1:]) for row in rows if row[2:] not in there]
            found = {row[0] for row in new}
            known += [label for label in names or sorted(found) if label in found and label not in known]
            self._write_labels(kind, dict.fromkeys(known))
            if new:
                self._append(TABLES[kind], line_of(HEADS[kind]), "".join(map(line_of, new)))
            self._write_two_model(kind)
        return len(new)

    def export_two_model(self, kind: str, folder: Path) -> int:
        """Write the two-model CSV and its label file to another folder; returns the number of rows."""
        with self._locked():
            folder.mkdir(parents=True, exist_ok=True)
            self._write_two_model(kind)
            for name in (TWO_MODEL[kind], LABELS[kind]):
                source = self.folder / name
                (folder / name).write_bytes(source.read_bytes() if source.exists() else b"")
            return len(self._lines(TWO_MODEL[kind]))

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        try:
            # Not splitlines: a name may hold a sign that it takes for a line's end.
            return io.StringIO(path.read_text(encoding="utf-8-sig"), newline="\n").readlines() if path.exists() else []
        except UnicodeDecodeError:
            raise TableError(f"{path}: is not UTF-8") from None

    def _append(self, name: str, head: str, text: str) -> None:
        with (self.folder / name).open("ab") as file:
            file.write((text if file.tell() else head + text).encode())
            file.flush()
            os.fsync(file.fileno())

    def _replace(self, name: str, text: str) -> None:
        write_whole(self.folder / name, text.encode())

    def _write_labels(self, kind: str, labels: Iterable[str]) -> None:
        self._replace(LABELS[kind], "".join(f"{label}\n" for label in labels))

    def _write_two_model(self, kind: str) -> None:
        """The table and the label file of the other format; labels that only rows know are added to it."""
        rows = [list(row.values()) for row in self._rows(kind)]
        known = self.labels(kind)
        if lost := [label for label in dict.fromkeys(row[0] for row in rows) if label not in known]:
            known += lost
            self._write_labels(kind, known)
        try:
            lines = [line_of(two_model_row(kind, row, known)) for row in rows]
        except ValueError as error:
            raise TableError(f"{self.folder / TABLES[kind]}: a row holds what is no number: {error}") from None
        self._replace(TWO_MODEL[kind], "".join(lines))


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """What a disk refuses is one line that says where."""
    try:
        yield
    except OSError as error:
        raise CollectionError(f"{error.filename or folder}: {error.strerror or error}") from None


def _ends_whole(path: Path) -> bool:
    """Whether a file ends with a whole line, as one does that is empty or missing."""
    try:
        with path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
    except FileNotFoundError:
        return True


def _mend(path: Path, columns: int) -> None:
    """Take away what a crash has left of a row; a whole one that somebody's editor has left without an end stays."""
    if _ends_whole(path):
        return
    with path.open("r+b") as file:
        data = file.read()
        start = data.rfind(b"\n") + 1
        if _is_whole(data[start:], columns):
            file.write(b"\n")
        else:
            file.truncate(start)


def _is_whole(line: bytes, columns: int) -> bool:
    try:
        row = next(csv.reader([line.decode()]))
        return len(row) == columns and math.isfinite(float(row[-1]))
    except (ValueError, csv.Error):
        return False
