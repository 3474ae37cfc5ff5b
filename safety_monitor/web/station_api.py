"""The part of the REST API that is about the station: how it is, arming it, its channels and models, and recordings."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import Field

from models.card import ModelError
from models.registry import find, installed
from safety_monitor import disarming
from safety_monitor.config import Settings
from safety_monitor.escalation import ALL
from safety_monitor.incident import Sense
from safety_monitor.people.decision import PinError
from safety_monitor.trouble import Phase
from safety_monitor.web.access import Visitor
from safety_monitor.web.analysis_process import WAITING
from safety_monitor.web.conventions import REFUSALS, Answered, Asked, Decision, needs, problems
from safety_monitor.web.judging import busy, judge_upload
from safety_monitor.web.metrics import metrics_text
from safety_monitor.web.own_threads import deciding
from safety_monitor.web.site import Site
from safety_monitor.web.trials import tried


class PartOut(Answered):
    """A part of the station with which something is wrong."""

    about: str
    phase: Phase
    text: str
    note: bool
    """Whether it is only to be known, and no trouble."""
    for_s: float


class Health(Answered):
    """How the station is."""

    ok: bool
    armed: bool
    reasons: list[str]
    parts: list[PartOut]
    """What is wrong, what is being done about it, and since when."""
    lag_s: dict[Sense, float]
    """How late decisions come, the worst of the last seconds."""


class Armed(Answered):
    """Whether what the station notices can become an incident."""

    armed: bool


class Trial(Asked):
    """Which channel is tried."""

    channel: Annotated[str, Field(max_length=100)] = ""
    """By its name, group or contact, such as "sms:anna", "sms" or "anna"; empty: every channel that is turned on."""


class TrialOut(Answered):
    """What came of a test on one channel."""

    channel: str
    ok: bool
    delivered: bool
    """Whether it is known to have arrived, not merely handed over."""
    detail: str


class ModelOut(Answered):
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


def make_station_api(site: Site) -> APIRouter:
    """The routes over a site."""
    api = APIRouter(prefix="/api/v1", responses=REFUSALS)
    places = asyncio.Semaphore(WAITING)

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

    @api.post("/arm", dependencies=[needs("operator")])
    async def arm() -> Armed:
        """From now on what is noticed becomes an incident."""
        await deciding(lambda: site.station.arm(True))
        return Armed(armed=site.station.armed)

    @api.post("/disarm")
    async def disarm(visitor: Annotated[Visitor, needs("operator")], decision: Decision | None = None) -> Armed:
        """From now on the station only hears and sees; it is armed again when it starts anew."""
        try:
            await deciding(lambda: disarming.disarm(site.station, decision.pin if decision else "", who=visitor.who))
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
            raise busy("too many recordings are on their way; try again later")
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
