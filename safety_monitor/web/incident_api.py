"""The part of the REST API that is about single incidents and their evidence, and about taking the table along."""

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from safety_monitor.actions.evidence import EvidenceError
from safety_monitor.incident import Mark
from safety_monitor.journal.incidents import LONGEST_REMARK
from safety_monitor.journal.search import Search, export_incidents
from safety_monitor.learning import feedback
from safety_monitor.web.access import Visitor
from safety_monitor.web.alerts import channels_of
from safety_monitor.web.api import (
    REFUSALS,
    REFUSED,
    Asked,
    Id,
    IncidentOut,
    entry_at,
    entry_out,
    in_journal,
    needs,
    problems,
    search_of,
)
from safety_monitor.web.site import Site

log = logging.getLogger(__name__)

TYPES = {".jpg": "image/jpeg", ".flac": "audio/flac", ".mp4": "video/mp4", ".csv": "text/csv"}
ANY_TYPE = "application/octet-stream"
AT_ONCE = 500
"""Rows of an export that are sent together."""

FORMULA = frozenset("=+-@\t\r")
"""What a cell begins with that a spreadsheet takes for a formula."""

FileName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,99}$", description="Of the list of files")]


class EvidenceFile(BaseModel):
    """A file that belongs to an incident."""

    name: str
    type: str
    bytes: int
    protected: bool
    """Whether it stays, however old it gets and however much there is."""


class Retry(Asked):
    """Which delivery is to be tried again."""

    key: Annotated[str, Field(min_length=1, max_length=200)]
    """Its `key`."""


class Protection(Asked):
    """Whether the evidence of an incident stays."""

    protected: bool
    """False: it goes in its time, as any other."""


class Said(Asked):
    """What a person says of an incident afterwards."""

    mark: Mark | None = None
    """What it was; `none` takes an earlier mark back, null says nothing about it."""
    note: Annotated[str, Field(max_length=LONGEST_REMARK)] = ""


class Alert(Asked):
    """Who is to be told of an incident now."""

    channel: Annotated[str, Field(min_length=1, max_length=100)]
    """A channel such as "sms:anna" or "messages:mail", or a group of them such as "sms"."""


