"""Incidents as a table to be taken along: CSV for a spreadsheet, or JSON."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

AT_ONCE = 500
"""Rows of an export that are sent together."""

FORMULA = frozenset("=+-@\t\r")
"""What a cell begins with that a spreadsheet takes for a formula."""

COLUMNS = (
    "incident",
    "opened_at",
    "changed_at",
    "state",
    "senses",
    "labels",
    "confidence",
    "reason",
    "source",
    "latitude",
    "longitude",
    "accuracy_m",
    "mark",
    "notes",
)


def csv_lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """Rows as CSV, some hundreds of lines at a time, with a head line."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    while True:
        some = list(islice(rows, AT_ONCE))
        for row in some:
            writer.writerow([harmless(row[name]) for name in COLUMNS])
        yield text.getvalue()
        if len(some) < AT_ONCE:
            return
        text.seek(0)
        text.truncate()


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, tuple):
        value = " ".join(value)
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA else value


def json_lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """Rows as a JSON list, some hundreds at a time."""
    before = "[\n"
    while some := list(islice(rows, AT_ONCE)):
        yield before + ",\n".join(json.dumps(dict(row)) for row in some)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
