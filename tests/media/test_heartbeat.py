"""Whoever does not beat in time is named; nobody else is."""

from media.heartbeat import Heartbeats
from tests.clock import Clock


def test_only_those_that_took_too_long_are_stale_the_worst_first() -> None:
    clock = Clock()
    hearts = Heartbeats(clock)
    hearts.begin("audio", 10.0)
    hearts.begin("gesture", 5.0)
    hearts.begin("decide", 60.0)
    clock.now += 8.0
    hearts.beat("audio")
    hearts.beat("nobody")
    assert [each.name for each in hearts.stale()] == ["gesture"]
    clock.now += 12.0
    assert [(each.name, each.quiet_s) for each in hearts.stale()] == [("gesture", 20.0), ("audio", 12.0)]
    assert str(hearts.stale()[0]) == "gesture: hangs, has not been heard of for 20 s"
    assert hearts.ages() == {"audio": 12.0, "gesture": 20.0, "decide": 20.0}


def test_a_limit_may_change_and_an_end_is_no_hang() -> None:
    clock = Clock()
    hearts = Heartbeats(clock)
    hearts.begin("sms", 10.0)
    hearts.begin("sms", 100.0)
    clock.now += 50.0
    assert hearts.stale() == ()
    hearts.begin("sms", 10.0)
    hearts.end("sms")
    clock.now += 50.0
    assert hearts.stale() == ()
