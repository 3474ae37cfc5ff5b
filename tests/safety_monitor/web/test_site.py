"""What pages make of what the journal holds."""

from datetime import UTC, datetime

from safety_monitor.delivery import Delivery, DeliveryState
from safety_monitor.web.site import NextStep, next_of


def waits(channel: str, due: float, detail: str = "", attempts: int = 0) -> Delivery:
    due_at = datetime.fromtimestamp(due, UTC).isoformat()
    return Delivery(f"1:{channel}", "1", channel, "alarm", DeliveryState.PENDING, attempts, due_at, due_at, detail)


def test_the_next_step_is_what_an_answer_would_spare_somebody() -> None:
    steps = [waits("call:anna", 120.0), waits("call:ben", 120.5), waits("sms:carl", 300.0)]
    held = [waits("sms:anna", 60.0, "held back: quiet hours until 07:00"), waits("mail", 30.0, "no network", 1)]
    assert next_of([*held, *steps], 10.0) == NextStep(120.0, ("call:anna", "call:ben"))
    assert next_of(held, 10.0) is None
