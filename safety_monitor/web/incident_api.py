"""The part of the REST API that is about incidents: to find them, decide about them, and take their evidence along."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import Field

from safety_monitor.actions.evidence import EvidenceError
from safety_monitor.incident import Mark, Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.incidents import LONGEST_REMARK
from safety_monitor.journal.search import Search, export_incidents, find_incidents
from safety_monitor.learning import feedback
from safety_monitor.people.decision import PinError
from safety_monitor.web.access import Visitor
from safety_monitor.web.alerts import channels_of
from safety_monitor.web.conventions import REFUSALS, REFUSED, Answered, Asked, Decision, in_journal, needs, problems
from safety_monitor.web.export import csv_lines, json_lines
from safety_monitor.web.incident_schemas import IncidentOut, IncidentPage, entry_out
from safety_monitor.web.own_threads import deciding
from safety_monitor.web.site import Recorded, Site

log = logging.getLogger(__name__)

TYPES = {".jpg": "image/jpeg", ".flac": "audio/flac", ".mp4": "video/mp4", ".csv": "text/csv"}
ANY_TYPE = "application/octet-stream"
UNREADABLE = "what was recorded cannot be read"
AFTER = "^([^~]+~[^~]+)?$"
Id = Annotated[
    str,
    Field(min_length=1, max_length=36, pattern=r"^[0-9A-Za-z-]+$", description="Its id, or as much of it as is unique"),
]

FileName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,99}$", description="Of the list of files")]


class EvidenceFile(Answered):
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


def search_of(
    state: Annotated[State | None, Query(description="Where they stand")] = None,
    sense: Annotated[Sense | None, Query(description="A sense that gave evidence")] = None,
    label: Annotated[str, Query(max_length=64, description="What was noticed")] = "",
    since: Annotated[datetime | None, Query(description="Not before; UTC if it has no zone")] = None,
    until: Annotated[datetime | None, Query(description="Before; UTC if it has no zone")] = None,
) -> Search:
    """Which incidents a request wants."""
    return Search(state, sense, label, since, until)


def make_incident_api(site: Site) -> APIRouter:
    """The routes over a site."""
    api = APIRouter(prefix="/api/v1", responses=REFUSALS)
    missing = problems({404: "No such incident or file"})

    @api.get("/incidents")
    def incidents(
        search: Annotated[Search, Depends(search_of)],
        after: Annotated[str, Query(max_length=100, pattern=AFTER, description="`older` of the page before")] = "",
        limit: Annotated[int, Query(ge=1, le=200, description="At most so many")] = 50,
    ) -> IncidentPage:
        """Incidents, newest first."""
        entries, older = in_journal(lambda: find_incidents(site.journal.file, search, after, limit), 422)
        return IncidentPage(incidents=[entry_out(entry) for entry in entries], older=older)

    @api.get("/incidents/{incident}", responses=missing)
    def incident(incident: Id) -> IncidentOut:
        """One incident; its id may be shortened while it is unique."""
        return entry_out(entry_at(site, incident))

    @api.post("/incidents/{incident}/ack", responses=missing | REFUSED)
    async def acknowledge(
        visitor: Annotated[Visitor, needs("operator")], incident: Id, decision: Decision | None = None
    ) -> IncidentOut:
        """Take an incident on: alarm and voice end, help stays called."""
        return await deciding(lambda: decide(visitor, incident, State.ACKNOWLEDGED, decision))

    @api.post("/incidents/{incident}/cancel", responses=missing | REFUSED)
    async def cancel(
        visitor: Annotated[Visitor, needs("operator")], incident: Id, decision: Decision | None = None
    ) -> IncidentOut:
        """Call an incident off: it was a false alarm."""
        return await deciding(lambda: decide(visitor, incident, State.CANCELLED, decision))

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
        return evidence_at(site, entry_at(site, incident).incident.id)

    @api.get(
        "/incidents/{incident}/evidence/{name}",
        response_class=FileResponse,
        responses=missing | {200: {"content": {kind: {} for kind in (*TYPES.values(), ANY_TYPE)}}},
    )
    def file(incident: Id, name: FileName) -> FileResponse:
        """A file that belongs to an incident; parts of it where the request asks for a range."""
        full = entry_at(site, incident).incident.id
        path = next((path for path, _ in recorded_at(site, full).files if path.name == name), None)
        if path is None:
            raise HTTPException(404, f"incident {full} has no file '{name}'")
        try:
            path.open("rb").close()
        except OSError as error:
            raise HTTPException(503, f"{UNREADABLE}: {error.strerror or error}") from None
        return FileResponse(path, media_type=TYPES.get(path.suffix, ANY_TYPE))

    @api.post("/incidents/{incident}/protect", responses=missing | REFUSED)
    def protect(incident: Id, wanted: Protection, visitor: Annotated[Visitor, needs("operator")]) -> list[EvidenceFile]:
        """Keep the evidence of an incident for good, or let it go in its time as any other."""
        full = entry_at(site, incident).incident.id
        try:
            protect_evidence(site, full, wanted.protected, by=visitor.name)
        except EvidenceError as error:
            raise HTTPException(409, str(error)) from None
        return evidence_at(site, full)

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
    async def alert(incident: Id, wanted: Alert) -> IncidentOut:
        """Tell people of an incident now, whatever its policy says."""
        return await deciding(lambda: tell(incident, wanted))

    def tell(incident: str, wanted: Alert) -> IncidentOut:
        full = entry_at(site, incident).incident.id
        channels = channels_of(site.station.dispatch, wanted.channel)
        if not channels:
            raise HTTPException(409, f"no channel '{wanted.channel}' that sends messages is turned on")
        in_journal(lambda: site.journal.alert(full, channels), 409)
        return entry_out(entry_at(site, full))

    def decide(visitor: Visitor, incident: str, state: State, decision: Decision | None) -> IncidentOut:
        entry_at(site, incident)
        pin = decision.pin if decision else ""
        try:
            decided = in_journal(
                lambda: site.decisions.decide(incident, state, pin, visitor.reason, who=visitor.who), 409
            )
        except PinError as error:
            raise HTTPException(403, str(error)) from None
        return entry_out(entry_at(site, decided.id))

    return api


def entry_at(site: Site, incident: str) -> Entry:
    """The entry of the incident whose id begins so; where there is none, that is the answer."""
    return in_journal(lambda: site.journal.show(incident), 404)


def recorded_at(site: Site, incident_id: str) -> Recorded:
    """The evidence of an incident; where it cannot be read, that is the answer."""
    try:
        return site.recorded(incident_id)
    except EvidenceError as error:
        raise HTTPException(503, f"{UNREADABLE}: {error}") from None


def evidence_at(site: Site, incident_id: str) -> list[EvidenceFile]:
    """The files that belong to an incident, or the answer that they cannot be read."""
    recorded = recorded_at(site, incident_id)
    return [
        EvidenceFile(name=path.name, type=TYPES.get(path.suffix, ANY_TYPE), bytes=size, protected=recorded.protected)
        for path, size in recorded.files
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
