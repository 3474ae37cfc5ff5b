"""What the pages of a damaged journal still hold, read one by one where SQLite, which goes down from the root of each
table, cannot get at them.

After https://www.sqlite.org/fileformat2.html: leaf pages of tables (1.6), records (2.1), and the write-ahead log (4).
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

Value = int | float | str | bytes | None

MAGIC, LOG_MAGIC = b"SQLite format 3\0", (0x377F0682, 0x377F0683)
PAGE_SIZE = 4096
"""Of a file that does not say it any more."""
SIZES = frozenset(2**power for power in range(9, 17))
LEAF = 13
"""First byte of a page with rows."""
LONGEST = 10_000_000
"""Bytes; what says that it is a longer row is none."""
INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes of an integer, by its serial type."""
CONSTANTS = {0: None, 8: 0, 9: 1}
"""Values that need no bytes, by serial type."""


def readable(raw: bytes) -> str:
    """Text out of a file that may be damaged: of what is none, as much as can be read."""
    return raw.decode("utf-8", "replace")


def rows(path: Path) -> Iterator[tuple[int, tuple[Value, ...]]]:
    """Number and values of all rows of all tables in a file and the log beside it; which is of which, nobody says.

    Raises:
        OSError: its beginning, or that of the log, cannot be read.
    """
    log = path.with_name(f"{path.name}-wal")
    with path.open("rb") as file, (log if log.is_file() else path).open("rb") as logged:
        pages = _Pages(file, logged)
        for number in pages.numbers():
            yield from _rows_of(pages, number)


class _Pages:
    """The pages of a journal by number, from 1 on, as its log has left them."""

    def __init__(self, file: BinaryIO, log: BinaryIO) -> None:
        self._file, self._log = file, log
        head, log_head = file.read(100), log.read(32)
        self.size = PAGE_SIZE
        self._logged: dict[int, int] = {}
        """Page -> where in the log it is."""
        logged = len(log_head) == 32 and int.from_bytes(log_head[:4], "big") in LOG_MAGIC
        said = int.from_bytes(log_head[8:12] if logged else head[16:18] if head.startswith(MAGIC) else b"", "big")
        said = 65_536 if said == 1 else said
        self.size = said if said in SIZES else PAGE_SIZE
        if logged:
            self._read_log(log_head[16:24])
        self._count = file.seek(0, 2) // self.size

    def _read_log(self, salt: bytes) -> None:
        """Where the log has the newest committed state of pages."""
        open_ones: dict[int, int] = {}
        at = 32
        while len(frame := self._log.read(24)) == 24 and frame[8:16] == salt:
            open_ones[int.from_bytes(frame[:4], "big")] = at + 24
            at = self._log.seek(at + 24 + self.size)
            if frame[4:8] != bytes(4):  # a transaction ends with it
                self._logged |= open_ones
                open_ones = {}

    def numbers(self) -> Iterator[int]:
        """Of all pages."""
        yield from sorted({*range(1, self._count + 1), *self._logged})

    def read(self, number: int) -> bytes:
        """A page."""
        place = self._logged.get(number)
        source = self._file if place is None else self._log
        source.seek((number - 1) * self.size if place is None else place)
        return source.read(self.size)


def _rows_of(pages: _Pages, number: int) -> Iterator[tuple[int, tuple[Value, ...]]]:
    try:
        page = pages.read(number)
    except OSError:  # the disk cannot read it any more
        return
    head = 100 if number == 1 else 0
    if len(page) < pages.size or page[head] != LEAF:
        return
    for cell in range(int.from_bytes(page[head + 3 : head + 5], "big")):
        place = head + 8 + 2 * cell
        with suppress(ValueError, LookupError, struct.error, OSError):  # half of a row is none
            yield _row(pages, page, int.from_bytes(page[place : place + 2], "big"))


def _row(pages: _Pages, page: bytes, at: int) -> tuple[int, tuple[Value, ...]]:
    length, at = _varint(page, at)
    number, at = _varint(page, at)
    number -= number >> 63 << 64  # it has a sign
    if length > LONGEST:
        raise ValueError("too long")
    most, least = pages.size - 35, (pages.size - 12) * 32 // 255 - 23
    here = least + (length - least) % (pages.size - 4)
    here = length if length <= most else here if here <= most else least
    payload = page[at : at + here]
    following = int.from_bytes(page[at + here : at + here + 4], "big")
    while len(payload) < length:
        more = pages.read(following) if following else b""
        if len(more) < pages.size:
            raise ValueError("its end is lost")
        following = int.from_bytes(more[:4], "big")
        payload += more[4 : 4 + length - len(payload)]
    return number, tuple(_values(payload))


def _values(record: bytes) -> Iterator[Value]:
    body, at = _varint(record, 0)
    place = body
    while at < body:
        kind, at = _varint(record, at)
        if kind >= 12:
            size = (kind - 12) // 2
            data = _taken(record, place, size)
            yield readable(data) if kind % 2 else data
        elif kind == 7:
            size = 8
            yield struct.unpack(">d", _taken(record, place, size))[0]
        elif kind in INTEGERS:
            size = INTEGERS[kind]
            yield int.from_bytes(_taken(record, place, size), "big", signed=True)
        else:
            size = 0
            yield CONSTANTS[kind]
        place += size


def _taken(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("cut off")
    return data[at : at + size]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to nine bytes, and where the next thing begins."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9
