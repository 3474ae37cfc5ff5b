"""The REST API, `/api/v1`."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from models.card import ModelError
from models.registry import find, installed
from safety_monitor import disarming
from safety_monitor.config import Settings
from safety_monitor.config.web import Role
from safety_monitor.delivery import DeliveryState
from safety_monitor.escalation import ALL
from safety_monitor.incident import Mark, Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.search import Search, find_incidents
from safety_monitor.people.decision import PinError
from safety_monitor.trouble import Phase
from safety_monitor.web.access import Visitor
from safety_monitor.web.analysis_process import WAITING, AnalysisError, BusyError
from safety_monitor.web.metrics import metrics_text
from safety_monitor.web.site import Site
from safety_monitor.web.trials import tried
from safety_monitor.web.upload import HEAD, KINDS, shown_name, suffix_of

UPLOAD_S = 600.0
"""Longest time for an upload to arrive."""
AFTER = "^([^~]+~[^~]+)?$"
Found = TypeVar("Found")
Id = Annotated[
    str,
    Field(min_length=1, max_length=36, pattern=r"^[0-9A-Za-z-]+$", description="Its id, or as much of it as is unique"),
]


class _Model(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Asked(BaseModel):
    """What a request says; a field that does not exist is refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class EvidenceOut(_Model):
    """One reading that speaks for an emergency."""

    sense: Sense
    label: str
    probability: float
    at_s: float


class TransitionOut(_Model):
    """One step of an incident's life."""

    state: State
    at: str
    at_s: float
    confidence: float
    reason: str
    by: str


class DeliveryOut(_Model):
    """What became of one action."""

    key: str
    channel: str
    kind: str
    state: DeliveryState
    attempts: int
    changed_at: str
    due_at: str | None
    detail: str


class PlaceOut(_Model):
    """A position on earth: degrees (WGS 84), and the radius in metres within which it is."""

    latitude: float
    longitude: float
    accuracy_m: float | None


class RemarkOut(_Model):
    """What a person said of an incident afterwards."""

    at: str
    by: str
    text: str
    mark: Mark | None


class IncidentOut(_Model):
    """An incident with all that belongs to it; times with a date are UTC."""

    incident: str
    state: State
    at_s: float
    senses: list[Sense]
    labels: list[str]
    confidence: float
    reason: str
    evidence: list[EvidenceOut]
    opened_at: str
    changed_at: str
    source: str
    place: PlaceOut | None
    """Where a browser was that heard it; null for what the station's own senses noticed."""
    transitions: list[TransitionOut]
    deliveries: list[DeliveryOut]
    mark: Mark | None
    """What people say that it was."""
    remarks: list[RemarkOut]


class IncidentPage(BaseModel):
    """Some incidents, newest first."""

    incidents: list[IncidentOut]
    older: str | None
    """Give it as `after` to get the next, older ones; null if there are none."""


class Decision(Asked):
    """What somebody says who acknowledges, cancels or disarms."""

    pin: Annotated[str, Field(max_length=64)] = ""
    """Where the station asks for one."""


class PartOut(_Model):
    """A part of the station with which something is wrong."""

    about: str
    phase: Phase
    text: str
    note: bool
    """Whether it is only to be known, and no trouble."""
    for_s: float


class Health(BaseModel):
    """How the station is."""

    ok: bool
    armed: bool
    reasons: list[str]
    parts: list[PartOut] = []
    """What is wrong, what is being done about it, and since when."""
    lag_s: dict[Sense, float] = {}
    """How late decisions come, the worst of the last seconds."""


class Armed(BaseModel):
    """Whether what the station notices can become an incident."""

    armed: bool


class Problem(BaseModel):
    """What is wrong with a request."""

    detail: Any


def entry_out(entry: Entry) -> IncidentOut:
    """A journal entry as the API gives it."""
    incident = entry.incident
    return IncidentOut(
        incident=incident.id,
        state=incident.state,
        at_s=incident.at_s,
        senses=list(incident.senses),
        labels=list(incident.labels),
        confidence=incident.confidence,
        reason=incident.reason,
        evidence=[EvidenceOut.model_validate(piece) for piece in incident.evidence],
        opened_at=entry.opened_at,
        changed_at=entry.changed_at,
        source=entry.source,
        place=PlaceOut.model_validate(entry.place) if entry.place else None,
        transitions=[TransitionOut.model_validate(step) for step in entry.transitions],
        deliveries=[DeliveryOut.model_validate(delivery) for delivery in entry.deliveries],
        mark=entry.mark,
        remarks=[RemarkOut.model_validate(remark) for remark in entry.remarks],
    )


