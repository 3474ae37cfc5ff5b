"""What is told of an incident."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from safety_monitor.escalation import Kind
from safety_monitor.incident import BY_A_PERSON, Incident, State, notice
from safety_monitor.local_time import when
from safety_monitor.place import Place

PHRASES = {"scream": "a scream was heard", "signal_for_help": "the signal for help was seen"}
"""What is said of a label; of any other, its name."""
UNNOTICED = "Do not call or ring: it must look as if nobody was coming."
SUREST = 0.99
"""Nothing is told as surer than this."""
LATE_S = 600.0
"""What was noticed longer ago is told with how long: whoever is woken by it must not take it for now."""
OVER = "over: "
"""How the text of a trouble begins that is over."""
SENSES = {"audio": "hearing", "gesture": "seeing"}
"""What people call the parts that troubles are about."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one channel is asked to deliver.

    Attributes:
        key: the same for every attempt of this delivery, so that whoever gets it twice can tell.
        kind: why it is sent.
        incident: as it stands now.
        station: the station's name.
        opened_at: when the incident began, UTC.
        text: plain text for people, place and map link included.
        place: where it happened, if known.
        attachments: evidence files that exist now.
        reference: what an earlier attempt of this delivery got from the far end; "" at first.
        discreet: whether nothing may be noticed of it where the station stands.
        help_called: whether people elsewhere are told of it.
        besides: how many others the text tells of in a line each.
        ago_s: how long ago the incident began, as far as the text tells it.
    """

    key: str
    kind: Kind
    incident: Incident
    station: str
    opened_at: datetime
    text: str
    place: Place | None
    attachments: tuple[Path, ...]
    reference: str
    discreet: bool = False
    help_called: bool = False
    besides: int = 0
    ago_s: float = 0.0


def what_was_noticed(incident: Incident) -> str:
    """The labels of an incident in words, such as "a scream was heard"."""
    return " and ".join(PHRASES.get(label, f"{label.replace('_', ' ')} was seen") for label in incident.labels)


def in_brief(incident: Incident) -> str:
    """What an incident is and how it stands, or what a trouble is, in a few words."""
    if incident.evidence:
        return f"{what_was_noticed(incident)} ({incident.state})"
    return f"{'works again: ' if incident.reason.startswith(OVER) else ''}{what_is_wrong(incident)}"


def what_is_wrong(incident: Incident) -> str:
    """What a trouble is, in words, whether it is over or not, such as "hearing: no sound has come for 10 s"."""
    about, colon, what = incident.reason.removeprefix(OVER).partition(": ")
    return f"{SENSES.get(about, about)}{colon}{what}"


def said(kind: Kind, incident: Incident, station: str, *, discreet: bool = False, aloud: bool = False) -> list[str]:
    """What is the matter, in one to three lines: the first of `written`, which see."""
    sure = f"{min(incident.confidence, SUREST):.0%} sure"
    noticed = f"{what_was_noticed(incident)}, {sure}" if aloud else f"{what_was_noticed(incident)} ({sure})"
    match kind:
        case "test":
            lines = [f"TEST of {station}: nothing has happened. An emergency would be told this way."]
        case "trouble":
            over = incident.reason.startswith(OVER)
            lines = [f"{station}: {'works again. Before,' if over else 'trouble.'} {what_is_wrong(incident)}"]
        case "duress" if not incident.evidence:
            lines = [
                f"EMERGENCY at {station}: disarmed or changed by somebody who is being FORCED to. Help is needed.",
                UNNOTICED,
            ]
        case "duress":
            lines = [
                f"EMERGENCY at {station}: called off by somebody who is being FORCED to. Help is needed.",
                UNNOTICED,
                f"Before, {noticed}.",
            ]
        case "update":
            now = {
                State.ACKNOWLEDGED: "somebody has taken it on",
                State.CANCELLED: "called off as a false alarm",
                State.CLOSED: "it is over",
            }.get(incident.state, str(incident.state))
            who = "" if incident.state is State.CLOSED or incident.reason == BY_A_PERSON else f" ({incident.reason})"
            lines = [f"{station}: {now}{who}. Before, {noticed}."]
        case "alarm":
            lines = [f"EMERGENCY at {station}: {noticed}."]
            if incident.state is State.CANCELLED:
                lines.append("It has been called off since.")
            elif incident.state is State.ACKNOWLEDGED:
                lines.append("Somebody has taken it on since.")
            if discreet:
                lines.append(f"The station stays silent. {UNNOTICED}")
    return lines


def written(
    kind: Kind,
    incident: Incident,
    station: str,
    opened_at: datetime,
    place: Place | None,
    public_url: str = "",
    *,
    discreet: bool = False,
    aloud: bool = False,
    ago_s: float = 0.0,
) -> str:
    """The text of a message for people: what, who, when, where, and how to take it on.

    Args:
        kind: why it is sent.
        incident: as it stands now.
        station: its name.
        opened_at: when the incident began; told in the machine's time zone.
        place: where it happened, if known.
        public_url: where others reach the station's pages; empty: they do not.
        discreet: whether nothing may be noticed of it where the station stands.
        aloud: whether it is read out: then in sentences, without links and numbers that nobody can listen to.
        ago_s: how long ago the incident began.
    """
    lines = said(kind, incident, station, discreet=discreet, aloud=aloud)
    at = f"{opened_at.astimezone():%d %B, %H:%M}" if aloud else when(opened_at.isoformat(), zoned=True)
    lines.append(f"{at}{_ago(ago_s)}{'.' if aloud else ''}")
    if place is not None and kind != "trouble":
        lines += _spoken_place(place) if aloud else _written_place(place)
    waits = kind == "alarm" and incident.state in (State.CONFIRMED, State.CLOSED)
    if aloud:
        return " ".join([*lines, *(["Nobody has taken it on yet."] if waits else [])])
    number = incident.id[:8]
    if waits:
        how = f": {public_url}/incidents/{number}" if public_url else f" at the station: incident {number}"
        lines.append(f"Take it on{how}")
    elif kind not in ("test", "trouble"):
        lines.append(f"Incident {number}")
    return "\n".join(lines)


def _ago(seconds: float) -> str:
    """What is said of how long ago something was; nothing where that was just now."""
    if seconds < LATE_S:
        return ""
    for unit, unit_s in (("days", 86_400.0), ("hours", 3600.0)):
        if seconds >= 2 * unit_s:
            return f", {seconds / unit_s:.0f} {unit} ago"
    return f", {seconds / 60.0:.0f} minutes ago"


def _written_place(place: Place) -> list[str]:
    accuracy = f" (within {place.accuracy_m:.0f} m)" if place.accuracy_m is not None else ""
    return list(filter(None, (f"{place.words}{accuracy}", place.map_link)))


def _spoken_place(place: Place) -> list[str]:
    """Numbers of degrees are of no use to whoever hears them."""
    return [f"Place: {place.address}."] if place.address else []


def trial_message(station: str, channel: str, place: Place | None = None, *, aloud: bool = False) -> Message:
    """A message that says that it is only a test.

    Args:
        station: its name.
        channel: it is sent by.
        place: where the station stands, if known: a test is the time to notice that it is wrong.
        aloud: see `written`.
    """
    incident = notice("test")
    now = datetime.now(UTC)
    text = written("test", incident, station, now, place, aloud=aloud)
    return Message(f"{incident.id}:{channel}:test", "test", incident, station, now, text, place, (), "")
