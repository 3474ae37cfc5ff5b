"""Commands for deliveries: look at the outbox, and try channels."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from queue import Queue
from typing import TYPE_CHECKING, Annotated

import typer

from safety_monitor.commands.conventions import (
    TROUBLE,
    ConfigOption,
    JsonOption,
    fail,
    lists,
    settings_or_fail,
    with_journal,
)
from safety_monitor.local_time import when

if TYPE_CHECKING:
    from safety_monitor.actions.channel import Channel
    from safety_monitor.actions.message import Message
    from safety_monitor.actions.outcome import Outcome
    from safety_monitor.delivery import Delivery
    from safety_monitor.journal.incidents import Journal

FOLLOW_S, LOOK_S = 60.0, 2.0
"""How long a test is followed to see whether it arrives, and how often it is asked for."""
RETRY_S = 60.0
"""How long `outbox retry` waits for what comes of it."""


ListedOption = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many of each.")]
outbox = typer.Typer(help="Look at deliveries that wait or failed, and decide about them.", no_args_is_help=False)


def add_outbox_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    app.add_typer(outbox, name="outbox")
    app.command("test-alert")(try_channels)


@outbox.callback(invoke_without_command=True)
def outbox_default(
    context: typer.Context, limit: ListedOption = 100, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Look at deliveries that wait or failed, and decide about them."""
    if lists(context):
        list_outbox(limit, config, as_json)