def needs(role: Role) -> Any:
    """A dependency that lets only those pass who have at least this role."""

    def check(request: Request) -> Visitor:
        visitor: Visitor = request.state.visitor
        if not visitor.may(role):
            raise HTTPException(403, f"needs the role {role}; you are {visitor.role}")
        return visitor

    return Depends(check)


class Trial(Asked):
    """Which channel is tried."""

    channel: Annotated[str, Field(max_length=100)] = ""
    """By its name, group or contact, such as "sms:anna", "sms" or "anna"; empty: every channel that is turned on."""


class TrialOut(BaseModel):
    """What came of a test on one channel."""

    channel: str
    ok: bool
    delivered: bool
    """Whether it is known to have arrived, not merely handed over."""
    detail: str


class ModelOut(BaseModel):
    """A model that the station has."""

    name: str
    task: str
    labels: list[str]
    shipped: bool
    """Whether it came with the program; otherwise it was made here."""
    in_use: bool
    """Whether it is the one that the next start loads."""
    problem: str
    """Why it cannot be used; empty if it can."""


Answers = dict[int | str, dict[str, Any]]
"""What a route may answer, by status, as FastAPI has it for its document."""


def problems(texts: Mapping[int, str]) -> Answers:
    """Answers that say what is wrong with a request."""
    return {status: {"model": Problem, "description": text} for status, text in texts.items()}


REFUSALS = problems(
    {
        401: "Not signed in",
        403: "Not allowed",
        413: "Too large",
        421: "Not its name",
        422: "Malformed",
        503: "The journal cannot be used",
    }
)
REFUSED = problems({409: "Its state does not allow it"})


def search_of(
    state: Annotated[State | None, Query(description="Where they stand")] = None,
    sense: Annotated[Sense | None, Query(description="A sense that gave evidence")] = None,
    label: Annotated[str, Query(max_length=64, description="What was noticed")] = "",
    since: Annotated[datetime | None, Query(description="Not before; UTC if it has no zone")] = None,
    until: Annotated[datetime | None, Query(description="Before; UTC if it has no zone")] = None,
) -> Search:
    """Which incidents a request wants."""
    return Search(state, sense, label, since, until)


def make_api(site: Site) -> APIRouter:
    """The routes over a site."""
    api = APIRouter(prefix="/api/v1", responses=REFUSALS)
    places = asyncio.Semaphore(WAITING)
    missing = problems({404: "No such incident"})

    @api.get("/health", responses={503: {"model": Health, "description": "Something is wrong"}})
    def health(response: Response) -> Health:
        """How the station is: 200 if all is well, 503 with the reasons if not."""
        reasons = site.troubles()
        if reasons:
            response.status_code = 503
        return Health(
            ok=not reasons,
            armed=site.station.armed,
            reasons=reasons,
            parts=[PartOut.model_validate(trouble) for trouble in site.view.board()],
            lag_s={sense: round(lag_s, 3) for sense, lag_s in site.station.workload.lags().items()},
        )

    @api.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """Figures for Prometheus."""
        text, kind = metrics_text(site)
        return Response(text, headers={"Content-Type": kind})

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
    def acknowledge(
        visitor: Annotated[Visitor, needs("operator")], incident: Id, decision: Decision | None = None
    ) -> IncidentOut:
        """Take an incident on: alarm and voice end, help stays called."""
        return decide(visitor, incident, State.ACKNOWLEDGED, decision)

    @api.post("/incidents/{incident}/cancel", responses=missing | REFUSED)
    def cancel(
        visitor: Annotated[Visitor, needs("operator")], incident: Id, decision: Decision | None = None
    ) -> IncidentOut:
        """Call an incident off: it was a false alarm."""
        return decide(visitor, incident, State.CANCELLED, decision)

    @api.post("/arm", dependencies=[needs("operator")])
    def arm() -> Armed:
        """From now on what is noticed becomes an incident."""
        site.station.arm(True)
        return Armed(armed=site.station.armed)

    @api.post("/disarm")
    def disarm(visitor: Annotated[Visitor, needs("operator")], decision: Decision | None = None) -> Armed:
        """From now on the station only hears and sees; it is armed again when it starts anew."""
        try:
            disarming.disarm(site.station, decision.pin if decision else "", who=visitor.who)
        except PinError as error:
            raise HTTPException(403, str(error)) from None
        return Armed(armed=site.station.armed)

    @api.post(
        "/analyze",
        dependencies=[needs("operator")],
        responses=problems(
            {
                400: "No form, or one with more than a file",
                408: "It arrives too slowly",
                415: "No recording that can be judged",
                422: "It cannot be decoded, or not within the limits",
                429: "Too many are waiting",
            }
        ),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {"file": {"type": "string", "format": "binary"}},
                            "required": ["file"],
                        }
                    }
                },
            }
        },
    )
    async def analyze(request: Request) -> dict[str, Any]:
        """Judge a recording or picture: what `safety-monitor analyze --json` says of it."""
        if places.locked():
            raise _busy("too many recordings are on their way; try again later")
        async with places:
            return await judge_upload(site, request)

    @api.post(
        "/test-alert",
        responses=problems({404: "No such channel"}),
        dependencies=[needs("admin")],
    )
    async def test_alert(trial: Trial | None = None) -> list[TrialOut]:
        """Send a marked test through one channel or all, and say what came of each."""
        on = site.station.dispatch.channels
        named = site.station.dispatch.named(trial.channel if trial and trial.channel else ALL)
        if not named:
            raise HTTPException(404, f"no channel is turned on by that name; on are: {', '.join(on) or 'none'}")
        outcomes = await asyncio.gather(*(tried(site.station.dispatch, name) for name in named))
        return [
            TrialOut(channel=name, ok=each.ok, delivered=each.delivered, detail=each.detail)
            for name, each in zip(named, outcomes, strict=True)
        ]

    @api.get("/models")
    def models() -> list[ModelOut]:
        """The models that the station has."""
        return models_of(site.settings)

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


