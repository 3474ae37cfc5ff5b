"""What every page has: its frame, its colours, and who looks at it."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from fastapi import Request
from nicegui import Client, app, ui

from safety_monitor import disarming
from safety_monitor.config.web import Role
from safety_monitor.incident import Incident, Mark, State
from safety_monitor.journal.file import JournalError
from safety_monitor.people.decision import PinError
from safety_monitor.web import texts
from safety_monitor.web.access import Visitor
from safety_monitor.web.guard import session_key
from safety_monitor.web.own_threads import deciding
from safety_monitor.web.site import Site

app.add_static_files("/static", Path(__file__).parent / "static")

Key = TypeVar("Key")
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
Part = TypeVar("Part", bound=ui.element)
STATE_ICON = {
    State.PENDING: "hourglass_top",
    State.CONFIRMED: "warning",
    State.ACKNOWLEDGED: "support_agent",
    State.CANCELLED: "block",
    State.CLOSED: "check_circle",
}
MARK_ICON = {Mark.REAL: "priority_high", Mark.FALSE: "notifications_off"}
STATE_COLOR = {
    State.PENDING: "amber-9",
    State.CONFIRMED: "red-8",
    State.ACKNOWLEDGED: "blue-8",
    State.CANCELLED: "grey-7",
    State.CLOSED: "green-8",
}

CROWD, CALL_BACK_S = 100, 5.0
"""From so many pages on, one whose browser has not called back within so long is given up; else NiceGUI keeps it for a
minute, and whoever only asks for pages fills the memory."""
AWAY_S = 600.0
"""So long a page on which people write, or with which they listen, waits for a browser that has gone: a phone leaves
whenever another app is in front, or the network, and what was typed must be there when it comes back. A page that is
loaded anew listens no more."""
LINKS: tuple[tuple[str, str, Role], ...] = (
    (texts.LIVE, "/", "viewer"),
    (texts.INCIDENTS, "/incidents", "viewer"),
    (texts.ANALYSE, "/analyse", "operator"),
    (texts.COLLECT, "/collect", "operator"),
    (texts.RETRAIN, "/retrain", "admin"),
    (texts.SETTINGS, "/settings", "admin"),
    (texts.API, "/api", "viewer"),
    (texts.KIOSK, "/kiosk", "viewer"),
)
"""All pages, and who may see the link."""

STYLE = """
:root { --edge: #d5dbe3; --panel: #ffffff; --ground: #f3f5f8; --quiet: #5b6573; --link: #1565c0 }
body.body--dark { color-scheme: dark;
  --edge: #2c3440; --panel: #161b22; --ground: #0d1117; --quiet: #9aa6b5; --link: #6ea8fe }
body { background: var(--ground) !important; font-variant-numeric: tabular-nums }
.panel { background: var(--panel); border: 1px solid var(--edge); border-radius: 12px; padding: 16px; width: 100% }
.panel h2 { font-size: 0.8rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase; line-height: 1.4;
  color: var(--quiet); margin: 0 0 8px 0 }
.panel { overflow-wrap: anywhere } .panel .q-btn, table.plain { overflow-wrap: normal }
.quiet { color: var(--quiet) }
.text-quiet { color: var(--quiet) !important }
.nicegui-link { color: var(--link) }
body.body--light { --q-primary: var(--link) !important }
.grow { flex: 1 1 0; min-width: 0 }
.grow.head { min-width: 11rem }
.panel.literal h2 { text-transform: none; letter-spacing: normal }
a:focus-visible, button:focus-visible, [tabindex]:focus-visible { outline: 3px solid #4c9ffe; outline-offset: 2px }
.top a { color: inherit; text-decoration: none; padding: 6px 10px; border-radius: 8px }
.top a[aria-current=page] { background: color-mix(in srgb, currentColor 16%, transparent) }
.picture { width: 100%; aspect-ratio: 4 / 3; object-fit: contain; background: #000; border-radius: 8px; display: block }
.spectrogram { width: 100%; height: 130px; object-fit: fill; background: #000004; border-radius: 8px; display: block }
#popup { left: 0; right: 0; margin: 0; background: #b00020; color: #fff; font-size: 1.25rem; text-align: center }
#popup::after { content: "LOST_HINT"; display: block; font-size: 1rem; margin-top: 8px }
body:has(#popup[aria-hidden=false]) .nicegui-content { opacity: .4; filter: grayscale(1); transition: all .5s 2s }
body:has(#popup[aria-hidden=false]) .claim { visibility: hidden; transition: visibility 0s 2s }
.q-timeline__content { padding-bottom: 16px } .q-timeline__title { margin-bottom: 2px }
table.plain { border-collapse: collapse; width: 100% }
table.plain th { text-align: left; color: var(--quiet); font-weight: 600; font-size: .8rem; padding: 6px 8px }
table.plain td { border-top: 1px solid var(--edge); padding: 8px; vertical-align: top }
""".replace("LOST_HINT", texts.LOST_HINT)
"""`#popup` is how NiceGUI tells that the station does not answer; `.claim` is what nobody knows any more then. What
people and servers write may be wider than a phone: an address in a note, a path in a trouble."""


def site_of(request: Request) -> Site:
    """The site that a request is for."""
    return cast(Site, request.state.site)


def visitor_of(request: Request) -> Visitor:
    """Who asks; the guard has let them in."""
    return cast(Visitor, request.state.visitor)


def keep_connected() -> None:
    """See to it that an open page finds its way back to the station (see reconnect.js), and that they do not crowd."""
    if len(Client.instances) > CROWD:
        Client.prune_instances(client_age_threshold=CALL_BACK_S)
    ui.add_body_html('<script src="/static/reconnect.js"></script>')


@contextmanager
def page_frame(request: Request, title: str) -> Iterator[None]:
    """Head line, links to all pages, and room for one."""
    site = site_of(request)
    ui.page_title(f"{title} – {site.settings.station.name}")
    ui.add_css(STYLE)
    ui.dark_mode(None)
    keep_connected()
    with ui.header().classes("top items-center gap-1 px-4 py-2 bg-slate-800 text-white"):
        ui.icon("shield", size="26px").props("aria-hidden=true")
        ui.label(site.settings.station.name).classes("text-lg font-semibold mr-4 break-words min-w-0 max-md:flex-1")
        with (
            ui.element("nav").classes("flex gap-1 max-md:order-last max-md:w-full").props(f'aria-label="{texts.PAGES}"')
        ):
            for text, path, role in LINKS:
                if not visitor_of(request).may(role):
                    continue
                link = ui.link(text, path)
                if text == title:
                    link.props("aria-current=page")
        ui.space().classes("max-md:hidden")
        if not site.access.open:
            ui.label(f"{visitor_of(request).name} ({visitor_of(request).role})").classes("text-sm opacity-80")
            ui.html(
                f'<form method="post" action="/logout"><button class="underline">{texts.SIGN_OUT}</button></form>',
                sanitize=False,
            )
    with ui.column().classes("w-full max-w-7xl mx-auto gap-4 p-2 md:p-4"):
        yield


@contextmanager
def page_for(request: Request, title: str, role: Role) -> Iterator[bool]:
    """The same for a page that takes a role: gives whether whoever asks has it; if not, the page only says so."""
    with page_frame(request, title):
        allowed = visitor_of(request).may(role)
        if not allowed:
            with panel(title):
                ui.label(texts.NOT_ALLOWED)
        yield allowed


def named(element: Part, name: str) -> Part:
    """The element, with a name for whoever hears the page.

    `Element.props` takes its text apart, and a quote in a name, which may be a file's or a model's, would begin an
    attribute of its own.
    """
    element.props["aria-label"] = name
    return element


@contextmanager
def panel(title: str, classes: str = "") -> Iterator[None]:
    """A part of a page, with its title."""
    with named(ui.element("section").classes(f"panel {classes}"), title):
        with ui.element("h2"):
            ui.label(title)
        yield


def table_row(tag: str, cells: Iterable[object]) -> None:
    """A row of a table; `tag` is th for its head, else td."""
    with ui.element("tr"):
        for cell in cells:
            with ui.element(tag).props("scope=col" if tag == "th" else ""):
                ui.label(str(cell))


def changed(shown: dict[Key, object], key: Key, value: object) -> bool:
    """Whether a part of a page is not what is shown already, and is from now on: what has not changed is not sent."""
    if key in shown and shown[key] == value:
        return False
    shown[key] = value
    return True


def look_of(state: State, standing: State | None = None) -> tuple[str, str, str]:
    """Word, sign and colour of a state; that it is over must not look as if somebody had come.

    Args:
        state: of an incident.
        standing: see `Entry.standing`; None: not known, or of no account.
    """
    words = texts.state(state, standing)
    if state is not State.CLOSED or standing is None:
        return words, STATE_ICON[state], STATE_COLOR[state]
    if standing is State.CLOSED:
        return words, "help", "amber-9"
    return words, STATE_ICON[state if standing is State.ACKNOWLEDGED else standing], STATE_COLOR[state]


def state_badge(state: State, standing: State | None = None) -> None:
    """The same, as a part of a row."""
    words, icon, color = look_of(state, standing)
    with ui.row().classes("items-center gap-1 no-wrap"):
        ui.icon(icon, color=color, size="20px").props("aria-hidden=true")
        ui.label(words)


@contextmanager
def incident_head(request: Request, incident: Incident, standing: State | None = None) -> Iterator[None]:
    """An incident in large letters, room for lines below, and the buttons that fit; to be put into a row.

    Args:
        request: of the page.
        incident: that is shown.
        standing: see `Entry.standing`; None: as its state.
    """
    words, icon, color = look_of(incident.state, standing)
    ui.icon(icon, size="44px", color=color).props("aria-hidden=true")
    with ui.column().classes("gap-0 grow head"):
        ui.label(f"{words}: {', '.join(map(texts.label, incident.labels))}").classes("text-2xl font-semibold")
        yield
    decision_buttons(request, incident.id, standing or incident.state)


def mark_badge(mark: Mark | None) -> None:
    """What people say that an incident was, by word and sign."""
    if mark is not None:
        with ui.row().classes("items-center gap-1 no-wrap"):
            ui.icon(MARK_ICON[mark], size="20px").props("aria-hidden=true")
            ui.label(texts.MARKED[mark])


def trouble_line(text: str) -> None:
    """What keeps a page from telling anything."""
    with ui.row().classes("items-center gap-2 no-wrap").props("role=alert"):
        ui.icon("error", color="red-7", size="26px").props("aria-hidden=true")
        ui.label(text).classes("text-lg").style("overflow-wrap: anywhere")


def may(request: Request, role: Role) -> bool:
    """Whether whoever opened the page still has this role; says so if not."""
    visitor = site_of(request).access.of_session(session_key(request.headers))
    if visitor is None:
        ui.notify(texts.SIGNED_OUT, type="warning")
        return False
    if not visitor.may(role):
        ui.notify(texts.NOT_ALLOWED, type="warning")
        return False
    return True


def arm_button(request: Request, armed: bool) -> None:
    """The button that arms or disarms the station."""
    site = site_of(request)

    async def arm() -> None:
        if may(request, "operator"):
            await deciding(lambda: site.station.arm(True))

    async def disarm(pin: str = "") -> None:
        if may(request, "operator"):
            who = visitor_of(request).who
            await deciding(lambda: disarming.disarm(site.station, pin, who=who))

    def ask_first() -> None:
        if site.decisions.has_pin:
            ask_pin(request, texts.DISARM, texts.DISARM_HINT, disarm, texts.DISARMED)
        else:
            confirm(request, "operator", texts.DISARM, (texts.DISARM_HINT,), disarm)

    ui.button(
        texts.DISARM if armed else texts.ARM,
        icon="remove_moderator" if armed else "shield",
        on_click=ask_first if armed else arm,
    ).props("outline no-caps color=quiet" if armed else "no-caps color=green-8")


def of_the_page(do: Callable[Asked, Awaitable[Answer]]) -> Callable[Asked, Awaitable[Answer]]:
    """`do`, begun from a page's button or dialog, which may be gone or drawn anew before it is done and tells of it."""

    @wraps(do)
    async def done(*args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        with ui.context.client.content:
            return await do(*args, **kwargs)

    return done


@contextmanager
def dialog_about(text: str) -> Iterator[ui.dialog]:
    """An open dialog with this head; it is gone when it closes."""
    # A child of the page, not of the button's surroundings: those are drawn anew when the incident moves on, and would
    # take the dialog away from under the person's hands.
    with ui.context.client.content, named(ui.dialog(value=True), text) as dialog, ui.card().classes("gap-3"):
        dialog.on("hide", dialog.delete)
        ui.label(text).classes("text-lg font-semibold")
        yield dialog


def confirm(request: Request, role: Role, text: str, lines: Sequence[str], do: Callable[[], Awaitable[None]]) -> None:
    """Ask once more before something is done that should not be done by mistake.

    Args:
        request: of the page.
        role: that it takes; seen to at once, since a page that is signed out cannot even load a dialog.
        text: what is done; the dialog's head, and its button.
        lines: what there is to know before.
        do: does it.
    """
    if not may(request, role):
        return
    with dialog_about(text) as dialog:
        for line in lines:
            ui.label(line)

        async def confirmed() -> None:
            dialog.close()
            await of_the_page(do)()

        with ui.row().classes("w-full justify-end"):
            ui.button(texts.BACK, on_click=dialog.close).props("flat no-caps autofocus")
            ui.button(text, on_click=confirmed).props("no-caps color=blue-8")


def decision_buttons(request: Request, incident_id: str, state: State) -> None:
    """The buttons that fit where an incident stands; none for those who may not press them."""
    if not visitor_of(request).may("operator"):
        return
    with ui.row().classes("gap-2"):
        if state in (State.CONFIRMED, State.CLOSED):
            ui.button(
                texts.ACKNOWLEDGE, icon="support_agent", on_click=lambda: ask(request, incident_id, State.ACKNOWLEDGED)
            ).props("color=blue-8 no-caps")
        if state in (State.CONFIRMED, State.ACKNOWLEDGED, State.CLOSED):
            ui.button(texts.CANCEL, icon="block", on_click=lambda: ask(request, incident_id, State.CANCELLED)).props(
                "outline no-caps color=quiet"
            )


def ask(request: Request, incident_id: str, state: State) -> None:
    """Ask for confirmation, and for the PIN where it takes one; then decide."""
    decisions, visitor = site_of(request).decisions, visitor_of(request)
    text, hint = {
        State.ACKNOWLEDGED: (texts.ACKNOWLEDGE, texts.ACKNOWLEDGE_HINT),
        State.CANCELLED: (texts.CANCEL, texts.CANCEL_HINT),
    }[state]

    async def decide(pin: str) -> None:
        await deciding(lambda: decisions.decide(incident_id, state, pin, visitor.reason, who=visitor.who))

    ask_pin(request, text, hint, decide, texts.DONE[state], pin=decisions.needs_pin(state))


async def ask_owner(request: Request, text: str, do: Callable[[], Awaitable[None]]) -> None:
    """Do what changes the station for good.

    Without users whoever stands before the screen would be let through: there it takes the PIN, where one is set.

    Args:
        request: of an admin's page.
        text: what is done; the dialog's head, and its button.
        do: does it, and says what came of it.
    """
    site = site_of(request)
    if not site.change_takes_pin:
        await do()
        return

    async def with_pin(pin: str) -> None:
        await deciding(lambda: disarming.allow(site.station, pin))
        await do()

    ask_pin(request, text, texts.CHANGE_HINT, with_pin, "")


def ask_pin(
    request: Request, text: str, hint: str, do: Callable[[str], Awaitable[None]], done: str, *, pin: bool = True
) -> None:
    """Ask an operator for the PIN, or only for confirmation.

    Args:
        request: of the page.
        text: what is done; the dialog's head, and its button.
        hint: what there is to know before.
        do: does it with the PIN; raises `PinError` or `JournalError` if it cannot.
        done: said afterwards; empty: nothing.
        pin: whether the PIN is asked for.
    """
    if not may(request, "operator"):  # a page that is signed out cannot even load the dialog
        return
    with dialog_about(text) as dialog:
        ui.label(hint)
        typed = ui.input(texts.PIN, password=True).props("autocomplete=off outlined")
        typed.set_visibility(pin)
        going = False

        @of_the_page
        async def go_on() -> None:
            nonlocal going
            if going or not may(request, "operator"):
                return
            going = True  # until it is refused: what is pressed twice is meant once
            try:
                await do(typed.value or "")
            except (PinError, JournalError) as error:
                ui.notify(str(error), type="negative")
                typed.value = ""  # the next press must not count the same wrong PIN again
                if pin:
                    typed.run_method("focus")  # from the button: what is typed next would go nowhere
                going = False
                return
            if done:
                ui.notify(done, type="positive")
            dialog.close()

        typed.on("keydown.enter", go_on, js_handler="(event) => event.repeat || emit()")  # a key that is held is one
        with ui.row().classes("w-full justify-end"):
            back = ui.button(texts.BACK, on_click=dialog.close).props("flat no-caps")
            ui.button(text, on_click=go_on).props("no-caps color=blue-8")
        (typed if pin else back).props("autofocus")  # what is not shown takes no keys: they went to the page behind
