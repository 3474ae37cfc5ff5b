"""Of a trouble people are told once an hour at most, and never believe for longer that a broken part works."""

from safety_monitor.dispatch.troubles import Troubles
from tests.clock import Clock


def test_a_part_that_fails_for_good_soon_after_it_worked_again_is_told_of_when_the_hour_is_over() -> None:
    clock = Clock()
    troubles = Troubles(clock=clock)
    assert troubles.fails("gesture", "gesture: unplugged")
    assert troubles.works("gesture")
    clock.now += 600.0
    assert not troubles.fails("gesture", "gesture: unplugged for good")
    assert troubles.fails("audio", "audio: muted")
    clock.now += 2999.0
    assert troubles.due() == []
    clock.now += 1.0
    assert troubles.due() == ["gesture: unplugged for good"]
    assert troubles.due() == []
    assert troubles.works("gesture")


def test_what_is_over_within_the_hour_is_not_told() -> None:
    clock = Clock()
    troubles = Troubles(clock=clock)
    assert troubles.fails("gesture", "gesture: unplugged")
    assert troubles.works("gesture")
    assert not troubles.fails("gesture", "gesture: unplugged")
    assert not troubles.works("gesture")
    clock.now += 3600.0
    assert troubles.due() == []


def test_what_was_told_before_a_restart_counts() -> None:
    clock = Clock()
    before = [
        (3000.0, "audio: muted"),
        (2000.0, "over: audio: muted"),
        (1000.0, "sms:anna failed: refused"),
        (900.0, "gesture: unplugged"),
    ]
    troubles = Troubles(before, clock)
    assert troubles.fails("sms:ann", "sms:ann failed: refused")
    assert not troubles.fails("sms:anna", "sms:anna: hangs")
    assert not troubles.fails("audio", "audio: muted")
    assert not troubles.works("audio")
    assert troubles.works("gesture")
    clock.now += 2600.0
    assert troubles.due() == ["sms:anna: hangs"]