@outbox.command("list")
def list_outbox(limit: ListedOption = 100, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """What is still to be done, in order of time, then what failed."""
    deliveries = with_journal(config, lambda journal: journal.outbox.list(limit))
    for delivery in deliveries:
        print(json.dumps(asdict(delivery)) if as_json else _line(delivery))
    if not deliveries and not as_json:
        typer.echo("nothing waits, nothing failed", err=True)


@outbox.command("retry")
def retry_outbox(
    key: Annotated[
        str, typer.Argument(help="Of one delivery, as `outbox list` shows it; default: all that wait.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deliver now what is due or waits for another attempt, and say what came of each."""
    from safety_monitor.config import SettingsError
    from safety_monitor.running import make_outbox

    settings = settings_or_fail(config)

    def use(journal: "Journal") -> bool:
        before = {each: journal.outbox.delivery(each) for each in journal.outbox.retry(key)}
        try:
            dispatch = make_outbox(settings, journal, limited=bool(key))  # who wants one wants no other sooner
        except SettingsError as error:
            fail(error)
        try:
            deliveries = _settled(journal, before)
        finally:
            if dispatch is not None:
                dispatch.close()
        for delivery in deliveries:
            print(json.dumps(asdict(delivery)) if as_json else _line(delivery))
        if not before and not as_json:
            typer.echo("nothing waits for another attempt", err=True)
        return all(delivery.state in ("sent", "delivered") for delivery in deliveries)

    if not with_journal(config, use):
        raise typer.Exit(TROUBLE)


@outbox.command("drop")
def drop_outbox(
    key: Annotated[str, typer.Argument(help="Of the delivery, as `outbox list` shows it.")], config: ConfigOption = None
) -> None:
    """Take a delivery out, so that it is not tried again."""
    with_journal(config, lambda journal: journal.outbox.drop(key))
    print(f"{key} is dropped")


def try_channels(
    channel: Annotated[str | None, typer.Option(help="Only this channel, group of them, or contact.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a marked test through every channel that is turned on, and show what came of each."""
    from safety_monitor.actions.channel import is_aloud
    from safety_monitor.actions.message import trial_message
    from safety_monitor.actions.own_sound import OwnSound
    from safety_monitor.config import SettingsError
    from safety_monitor.dispatch.channels import make_channels
    from safety_monitor.dispatch.places import make_places
    from safety_monitor.dispatch.policies import contact_names, natures_of, unheard
    from safety_monitor.escalation import ALL, Nature, resolve
    from safety_monitor.incident import notice
    from safety_monitor.operating.beside import HEARD, station_runs

    settings = settings_or_fail(config)

    def message(channel: "Channel") -> "Message":
        return trial_message(settings.station.name, channel.name, place, aloud=is_aloud(channel))

    try:
        place = make_places(settings).place(notice("test"))
    except SettingsError as error:
        fail(error)

    def use(journal: "Journal") -> bool:
        try:
            channels = make_channels(settings, OwnSound(), journal)
        except SettingsError as error:
            fail(error)
        natures = natures_of(channels)
        try:
            asked = resolve([channel or ALL], natures, contact_names(settings.contacts))
            if not asked:
                on = ", ".join(natures) or "none"
                fail(f"no channel '{channel}' is turned on; on are: {on}" if channel else "no channel is turned on")
            for line in unheard(settings, natures) if channel is None else ():
                typer.echo(f"safety-monitor: {line}", err=True)
            heard = [name for name in asked if natures[name] is Nature.SOUND]
            heard = heard if heard and station_runs(settings.home) else []
            for name in heard:
                typer.echo(f"safety-monitor: {name}: {HEARD}; its page Settings tries it", err=True)
            wanted = [each for each in channels if each.name in asked and each.name not in heard]
            well = bool(wanted)
            for name, outcome in tried(wanted, message):
                well = well and outcome.ok
                told = {"channel": name, "ok": outcome.ok, "delivered": outcome.delivered, "detail": outcome.detail}
                word = "delivered" if outcome.delivered else "sent" if outcome.ok else "FAILED"
                print(json.dumps(told) if as_json else f"{word:<10} {name:<16} {outcome.detail}", flush=True)
            return well
        finally:
            for each in channels:
                each.close()

    if not with_journal(config, use):
        raise typer.Exit(TROUBLE)


def tried(channels: "list[Channel]", message: "Callable[[Channel], Message]") -> "Iterator[tuple[str, Outcome]]":
    """Send a test through channels, all at the same time.

    Args:
        channels: to be tried.
        message: gives the message for a channel.

    Yields:
        A channel's name and what came of it, in the order in which they end.
    """
    from safety_monitor.actions.channel import follow_of
    from safety_monitor.actions.outcome import Outcome

    ended: Queue[tuple[str, Outcome]] = Queue()

    def attempt(channel: "Channel") -> None:
        try:
            outcome = channel.deliver(message(channel))
            follow = follow_of(channel)
            deadline = time.monotonic() + FOLLOW_S
            while outcome.ok and not outcome.delivered and outcome.reference and follow is not None:
                if time.monotonic() > deadline:
                    break
                time.sleep(LOOK_S)
                outcome = follow(outcome.reference) or outcome
        except Exception as error:
            outcome = Outcome(ok=False, detail=f"failed in an unforeseen way: {type(error).__name__}")
        ended.put((channel.name, outcome))

    for channel in channels:
        threading.Thread(target=attempt, args=(channel,), name=f"test-{channel.name}", daemon=True).start()
    for _ in channels:
        yield ended.get()


def _settled(journal: "Journal", before: "Mapping[str, Delivery]") -> "list[Delivery]":
    """What came of deliveries, once something has been done about each, or time is up."""

    def done(key: str) -> bool:
        now = journal.outbox.delivery(key)
        return now.state != "sending" and (now.attempts, now.changed_at) != (
            before[key].attempts,
            before[key].changed_at,
        )

    deadline = time.monotonic() + RETRY_S
    while time.monotonic() < deadline and not all(map(done, before)):
        time.sleep(0.05)
    return [journal.outbox.delivery(key) for key in before]


def _line(delivery: "Delivery") -> str:
    at = f"{'due' if delivery.due_at else 'at '} {when(delivery.due_at or delivery.changed_at, zoned=True)}"
    return f"{delivery.state:<10} {at}  {delivery.attempts} attempts  {delivery.key}  {delivery.detail}"
