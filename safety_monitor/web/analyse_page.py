"""A recording dropped on the page, and what the station makes of it."""

import json
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request
from nicegui import events, ui

from safety_monitor.analysis import stretches
from safety_monitor.incident import State
from safety_monitor.web import texts
from safety_monitor.web.analysis_process import BusyError
from safety_monitor.web.chart import COLORS, over_seconds
from safety_monitor.web.judging import judge_stored
from safety_monitor.web.layout import AWAY_S, may, page_for, panel, site_of, state_badge
from safety_monitor.web.microphone_panel import microphone_panel
from safety_monitor.web.upload import KINDS

POINTS = 1000
"""Most points of a line; of a longer recording each is the highest of several."""


@ui.page("/analyse", reconnect_timeout=AWAY_S)
def analyse_page(request: Request) -> None:
    """Drop, wait, look."""
    site = site_of(request)
    megabytes = site.settings.web.upload_mb
    with page_for(request, texts.ANALYSE, "operator") as allowed:
        if not allowed:
            return
        with panel(texts.ANALYSE):
            ui.label(texts.ANALYSE_HINT.format(kinds=KINDS, megabytes=megabytes)).classes("mb-3")
            upload = (
                ui.upload(
                    label=texts.CHOOSE,
                    max_file_size=int(megabytes * 1e6),
                    auto_upload=True,
                    on_rejected=lambda: ui.notify(texts.TOO_LARGE.format(megabytes=megabytes), type="negative"),
                )
                .classes("w-full")
                .props("flat bordered color=blue-grey-8")
            )
            with ui.row().classes("items-center gap-3 mt-3") as waiting:
                ui.spinner(size="28px")
                ui.label(texts.JUDGING)
                bar = ui.linear_progress(0.0, show_value=False, size="14px").classes("w-64")
                bar.props(f'rounded instant-feedback aria-label="{texts.JUDGING}"')
            waiting.set_visibility(False)
        box = ui.column().classes("w-full gap-4")
        microphone_panel(request)

    async def judge(arrived: events.UploadEventArguments) -> None:
        upload.reset()
        if not may(request, "operator"):
            return
        share = 0.0

        def tell(done: float) -> None:
            nonlocal share
            share = done

        bar.value = 0.0
        waiting.set_visibility(True)
        shown = ui.timer(0.5, lambda: bar.set_value(round(share, 2)))
        try:
            with tempfile.TemporaryDirectory(prefix="safety-monitor-") as folder:
                stored = Path(folder, "upload")
                await arrived.file.save(stored)
                judging = partial(judge_stored, site, stored, arrived.file.name, tell)
                result, drawing = await site.analyses.in_turn(judging)
        except (HTTPException, BusyError) as error:
            why = error.detail if isinstance(error, HTTPException) else str(error)
            ui.notify(why, type="negative", multi_line=True, timeout=10_000)
            return
        finally:
            shown.cancel()
            waiting.set_visibility(False)
        box.clear()
        with box:
            show(result, drawing)

    upload.on_upload(judge)


def show(result: dict[str, Any], drawing: bytes) -> None:
    """A result of `Analyst.analyze` for people, and the spectrogram, a PNG file; empty if there is none."""
    with panel(f"{texts.VERDICT}: {result['file']}", "literal"), ui.row().classes("items-center w-full gap-4"):
        label, probability = result["label"], result["scream_probability"]
        icon, color = ("campaign", "red-7") if label == "scream" else ("hearing", "blue-grey-6")
        ui.icon(icon, size="44px", color=color).props("aria-hidden=true")
        with ui.column().classes("gap-0 grow head"):
            ui.label(texts.label(label) if label else texts.NO_SOUND_IN_IT).classes("text-2xl font-semibold")
            if probability is not None:
                scream = texts.label("scream")
                ui.label(f"{scream} {probability:.2f} · {result['duration_s']:.1f} s").classes("quiet")
            if "error" in result:
                ui.label(result["error"])
        name = f"{Path(result['file']).stem}.json"
        ui.button(
            texts.DOWNLOAD,
            icon="download",
            on_click=lambda: ui.download.content(json.dumps(result, indent=1), name, "application/json"),
        ).props("outline no-caps")
    if result["segments"]:
        with panel(texts.TIME_LINE):
            ui.echart(chart(result["segments"])).classes("w-full h-64")
            if drawing:
                source = f"data:image/png;base64,{b64encode(drawing).decode()}"
                image = f'<img class="spectrogram" alt="{texts.SPECTROGRAM_OF_IT}" src="{source}">'
                ui.html(image, sanitize=False).classes("w-full pl-[44px] pr-[24px]")
                ui.label(texts.SPECTROGRAM_OF_IT).classes("quiet text-sm pl-[44px]")
    if result["incidents"]:
        with panel(texts.INCIDENTS_IN_IT):
            for step in result["incidents"]:
                with ui.row().classes("gap-3 items-center no-wrap w-full"):  # below it would pass for the next one's
                    ui.label(f"{step['at_s']:.2f} s").classes("quiet w-16 shrink-0 text-right")
                    state_badge(State(step["state"]))
                    ui.label(step["reason"]).classes("grow")
    lines = [line for kind in ("signs", "movements") for line in hand_lines(result[kind])]
    if lines:
        with panel(texts.HANDS_IN_IT):
            for line in lines[:200]:
                ui.label(line)


def hand_lines(readings: Sequence[dict[str, Any]]) -> list[str]:
    """What each hand did and when, a line each."""
    return [
        f"{each.begin_s:.2f} – {each.end_s:.2f} s: {each.handedness} hand {each.hand}, "
        f"{texts.label(each.label)} {each.probability:.2f}"
        for each in stretches(readings)
    ]


def chart(segments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Probabilities over the time of a recording."""
    step = -(-len(segments) // POINTS)
    groups = [segments[start : start + step] for start in range(0, len(segments), step)]
    series = [
        {
            "name": texts.label(label),
            "type": "line",
            "showSymbol": len(groups) == 1,
            "color": COLORS[place % len(COLORS)],
            "lineStyle": {"type": ("solid", "dashed", "dotted")[place % 3]},
            "data": [[group[-1]["end_s"], max(each["probabilities"][label] for each in group)] for group in groups],
        }
        for place, label in enumerate(sorted(segments[0]["probabilities"], reverse=True))
    ]
    return over_seconds(series, {"max": "dataMax"}) | {"tooltip": {"trigger": "axis"}}
