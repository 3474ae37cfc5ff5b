"""Telling people of an incident with one press of a button, whatever its policy says."""

from collections.abc import Mapping
from functools import partial

from fastapi import Request
from nicegui import ui
from pydantic import SecretStr

from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.escalation import Nature
from safety_monitor.incident import State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError
from safety_monitor.web import texts
from safety_monitor.web.layout import may, of_the_page, site_of, visitor_of
from safety_monitor.web.own_threads import deciding

MAIL = ("mailto", "mailtos")
ICON = {texts.SMS: "sms", texts.EMAIL: "mail", texts.CALL: "call"}
TOLD_OF = frozenset({State.CONFIRMED, State.ACKNOWLEDGED, State.CLOSED})


def channels_of(dispatch: Dispatch, wanted: str) -> dict[str, Nature]:
    """The channels for messages that a name, or the name of a group or a contact, means."""
    channels = dispatch.channels
    return {name: channels[name] for name in dispatch.named(wanted) if channels[name] is Nature.MESSAGE}


def alert_groups(channels: Mapping[str, Nature], messages: Mapping[str, SecretStr]) -> dict[str, dict[str, Nature]]:
    """What each button tells, by its text; SMS and e-mail are always there, empty where they are not set up.

    Args:
        channels: that are turned on.
        messages: the settings' Apprise addresses, which say what is e-mail.
    """
    groups: dict[str, dict[str, Nature]] = {texts.SMS: {}, texts.EMAIL: {}}
    for name, nature in channels.items():
        if nature is Nature.MESSAGE:
            groups.setdefault(_group(name, messages), {})[name] = nature
    return groups


def _group(name: str, messages: Mapping[str, SecretStr]) -> str:
    kind, _, member = name.partition(":")
    if kind == "messages" and member in messages:
        scheme = messages[member].get_secret_value().partition(":")[0].lower()
        return texts.EMAIL if scheme in MAIL else member
    return texts.CHANNEL_KIND.get(kind, kind)


def alert_buttons(request: Request, entry: Entry | None) -> None:
    """A button for each way to tell people of an incident now; off while there is none, or it was called off."""
    site = site_of(request)
    if not visitor_of(request).may("operator"):
        return
    groups = alert_groups(site.station.dispatch.channels, site.settings.messages)
    with ui.row().classes("gap-2 items-center"):
        ui.label(texts.TELL_NOW).classes("quiet")
        for text, channels in groups.items():
            button = ui.button(text, icon=ICON.get(text, "send")).props("no-caps color=red-8 unelevated")
            button.set_enabled(entry is not None and entry.standing in TOLD_OF and bool(channels))
            if not channels:
                button.props("outline")
                with button:
                    ui.tooltip(texts.NOT_SET_UP.format(what=text))
            if entry is not None:
                button.on_click(partial(_alert, request, entry.incident.id, text, channels))
        unset = [text for text, channels in groups.items() if not channels]
        if unset:
            ui.label(texts.NOT_SET_UP.format(what=", ".join(unset))).classes("quiet text-sm")


@of_the_page
async def _alert(request: Request, incident_id: str, text: str, channels: Mapping[str, Nature]) -> None:
    if not may(request, "operator"):
        return
    try:
        journal = site_of(request).journal
        await deciding(lambda: journal.alert(incident_id, channels))
    except JournalError as error:
        ui.notify(str(error), type="negative")
        return
    ui.notify(texts.ALERTED.format(what=text, whom=", ".join(map(texts.channel, channels))), type="positive")
