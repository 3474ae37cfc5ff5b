"""Trains the gestures that were collected, shows how good that is, and puts it in use when told to."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

from fastapi import Request
from nicegui import ui

from gesture.collection import Collection
from gesture.tables import TableError
from models.extras import installing
from safety_monitor.learning.training import KINDS, Candidate, Kind, Run, TrainingError, missing_packages
from safety_monitor.web import texts
from safety_monitor.web.layout import ask_owner, confirm, may, page_for, panel, site_of, table_row
from safety_monitor.web.restart import restart_notice
from safety_monitor.web.site import Site

REFRESH_S = 1.0
LESS = 0.02
"""A share that is smaller by more than this is told of."""


@ui.page("/retrain", response_timeout=10.0)
def retrain_page(request: Request) -> None:
    """Train, compare, use or go back."""
    site = site_of(request)
    with page_for(request, texts.RETRAIN, "admin") as allowed:
        if not allowed:
            return
        restart_notice(request)
        with panel(texts.RETRAIN):
            ui.label(texts.RETRAIN_HINT)
            if missing := missing_packages():
                with ui.row().classes("items-center gap-2 mt-2"):
                    ui.icon("warning", color="amber-9", size="26px").props("aria-hidden=true")
                    ui.label(
                        texts.TRAINING_MISSING.format(packages=", ".join(missing), command=installing("train"))
                    ).classes("font-semibold")
        for kind in KINDS:
            _Model(request, site, kind)


class _Model:
    """One of the two models."""

    def __init__(self, request: Request, site: Site, kind: Kind) -> None:
        self._request = request
        self._site = site
        self._kind = kind
        self._shown: object = None
        with panel(texts.KINDS[kind]):
            self._rows = ui.label("").classes("quiet")
            with ui.row().classes("items-center w-full gap-3 mt-2"):
                self._start = ui.button(texts.TRAIN, icon="model_training", on_click=self._train)
                self._start.props("no-caps color=blue-8")
                self._cancel = ui.button(texts.CANCEL_TRAINING, icon="stop", on_click=self._stop)
                self._cancel.props("outline no-caps color=quiet")
                self._bar = ui.linear_progress(0.0, show_value=False, size="14px").classes("grow")
                self._bar.props(f'rounded color=teal-6 aria-label="{texts.TRAIN}"')
            self._text = ui.label("").classes("mt-1").props("role=status")
            self._result = ui.column().classes("w-full gap-3 mt-3")
        self._refresh()
        ui.timer(0.0, self._count, once=True)
        ui.timer(REFRESH_S, self._refresh)

    async def _count(self) -> None:
        collection = Collection(self._site.settings.gestures_folder)
        try:
            counts = await asyncio.to_thread(collection.counts, self._kind)
        except TableError as error:
            self._rows.text = str(error)
            return
        by_label: Counter[str] = Counter()
        for (label, _, _), count in counts.items():
            by_label[label] += count
        rows = ", ".join(f"{texts.label(label)} {count}" for label, count in sorted(by_label.items()))
        people = len({person for _, person, _ in counts})
        self._rows.text = texts.ROWS_OF.format(rows=rows, people=people) if rows else texts.NOTHING_COLLECTED

    async def _train(self) -> None:
        if not may(self._request, "admin"):
            return
        try:
            await asyncio.to_thread(self._site.trainings.start, self._kind)
        except TrainingError as error:
            ui.notify(str(error), type="negative", multi_line=True)
        await self._count()
        self._refresh()

    async def _stop(self) -> None:
        if may(self._request, "admin"):
            await asyncio.to_thread(self._site.trainings.cancel)

    async def _change(self, change: Callable[[Kind], str | None]) -> None:
        """Put another model in use, which the next start loads; tells what `change` says of it."""
        if may(self._request, "admin"):
            await ask_owner(self._request, texts.CHANGE_MODEL, partial(self._changed, change))

    async def _changed(self, change: Callable[[Kind], str | None]) -> None:
        try:
            text = await asyncio.to_thread(change, self._kind)
        except TrainingError as error:
            ui.notify(str(error), type="negative", multi_line=True, timeout=15_000)
            self._show()
            return
        self._site.restart.want([f"model_{self._kind}"])
        ui.notify(text or texts.IN_USE_LATER, type="positive", multi_line=True)
        self._show()

    def _ask(self, candidate: Candidate) -> None:
        """Put a model that is worse in use only after another look at why not."""
        use = partial(self._change, partial(self._site.trainings.use, force=True))
        confirm(self._request, "admin", texts.USE_ANYWAY, (*candidate.objections, texts.USE_ANYWAY_HINT), use)

    def _refresh(self) -> None:
        run = self._site.trainings.run
        mine = run if run is not None and run.kind == self._kind else None
        if (mine, run is not None and run.going) == self._shown:
            return
        self._shown = (mine, run is not None and run.going)
        going = mine is not None and mine.going
        self._start.set_enabled((run is None or not run.going) and not missing_packages())
        self._cancel.set_visibility(going)
        self._bar.set_visibility(going)
        if mine is not None:
            self._bar.value = round(mine.share, 3)
        self._text.text = _said(mine)
        if not going:
            self._show()

    def _show(self) -> None:
        """The model that was trained last, and the way back."""
        trainings = self._site.trainings
        candidate = trainings.candidate(self._kind)
        self._result.clear()
        with self._result:
            if candidate is not None:
                self._figures(candidate)
            with ui.row().classes("gap-2"):
                if candidate is not None and not candidate.in_use:
                    if candidate.objections:
                        put = ui.button(texts.USE_ANYWAY, icon="warning", on_click=partial(self._ask, candidate))
                        put.props("outline no-caps color=quiet")
                    else:
                        put = ui.button(texts.PUT_IN_USE, icon="check", on_click=partial(self._change, trainings.use))
                        put.props("no-caps color=green-8")
                    put.set_enabled(not candidate.missing)
                if trainings.has_own(self._kind):
                    back = ui.button(texts.GO_BACK, icon="history", on_click=partial(self._change, trainings.roll_back))
                    back.props("outline no-caps color=quiet")

    def _figures(self, candidate: Candidate) -> None:
        ui.label(texts.NEW_IN_USE if candidate.in_use else texts.NEW_MODEL).classes("text-lg font-semibold")
        if candidate.missing:
            _remark(texts.DOES_NOT_KNOW.format(labels=", ".join(map(texts.label, candidate.missing))))
        if candidate.objections:
            _remark(texts.OBJECTIONS.format(why="; ".join(candidate.objections)))
        worse = [label for label, share in candidate.after.items() if candidate.before.get(label, 0.0) - share > LESS]
        if worse:
            _remark(texts.WORSE.format(labels=", ".join(map(texts.label, worse))))
        ui.label(texts.FIGURES_HINT).classes("quiet text-sm")
        with ui.element("table").classes("plain"):
            table_row("th", [texts.LABEL_FIELD, texts.OTHERS_RECALL, texts.NEW_RECALL, texts.OLD_RECALL])
            for label in candidate.recall:
                shares = (recall.get(label) for recall in (candidate.recall, candidate.after, candidate.before))
                table_row("td", [texts.label(label), *("–" if share is None else _percent(share) for share in shares)])
        if candidate.confusion:
            with (
                ui.expansion(texts.CONFUSION).classes("w-full").props("dense"),
                ui.element("div").classes("overflow-auto"),
            ):
                _matrix(candidate)


def _said(run: Run | None) -> str:
    if run is None:
        return ""
    if run.going:
        return f"{texts.TRAINING} {run.share:.0%}  {run.text}"
    return texts.TRAINING_FAILED.format(why=run.text) if run.failed else texts.TRAINED


def _remark(text: str) -> None:
    with ui.row().classes("items-center gap-2 no-wrap"):
        ui.icon("warning", color="amber-9", size="24px").props("aria-hidden=true")
        ui.label(text)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _matrix(candidate: Candidate) -> None:
    """How many of each label were taken for which; the more, the darker, and the number in it."""
    rows = [(label, counts) for label, counts in zip(candidate.labels, candidate.confusion, strict=True) if sum(counts)]
    with ui.element("table").classes("plain text-sm"):
        table_row("th", [texts.SHOWN_TAKEN, *map(texts.label, candidate.labels)])
        for label, counts in rows:
            with ui.element("tr"):
                with ui.element("th").props("scope=row"):
                    ui.label(texts.label(label))
                for count in counts:
                    share = count / sum(counts)
                    cell = ui.element("td").style(f"background: rgb(62 142 208 / {share:.2f}); text-align: right")
                    with cell:
                        ui.label(f"{share:.0%}" if count else "").tooltip(str(count))
