"""What becomes of a delivery, now that this came of an attempt. Pure: no thread, no clock, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState, Job, Result, Turn
from safety_monitor.escalation import Kind, Nature, Planned, delivery_key

FOLLOW_FIRST_S, FOLLOW_LONGEST_S = 2.0, 60.0
"""Waits between two looks at whether a message has arrived."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long and how often deliveries are tried; all in seconds, see `OutboxSettings`."""

    first_wait_s: float = 2.0
    longest_wait_s: float = 300.0
    fallback_after_s: float = 60.0
    give_up_messages_s: float = 86_400.0
    give_up_records_s: float = 2_592_000.0
    follow_s: float = 3_600.0


def back_off(attempts: int, waits: Waits, chance: float) -> float:
    """Seconds to wait after so many attempts that failed: doubling, up to the longest, give or take a quarter.

    Args:
        attempts: at least 1.
        waits: the first and the longest.
        chance: evenly distributed in 0..1.
    """
    doubled = waits.first_wait_s * 2.0 ** min(attempts - 1, 40)
    return min(doubled, waits.longest_wait_s) * (0.75 + 0.5 * chance)


def settle(
    job: Job, outcome: Outcome | None, *, nature: Nature, waits: Waits, follows: bool, now: float, chance: float
) -> Result:
    """What becomes of a job, now that this came of it. Pure.

    Args:
        job: as it was before.
        outcome: of the attempt or of following it; None if it is not yet known whether it arrived.
        nature: of the channel.
        waits: the numbers.
        follows: whether the channel's far end says later whether it arrived.
        now: seconds since 1970.
        chance: for the jitter, 0..1.
    """
    following = job.turn is Turn.FOLLOW
    if outcome is None or (outcome.ok and not outcome.delivered):
        detail = outcome.detail if outcome else "handed over; not yet known whether it arrived"
        reference = outcome.reference if outcome else ""
        since = now - (job.sent_at if following and job.sent_at is not None else now)
        if not follows or not (reference or job.reference) or (following and outcome is not None):
            return Result(job.key, job.version, DeliveryState.SENT, detail, None, reference)
        if since > waits.follow_s:
            return Result(job.key, job.version, DeliveryState.SENT, "handed over; it is not known whether it arrived")
        due_at = now + min(max(since / 2, FOLLOW_FIRST_S), FOLLOW_LONGEST_S)
        return Result(job.key, job.version, DeliveryState.SENT, detail, due_at, reference)
    if outcome.ok:
        return Result(job.key, job.version, DeliveryState.DELIVERED, outcome.detail, None, outcome.reference)
    attempts = job.attempts + (not following)
    held = job.turn is Turn.HELD
    # Whoever asks for a day may be back in a minute, or its clock be wrong, or ours: no emergency waits for that.
    asked_s = min(outcome.retry_after_s or 0.0, waits.longest_wait_s)
    due_at = now + max(back_off(max(attempts, 1), waits, chance), asked_s)
    give_up_s = waits.give_up_records_s if nature is Nature.RECORD else waits.give_up_messages_s
    if outcome.again and due_at <= job.asked_at + give_up_s:
        return Result(job.key, job.version, DeliveryState.PENDING, outcome.detail, due_at, outcome.reference, held=held)
    detail = f"{outcome.detail}; given up after {attempts} attempts" if outcome.again else outcome.detail
    return Result(job.key, job.version, DeliveryState.FAILED, detail, None, outcome.reference)


def instead_of(job: Job, natures: Mapping[str, Nature]) -> tuple[Planned, ...]:
    """The deliveries to make because a job failed; one that was asked for already is not made twice.

    What nobody where the station stands must notice makes no sound there.
    """
    kind: Kind = "alarm" if job.kind == "duress" else job.kind  # is told as what it is, and must not look like it
    return tuple(
        Planned(delivery_key(job.incident.id, name, kind), name, natures[name], kind)
        for name in job.fallback
        if name in natures and not (natures[name] is Nature.SOUND and (job.hidden or job.kind == "duress"))
    )