def models_of(settings: Settings) -> list[ModelOut]:
    """The models of a station."""
    home = settings.models_folder
    used: set[Path] = set()
    for name in settings.models_named.values():
        with suppress(ModelError):
            used.add(find(name, home))
    return [
        ModelOut(
            name=model.folder.name,
            task=model.card.task if model.card else "",
            labels=list(model.card.labels) if model.card else [],
            shipped=model.shipped,
            in_use=model.folder in used,
            problem=model.problem.replace(str(model.folder), model.folder.name),
        )
        for model in installed(home)
    ]


def entry_at(site: Site, incident: str) -> Entry:
    """The entry of the incident whose id begins so; where there is none, that is the answer."""
    return in_journal(lambda: site.journal.show(incident), 404)


def in_journal(use: Callable[[], Found], status: int) -> Found:
    """What `use` gives; a refusal of the journal becomes an answer with this status, one that cannot be used 503."""
    try:
        return use()
    except JournalUnusableError as error:
        raise HTTPException(503, str(error)) from None
    except JournalError as error:
        raise HTTPException(status, str(error)) from None


async def judge_upload(site: Site, request: Request) -> dict[str, Any]:
    """Take the recording out of a request, and judge it.

    Raises:
        HTTPException: it is none, or it cannot be judged.
    """
    try:
        async with asyncio.timeout(UPLOAD_S):
            form = await request.form(max_files=1, max_fields=0)
    except TimeoutError:
        raise HTTPException(408, f"it took longer than {UPLOAD_S:g} s to arrive", {"Connection": "close"}) from None
    try:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise HTTPException(422, "needs a form field 'file' with a recording")
        file, name = upload.file, upload.filename
        return (await site.analyses.in_turn(lambda: judge_recording(site, file, name)))[0]
    except BusyError as error:
        raise _busy(str(error)) from None
    finally:
        await form.close()


def _busy(text: str) -> HTTPException:
    return HTTPException(429, text, {"Retry-After": "10"})


def judge_recording(site: Site, file: BinaryIO, filename: str | None) -> tuple[dict[str, Any], bytes]:
    """Judge an upload that has arrived, see `judge_stored`."""
    with tempfile.TemporaryDirectory(prefix="safety-monitor-") as folder:
        stored = Path(folder, "upload")
        with stored.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        return judge_stored(site, stored, filename)


def judge_stored(
    site: Site, stored: Path, filename: str | None, progress: Callable[[float], None] = lambda share: None
) -> tuple[dict[str, Any], bytes]:
    """Judge an upload that lies in a folder of its own; blocks. The result, and its spectrogram: see `Analyses.judge`.

    Raises:
        HTTPException: it is no recording, or it cannot be judged.
    """
    with stored.open("rb") as file:
        suffix = suffix_of(file.read(HEAD))
    if suffix is None:
        raise HTTPException(415, f"not a recording or picture that can be judged; it takes {KINDS}")
    copy, name = stored.rename(stored.with_suffix(suffix)), shown_name(filename)
    try:
        result, drawing = site.analyses.judge(copy, progress)
    except AnalysisError as error:
        raise HTTPException(422, f"{name}: {error}") from None
    if "error" in result:
        result["error"] = str(result["error"]).replace(str(copy), name)
    if "label" not in result:
        raise HTTPException(422, result["error"])
    return result | {"file": name}, drawing