def make_incident_api(site: Site) -> APIRouter:
    """The routes over a site."""
    api = APIRouter(prefix="/api/v1", responses=REFUSALS)
    missing = problems({404: "No such incident or file"})

    @api.get(
        "/incidents.csv",
        response_class=Response,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def as_csv(search: Annotated[Search, Depends(search_of)]) -> StreamingResponse:
        """All incidents that are wanted, as a table for a spreadsheet; times are UTC."""
        return _attached(csv_lines(_rows(site, search)), "text/csv; charset=utf-8", "incidents.csv")

    @api.get(
        "/incidents.json",
        response_class=Response,
        responses={200: {"content": {"application/json": {"schema": {"type": "array"}}}}},
    )
    def as_json(search: Annotated[Search, Depends(search_of)]) -> StreamingResponse:
        """All incidents that are wanted, as a list; times are UTC."""
        return _attached(json_lines(_rows(site, search)), "application/json", "incidents.json")

    @api.get("/incidents/{incident}/evidence", responses=missing)
    def files(incident: Id) -> list[EvidenceFile]:
        """The files that belong to an incident."""
        return files_of(site, entry_at(site, incident).incident.id)

    @api.get(
        "/incidents/{incident}/evidence/{name}",
        response_class=FileResponse,
        responses=missing | {200: {"content": {kind: {} for kind in (*TYPES.values(), ANY_TYPE)}}},
    )
    def file(incident: Id, name: FileName) -> FileResponse:
        """A file that belongs to an incident; parts of it where the request asks for a range."""
        full = entry_at(site, incident).incident.id
        path = next((path for path in site.evidence.files(full) if path.name == name), None)
        if path is None:
            raise HTTPException(404, f"incident {full} has no file '{name}'")
        return FileResponse(path, media_type=TYPES.get(path.suffix, ANY_TYPE))

    @api.post("/incidents/{incident}/protect", responses=missing | REFUSED)
    def protect(incident: Id, wanted: Protection, visitor: Annotated[Visitor, needs("operator")]) -> list[EvidenceFile]:
        """Keep the evidence of an incident for good, or let it go in its time as any other."""
        full = entry_at(site, incident).incident.id
        try:
            protect_evidence(site, full, wanted.protected, by=visitor.name)
        except EvidenceError as error:
            raise HTTPException(409, str(error)) from None
        return files_of(site, full)

    @api.post("/incidents/{incident}/mark", responses=missing | REFUSED)
    def mark(incident: Id, said: Said, visitor: Annotated[Visitor, needs("operator")]) -> IncidentOut:
        """Say that an incident was real or a false alarm, or write a note; its state stays as it is.

        Its recordings are put aside for the next training.
        """
        full = entry_at(site, incident).incident.id
        in_journal(lambda: say(site, full, said.note, by=visitor.name, mark=said.mark), 409)
        return entry_out(entry_at(site, full))

    @api.post("/incidents/{incident}/retry", responses=missing | REFUSED, dependencies=[needs("operator")])
    def retry(incident: Id, wanted: Retry) -> IncidentOut:
        """Try a delivery that failed or waits once more, now."""
        entry = entry_at(site, incident)
        if wanted.key not in {each.key for each in entry.deliveries}:
            raise HTTPException(404, f"incident {entry.incident.id} has no delivery '{wanted.key}'")
        in_journal(lambda: site.journal.outbox.retry(wanted.key), 409)
        return entry_out(entry_at(site, entry.incident.id))

    @api.post("/incidents/{incident}/alert", responses=missing | REFUSED, dependencies=[needs("operator")])
    def alert(incident: Id, wanted: Alert) -> IncidentOut:
        """Tell people of an incident now, whatever its policy says."""
        full = entry_at(site, incident).incident.id
        channels = channels_of(site.station.dispatch, wanted.channel)
        if not channels:
            raise HTTPException(409, f"no channel '{wanted.channel}' that sends messages is turned on")
        in_journal(lambda: site.journal.alert(full, channels), 409)
        return entry_out(entry_at(site, full))

    return api


def files_of(site: Site, incident_id: str) -> list[EvidenceFile]:
    """The files that belong to an incident."""
    protected = site.evidence.is_protected(incident_id)
    return [
        EvidenceFile(
            name=path.name,
            type=TYPES.get(path.suffix, ANY_TYPE),
            bytes=path.stat().st_size,
            protected=protected,
        )
        for path in site.evidence.files(incident_id)
    ]


def protect_evidence(site: Site, incident_id: str, protected: bool, *, by: str) -> None:
    """Keep the evidence of an incident for good, or not any more; the log tells who wanted it.

    Raises:
        EvidenceError: there is none, or the disk refuses.
    """
    site.evidence.protect(incident_id, protected)
    log.info("evidence of %s is %s: %s", incident_id, "protected" if protected else "not protected any more", by)


def say(site: Site, incident_id: str, note: str, *, by: str, mark: Mark | None) -> str:
    """Write down what a person says of an incident; a mark puts its recordings aside for the next training.

    Returns:
        One line about those recordings; empty for a note alone.

    Raises:
        JournalError: nothing is said, or the journal cannot be written.
    """
    if mark is None:
        site.journal.remark(incident_id, note, by=by)
        return ""
    return feedback.mark(site.settings, site.journal, incident_id, mark, by=by, text=note).text


def _rows(site: Site, search: Search) -> Iterator[Mapping[str, Any]]:
    """The incidents, the first of them read already, so that a journal that cannot be read is told as such."""
    rows = export_incidents(site.journal.file, search)
    first = in_journal(lambda: next(rows, None), 503)
    return chain([first], rows) if first is not None else iter(())


def _attached(pieces: Iterable[str], kind: str, name: str) -> StreamingResponse:
    return StreamingResponse(pieces, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


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
