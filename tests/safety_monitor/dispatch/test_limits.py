"""When a person is not told at once, and how what was held back is told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_monitor.dispatch.limits import Limits, Told, counted, digest, hold, quiet_until
from safety_monitor.incident import State, notice
from tests.alarms import SCREAM

NIGHT = (time(22, 0), time(7, 0))
NOON = (time(12, 0), time(13, 0))


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 3, 10, hour, minute, second).astimezone()


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        (NIGHT, at(21, 59, 59), None),
        (NIGHT, at(22), at(7) + timedelta(days=1)),
        (NIGHT, at(23, 59, 59), at(7) + timedelta(days=1)),
        (NIGHT, at(0), at(7)),
        (NIGHT, at(6, 59, 59), at(7)),
        (NIGHT, at(7), None),
        (NOON, at(11, 59), None),
        (NOON, at(12, 30), at(13)),
        (NOON, at(13), None),
    ],
)
def test_quiet_hours_may_last_over_midnight(quiet: tuple[time, time], now: datetime, end: datetime | None) -> None:
    assert quiet_until(quiet, now) == end


LIMITS = Limits(cool_down_s=30.0, most=3, within_s=3600.0)


@pytest.mark.parametrize(
    ("sent", "wait_s", "urgent_wait_s"),
    [
        ((), None, None),
        ((-31.0,), None, None),
        ((-30.0,), None, None),
        ((-10.0,), 20.0, 20.0),
        ((-10.0, 86_400.0), 20.0, 20.0),
        ((86_400.0,), None, None),
        ((-3000.0, -2000.0, -1000.0), 600.0, 200.0),
        ((-3601.0, -2000.0, -1000.0), None, None),
        ((-3000.0, -2000.0, -1.0), 600.0, 600.0),
        ((-3000.0, -2000.0, -1300.0), 600.0, None),
        ((-3.0, -2.0, -1.0), 3597.0, 1199.0),
        ((-3590.0, -2000.0, -1.0), 29.0, 29.0),
    ],
)
def test_not_too_soon_and_not_too_often_and_an_emergency_waits_for_its_share_only(
    sent: Sequence[float], wait_s: float | None, urgent_wait_s: float | None
) -> None:
    now = at(12)
    held = [hold(LIMITS, now, [now.timestamp() + each for each in sent], urgent=urgent) for urgent in (False, True)]
    assert [each and each.until - now.timestamp() for each in held] == [wait_s, urgent_wait_s]


@given(st.lists(st.integers(0, 4000), max_size=60), st.integers(1, 5), st.integers(0, 60), st.booleans())
def test_whoever_waits_as_told_never_sends_more_than_allowed(
    gaps: list[int], most: int, cool_down_s: int, urgent: bool
) -> None:
    limits = Limits(cool_down_s=cool_down_s, most=most, within_s=3600.0)
    now = datetime(2026, 3, 10, tzinfo=timezone(timedelta(0))).timestamp()
    sent: list[float] = []
    for gap in gaps:
        now += gap
        held = hold(limits, datetime.fromtimestamp(now, UTC), sent, urgent=urgent)
        if held is not None:
            assert held.until > now
            now = held.until
            assert hold(limits, datetime.fromtimestamp(now, UTC), sent, urgent=urgent) is None
        sent.append(now)
    # Of emergencies at most twice as many: those that came at once, and one in each share of the time.
    for first, later in zip(sent, sent[2 * most if urgent else most :], strict=False):
        assert later - first >= limits.within_s
    assert all(later - first >= cool_down_s for first, later in pairwise(sent))


@pytest.mark.parametrize(
    ("channel", "about", "counts"),
    [
        ("sms", {"1"}, [40.0]),  # it did not arrive, and is told once more; the call told of something else
        ("sms", {"4"}, [10.0, 40.0]),
        ("call", {"1"}, [40.0]),  # the SMS told of the same
        ("call", {"2"}, [10.0, 40.0]),
        ("mail", {"2"}, [10.0]),  # the call told of the same, though of more, too
        ("mail", {"2", "4"}, [10.0, 40.0]),
    ],
)
def test_what_a_person_was_told_elsewhere_counts_unless_it_was_the_same(
    channel: str, about: set[str], counts: list[float]
) -> None:
    told = [
        Told(10.0, "sms", frozenset({"1"})),
        Told(30.0, "sms", frozenset({"2", "3"})),
        Told(40.0, "call", frozenset({"2", "3"})),
    ]
    assert counted(told, channel, frozenset(about)) == counts


def test_an_emergency_waits_for_nothing_that_was_none() -> None:
    told = [Told(10.0, "sms", frozenset({"1"})), Told(40.0, "sms", frozenset({"2"}), urgent=False)]
    assert counted(told, "sms", frozenset({"3"}), urgent=True) == [10.0]
    assert counted(told, "sms", frozenset({"3"})) == [10.0, 40.0]


def test_a_digest_begins_with_one_in_full_and_counts_the_rest() -> None:
    others = [(datetime(2026, 11, day).astimezone(), replace(SCREAM, state=State.CLOSED)) for day in range(1, 15)]
    text = digest("text", others)
    assert text.startswith("text\nHeld back until now, too: 14\n- 2026-11-14 00:00:00: a scream was heard (closed)\n")
    assert text.count("a scream was heard (closed)") == 10
    assert "and 4 more" in text


def test_a_digest_tells_of_troubles_as_people_speak_of_them() -> None:
    dark = notice("gesture: the picture has been dark for 60 s")
    light = notice("over: gesture: the picture has been dark for 60 s")
    text = digest("text", [(at(9), dark), (at(10), light)])
    assert text.endswith(
        "10:00:00: works again: seeing: the picture has been dark for 60 s\n"
        "- 2026-03-10 09:00:00: seeing: the picture has been dark for 60 s"
    )
