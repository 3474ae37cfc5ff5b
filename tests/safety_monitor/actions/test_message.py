"""What a person reads: what, who, when, where and how to take it on, in as few SMS as can be."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from safety_monitor.actions.message import OVER, UNNOTICED, written
from safety_monitor.actions.sms import plain
from safety_monitor.escalation import Kind
from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.place import Place

INCIDENT = Incident(
    "0b4ad0e6-6f0e-4c5e-8a43-000000000001",
    State.CONFIRMED,
    13.5,
    0.97,
    (Evidence(Sense.AUDIO, "scream", 0.97, 13.5), Evidence(Sense.GESTURE, "signal_for_help", 0.9, 13.5)),
    "camera: dark",
)
AT = datetime(2026, 7, 4, 3, 2, 1, tzinfo=UTC)
PLACE = Place(52.520008, 13.404954, None, "Station hall, 2nd floor, behind the ticket machines", "settings")
URL = "https://kiosk.example.org"
pytestmark = pytest.mark.usefixtures("berlin")


def test_an_alarm_says_all_that_helps_in_two_sms() -> None:
    text = written("alarm", INCIDENT, "kiosk", AT, PLACE, URL)
    assert text == (
        "EMERGENCY at kiosk: a scream was heard and the signal for help was seen (97% sure).\n"
        "2026-07-04 05:02:01 UTC+02:00\n"
        "Station hall, 2nd floor, behind the ticket machines\n"
        "https://www.openstreetmap.org/?mlat=52.520008&mlon=13.404954\n"
        "Take it on: https://kiosk.example.org/incidents/0b4ad0e6"
    )
    assert len(f"{text}\nRef 0123456789") <= 2 * 153  # of the alphabet of GSM
    assert text.isascii()


@pytest.mark.parametrize(
    ("kind", "state", "url", "last"),
    [
        ("alarm", State.CONFIRMED, "", "Take it on at the station: incident 0b4ad0e6"),
        ("alarm", State.CLOSED, "", "Take it on at the station: incident 0b4ad0e6"),
        ("alarm", State.ACKNOWLEDGED, URL, "Incident 0b4ad0e6"),
        ("update", State.CANCELLED, URL, "Incident 0b4ad0e6"),
        ("duress", State.CANCELLED, URL, "Incident 0b4ad0e6"),
        ("trouble", State.CLOSED, URL, "2026-07-04 05:02:01 UTC+02:00"),
        ("test", State.CLOSED, URL, "2026-07-04 05:02:01 UTC+02:00"),
    ],
)
def test_only_what_can_be_taken_on_says_how(kind: Kind, state: State, url: str, last: str) -> None:
    assert written(kind, replace(INCIDENT, state=state), "kiosk", AT, None, url).splitlines()[-1] == last


@pytest.mark.parametrize(
    ("kind", "changes", "discreet", "said"),
    [
        ("alarm", {"confidence": 0.9999}, False, "the signal for help was seen (99% sure)."),
        ("alarm", {}, True, "The station stays silent. Do not call or ring: it must look as if nobody was coming."),
        (
            "update",
            {"state": State.ACKNOWLEDGED, "reason": "by ben"},
            False,
            "somebody has taken it on (by ben). Before",
        ),
        ("update", {"state": State.CANCELLED, "reason": "by a person"}, False, "called off as a false alarm. Before"),
        ("update", {"state": State.CLOSED, "reason": "quiet for 30 s"}, False, "kiosk: it is over. Before, a scream"),
        ("alarm", {"state": State.CANCELLED}, False, "(97% sure).\nIt has been called off since.\n"),
        ("alarm", {"state": State.ACKNOWLEDGED}, False, "(97% sure).\nSomebody has taken it on since.\n"),
        ("duress", {"state": State.CANCELLED}, True, "kiosk: called off by somebody who is being FORCED to. Help is"),
        ("duress", {"state": State.CANCELLED}, True, f"needed.\n{UNNOTICED}\nBefore, a scream was heard"),
        ("duress", {"evidence": ()}, True, f"by somebody who is being FORCED to. Help is needed.\n{UNNOTICED}\n2026"),
        ("trouble", {"reason": "audio: unplugged"}, False, "kiosk: trouble. hearing: unplugged\n"),
        ("trouble", {"reason": f"{OVER}audio: unplugged"}, False, "kiosk: works again. Before, hearing: unplugged\n"),
        ("test", {}, False, "TEST of kiosk: nothing has happened."),
    ],
)
def test_it_says_who_how_sure_and_what_must_not_be_done(
    kind: Kind, changes: dict[str, object], discreet: bool, said: str
) -> None:
    assert said in written(kind, replace(INCIDENT, **changes), "kiosk", AT, None, discreet=discreet)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ago_s", "said"),
    [
        (599.0, "+02:00"),
        (600.0, "+02:00, 10 minutes ago"),
        (7199.0, "+02:00, 120 minutes ago"),
        (7200.0, "+02:00, 2 hours ago"),
        (3 * 86_400.0, "+02:00, 3 days ago"),
    ],
)
def test_what_was_long_ago_says_so(ago_s: float, said: str) -> None:
    assert written("alarm", INCIDENT, "kiosk", AT, None, ago_s=ago_s).splitlines()[1].endswith(said)


def test_what_is_read_out_can_be_listened_to() -> None:
    assert written("alarm", INCIDENT, "kiosk", AT, PLACE, URL, aloud=True) == (
        "EMERGENCY at kiosk: a scream was heard and the signal for help was seen, 97% sure. 04 July, 05:02. "
        "Place: Station hall, 2nd floor, behind the ticket machines. Nobody has taken it on yet."
    )
    answered = replace(INCIDENT, state=State.ACKNOWLEDGED)
    assert written("alarm", answered, "kiosk", AT, replace(PLACE, address=""), aloud=True, ago_s=600.0).endswith(
        "97% sure. Somebody has taken it on since. 04 July, 05:02, 10 minutes ago."
    )


def test_a_place_without_a_position_is_told_in_words() -> None:
    text = written("alarm", INCIDENT, "kiosk", AT, replace(PLACE, latitude=None, longitude=None), URL)
    assert text.splitlines()[2:] == [PLACE.address, "Take it on: https://kiosk.example.org/incidents/0b4ad0e6"]


def test_typography_is_written_plainly_and_names_stay() -> None:
    assert plain("Süd – „Café Łódź“…") == 'Süd - "Café Łódź"...'
