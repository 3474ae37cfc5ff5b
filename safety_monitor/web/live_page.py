"""The live page: what the station sees and hears, why it did or did not alarm, and what to do about it."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from fastapi import Request, Response
from nicegui import app, ui

from safety_monitor.dispatch.policies import unheard
from safety_monitor.fusion import FusionRules
from safety_monitor.incident import BY_A_PERSON, Incident, Sense, State
from safety_monitor.live import BUCKET_S, BUCKETS, Snapshot, trouble_of
from safety_monitor.local_time import time_of_day
from safety_monitor.web import texts
from safety_monitor.web.chart import COLORS, GREY, over_seconds
from safety_monitor.web.layout import arm_button, changed, incident_head, named, page_frame, panel, site_of, visitor_of
from safety_monitor.web.site import Site

REFRESH_S = 0.5
CHART_S = 1.0
QUIETEST_DBFS = -80.0

PICTURE = """
<img class="picture" id="picture" data-pause="250" alt="%s" src="/live/picture.jpg">
"""
SPECTROGRAM = """
<img class="spectrogram" id="spectrogram" data-pause="500" alt="%s" src="/live/spectrogram.png">
"""
KEEP_LOOKING = """
for (const img of document.querySelectorAll('img[data-pause]')) {
  if (img.dataset.on) continue;
  img.dataset.on = 1;
  const address = new URL(img.src).pathname;
  const next = () => setTimeout(() => {
    if (!img.isConnected) return;
    if (document.hidden) return next();
    img.src = address + '?' + Date.now();
  }, img.dataset.pause);
  img.onload = next;
  img.onerror = () => setTimeout(next, 1000);
  next();
}
"""
"""Asks for the next picture when the last has come, and not while the page is hidden."""


@app.get("/live/picture.jpg", include_in_schema=False)
def picture(request: Request) -> Response:
    """The newest picture; made here, in a thread of the server, only because somebody asks."""
    jpeg = site_of(request).pictures.newest()
    return Response(jpeg, media_type="image/jpeg") if jpeg else Response(status_code=204)


@app.get("/live/spectrogram.png", include_in_schema=False)
def spectrogram(request: Request) -> Response:
    """The last seconds of sound; made here, only because somebody asks."""
    return Response(site_of(request).pictures.spectrogram(), media_type="image/png")


@ui.page("/", response_timeout=10.0)
def live_page(request: Request) -> None:
    """The page of one who looks."""
    site = site_of(request)
    snapshot = site.view.snapshot()
    with page_frame(request, texts.LIVE):
        banner = _Banner(request, site)
        with ui.element("div").classes("grid grid-cols-1 lg:grid-cols-2 gap-4 w-full"):
            if Sense.GESTURE in snapshot.health:
                with panel(texts.SEES):
                    ui.html(PICTURE % texts.SEES, sanitize=False)
                    hands = ui.column().classes("gap-1 mt-2 w-full")
            with ui.column().classes("gap-4 w-full"):
                if Sense.AUDIO in snapshot.health:
                    with panel(texts.HEARS):
                        sound = _Sound(site)
                with panel(texts.HEALTH):
                    health = ui.column().classes("gap-2 w-full")
        with panel(texts.LAST_MINUTE):
            chart = ui.echart(_chart(snapshot, site.view.rules)).classes("w-full h-64")
        with panel(texts.NEAR_MISSES):
            misses = ui.column().classes("w-full gap-1")
    ui.timer(0.1, lambda: ui.run_javascript(KEEP_LOOKING), once=True)
    shown: dict[str, object] = {}

    def refresh() -> None:
        snapshot = site.view.snapshot()
        troubles = site.view.troubles()
        # Not drawn anew for a trouble while there are buttons to answer an incident: a press on its way would be lost.
        well = snapshot.incident is not None or not troubles
        if changed(shown, "banner", (snapshot.armed, snapshot.incident, snapshot.unanswered, well)):
            banner.show(snapshot, well=well)
        if Sense.GESTURE in snapshot.health:
            seen = [
                (hand.handedness, hand.sign, hand.movement, dict(hand.sequences), hand.sign_probabilities[hand.sign])
                for hand in snapshot.hands
            ]
            lines = [_hand_line(*each) for each in seen]
            if changed(shown, "hands", lines):
                _lines(hands, lines or [texts.NO_HANDS])
        if Sense.AUDIO in snapshot.health:
            sound.show(snapshot)
        now = site.view.clock()
        parts = [
            _Part(
                f"{texts.SENSE[sense]} ({each.name or '–'})",
                trouble_of(sense, each, now - each.last),
                each.note,
                texts.WELL,
            )
            for sense, each in snapshot.health.items()
        ]
        channels = site.station.dispatch.health()
        known = {*snapshot.health, *(each.name for each in channels)}
        others = [trouble for trouble in site.view.board() if trouble.about not in known]
        parts += [_Part(texts.part(trouble.about), trouble.text, "", "") for trouble in others]
        parts += [_Part(texts.channel(each.name), each.trouble, "", _used(each.done_at)) for each in channels]
        parts += [_Part(texts.PEOPLE, "", line, "") for line in unheard(site.settings, site.station.dispatch.channels)]
        if changed(shown, "health", parts):
            _show_health(health, parts)
        if changed(shown, "misses", snapshot.near_misses):
            _show_misses(misses, snapshot)

    def redraw() -> None:
        snapshot = site.view.snapshot()
        series = _series(snapshot.minute, site.view.rules)
        if changed(shown, "chart", series):
            chart.options["series"] = series
            chart.update()

    ui.timer(REFRESH_S, refresh)
    ui.timer(REFRESH_S, banner.count_down)  # beside the others: a disk that hangs holds this one
    ui.timer(CHART_S, redraw)


class _Banner:
    """Whether all is quiet, and what to do if not."""

    def __init__(self, request: Request, site: Site) -> None:
        self._request = request
        self._site = site
        with ui.element("section").classes("panel"):
            self._box = ui.element("div").props("aria-live=assertive")
            self._next = ui.label("").classes("text-lg")  # outside of what is read aloud at each change
            self._next.set_visibility(False)

    async def count_down(self) -> None:
        """What comes next, and when; waits for the disk."""
        snapshot = self._site.view.snapshot()
        incident, text = snapshot.incident or snapshot.unanswered, ""
        if snapshot.pending_s is not None:
            text = texts.DROPPED_IN.format(seconds=snapshot.pending_s)
        elif incident is not None and incident.state in (State.CONFIRMED, State.CLOSED):
            step = await asyncio.to_thread(self._site.next_step, incident.id)
            if step is not None:
                seconds = max(step.at - self._site.journal.clock(), 0.0)
                text = texts.NEXT_STEP.format(whom=", ".join(map(texts.channel, step.channels)), seconds=seconds)
        self._next.text = text
        self._next.set_visibility(bool(text))

    def show(self, snapshot: Snapshot, *, well: bool) -> None:
        """What is the case now; `well` is whether all of the station works."""
        incident = snapshot.incident
        self._box.clear()
        if snapshot.unanswered is not None:  # it must not look as if all were well while people are still being called
            with self._box, ui.row().classes("items-center w-full gap-4 mb-4"):
                self._incident(snapshot.unanswered, State.CLOSED)
        with self._box, ui.row().classes("items-center w-full gap-4"):
            if incident is not None:
                self._incident(incident)
            else:
                hint = texts.ALL_QUIET if snapshot.unanswered is None else texts.WATCHING
                icon, color = "shield", "green-7"
                if not snapshot.armed:
                    icon, color, hint = ("remove_moderator", "grey-6", texts.ONLY_SEES)
                elif not well:
                    icon, color, hint = ("error", "red-7", texts.NOT_WELL)
                ui.icon(icon, size="44px", color=color).classes("claim").props("aria-hidden=true")
                with ui.column().classes("gap-0 grow claim"):
                    ui.label(texts.ARMED if snapshot.armed else texts.DISARMED).classes("text-2xl font-semibold")
                    ui.label(hint).classes("quiet")
            if visitor_of(self._request).may("operator"):
                arm_button(self._request, snapshot.armed)

    def _incident(self, incident: Incident, standing: State | None = None) -> None:
        with incident_head(self._request, incident, standing):
            means = texts.UNANSWERED if standing is State.CLOSED else texts.STATE_MEANS[incident.state]
            ui.label(means).classes("quiet")
            if incident.reason != BY_A_PERSON:
                ui.label(incident.reason).classes("quiet")
            if incident.state is not State.PENDING:
                ui.link(incident.id[:8], f"/incidents/{incident.id}").classes("text-sm")


class _Sound:
    """Level and labels of what is heard."""

    def __init__(self, site: Site) -> None:
        self._rules = site.view.rules
        with ui.row().classes("items-center w-full no-wrap gap-3"):
            self._level, self._level_text = _bar(texts.LEVEL, "teal-6")
        self._rows: dict[str, tuple[ui.linear_progress, ui.label]] = {}
        self._labels = ui.column().classes("w-full gap-1 mt-2")
        with ui.row().classes("w-full justify-between mt-2"):
            self._gate = ui.label("")
            self._hits = ui.label("")
        ui.html(SPECTROGRAM % texts.SPECTROGRAM, sanitize=False).classes("w-full mt-2")
        ui.label(texts.SPECTROGRAM_HINT).classes("quiet text-sm")
        self._note = ui.label(texts.NO_SOUND).classes("quiet mt-2")

    def show(self, snapshot: Snapshot) -> None:
        """The newest reading."""
        reading = snapshot.sound
        if reading is None:
            return
        self._note.text = texts.DEAF if snapshot.deaf else ""
        self._level.value = round(min(max(1 - reading.level_dbfs / QUIETEST_DBFS, 0.0), 1.0), 2)
        self._level_text.text = f"{max(reading.level_dbfs, QUIETEST_DBFS):.0f} dBFS"
        self._gate.text = texts.GATE_SHUT if reading.gated or snapshot.deaf else texts.GATE_OPEN
        self._hits.text = texts.HITS.format(hits=snapshot.hits[0], of=snapshot.hits[1])
        self._row(texts.PERSISTED, reading.scream, "red-6")
        for label, probability in reading.probabilities.items():
            self._row(texts.label(label), probability, "blue-grey-5")

    def _row(self, name: str, probability: float, color: str) -> None:
        if name not in self._rows:
            with self._labels, ui.row().classes("items-center w-full no-wrap gap-3"):
                self._rows[name] = _bar(name, color)
        bar, text = self._rows[name]
        bar.value = round(probability, 2)
        text.text = f"{probability:.2f}"


def _bar(name: str, color: str) -> tuple[ui.linear_progress, ui.label]:
    """A name, a bar that shows its value at once, as the number beside it does, and room for that number."""
    ui.label(name).classes("w-24 shrink-0 leading-tight")
    bar = named(ui.linear_progress(0.0, show_value=False, size="14px"), name)
    bar.props(f"rounded instant-feedback color={color}")
    return bar, ui.label("").classes("w-16 shrink-0 text-right whitespace-nowrap")


def _hand_line(
    handedness: str, sign: str, movement: str | None, sequences: Mapping[str, float], probability: float
) -> str:
    parts = [f"{handedness.capitalize()} hand: {texts.label(sign)} {probability:.1f}"]
    if movement not in (None, "none"):
        parts.append(texts.label(movement or ""))
    parts += [f"{texts.label(name)} {value:.1f}" for name, value in sequences.items() if value >= 0.05]
    return " · ".join(parts)


def _lines(box: ui.column, lines: list[str]) -> None:
    box.clear()
    with box:
        for line in lines:
            ui.label(line)


class _Part(NamedTuple):
    """How a part of the station is: what is wrong, what is to be known though it is no trouble, and what is well."""

    name: str
    trouble: str
    note: str
    well: str


def _used(done_at: datetime | None) -> str:
    return texts.LAST_USED.format(when=time_of_day(done_at)) if done_at else ""


def _show_health(box: ui.column, parts: list[_Part]) -> None:
    box.clear()
    with box:
        for part in parts:
            icon, color = "radio_button_unchecked", "grey-6"  # not used yet: nobody knows whether it works
            for words, sign in (
                (part.well, ("check_circle", "green-7")),
                (part.note, ("info", "amber-9")),
                (part.trouble, ("error", "red-7")),
            ):
                icon, color = sign if words else (icon, color)
            with ui.row().classes("items-center gap-2 no-wrap"):
                ui.icon(icon, color=color, size="22px").props("aria-hidden=true")
                ui.label(f"{part.name}: {part.trouble or part.note or part.well or texts.NOT_USED}")


def _show_misses(box: ui.column, snapshot: Snapshot) -> None:
    box.clear()
    with box:
        if not snapshot.near_misses:
            ui.label(texts.NO_NEAR_MISSES).classes("quiet")
        for miss in snapshot.near_misses[:5]:
            with ui.row().classes("gap-3 items-baseline"):
                ui.label(time_of_day(miss.at)).classes("quiet")
                ui.label(texts.label(miss.label)).classes("font-semibold")
                ui.label(miss.reason)


def _series(minute: Mapping[str, tuple[float | None, ...]], rules: FusionRules) -> list[dict[str, object]]:
    """The last minute as lines; the thresholds are marks on the first, or on an empty one."""
    lines: Mapping[str, tuple[float | None, ...]] = minute or {"": ()}
    series: list[dict[str, object]] = []
    for place, (name, row) in enumerate(lines.items()):
        series.append(
            {
                "name": texts.label(name) if name else "",
                "type": "line",
                "showSymbol": False,
                "animation": False,
                "connectNulls": True,
                "lineStyle": {"width": 2, "type": "solid" if place == 0 else "dashed"},
                "color": COLORS[place % len(COLORS)],
                "data": [
                    [round((number - BUCKETS + 1) * BUCKET_S, 1), None if value is None else round(value, 3)]
                    for number, value in enumerate(row)
                ],
            }
        )
    series[0]["markLine"] = {
        "symbol": "none",
        "silent": True,
        "animation": False,
        "data": [
            {"yAxis": rules.threshold, "name": texts.THRESHOLD, "lineStyle": {"color": "#e5484d", "type": "solid"}},
            {"yAxis": rules.weak, "name": texts.WEAK, "lineStyle": {"color": "#c98a00", "type": "dotted"}},
        ],
        "label": {"formatter": "{b} {c}", "position": "insideStartTop", "color": GREY},
    }
    return series


def _chart(snapshot: Snapshot, rules: FusionRules) -> dict[str, object]:
    chart = over_seconds(_series(snapshot.minute, rules), {"min": -60, "max": 0}, right=16)
    chart["yAxis"] |= {"axisLine": {"onZero": False}, "axisTick": {"show": False}}  # at the left, where no 0 is
    return chart
