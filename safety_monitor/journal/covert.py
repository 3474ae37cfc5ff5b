"""Deliveries as people may see them: whoever forces somebody to call an incident off must not learn that help comes."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from safety_monitor.delivery import Delivery, DeliveryState
from safety_monitor.journal.tables import DeliveryRow, IncidentRow, delivery_of, iso

NOT_FOLLOWED = "handed over before somebody answered"
TWINS = ("update", "duress")
"""Kinds of deliveries of which people see one, see `row_shown`."""
VISIBLE = DeliveryRow.covert.is_(False) | (
    (DeliveryRow.kind == "duress")
    & DeliveryRow.incident_id.in_(select(IncidentRow.id).where(IncidentRow.kind == "alarm"))
)
"""What people may see, if not as what it is: that help is called under duress looks as if it were called off."""


def row_shown(session: Session, key: str) -> DeliveryRow | None:
    """The row that people see under a key: of an update and a call for help under duress the newer one."""
    head, _, repeat = key.rpartition(":update")
    rows = [session.get(DeliveryRow, each) for each in (key, f"{head}:duress{repeat}")]
    seen = [row for row in rows if row is not None and (not row.covert or (row.kind == "duress" and row.key != key))]
    return max(seen, key=lambda row: row.asked_at, default=None)


def shown(row: DeliveryRow) -> Delivery:
    """A delivery as people see it, who must not learn that somebody is being forced."""
    return called_off(delivery_of(row), row.sent_at, row.changed_at) if row.covert else delivery_of(row)


def called_off(delivery: Delivery, sent_at: float | None, at: str) -> Delivery:
    """What a covert delivery would look like, had the incident really been called off.

    Args:
        delivery: as it is.
        sent_at: when it was handed over, seconds since 1970; None: it was not.
        at: when somebody answered.
    """
    if delivery.kind == "alarm" and sent_at is not None and iso(sent_at) <= at:
        sent = iso(sent_at)
        return replace(
            delivery, state=DeliveryState.SENT, attempts=1, changed_at=sent, due_at=None, detail=NOT_FOLLOWED
        )
    if delivery.kind == "duress":
        head, _, repeat = delivery.key.rpartition(":duress")
        return replace(delivery, key=f"{head}:update{repeat}", kind="update")
    return replace(delivery, state=DeliveryState.DROPPED, attempts=0, changed_at=at, due_at=None, detail="")


def overt(rows: Iterable[DeliveryRow], answered_at: str) -> tuple[Delivery, ...]:
    """Deliveries as they would look if nobody were being forced: each record has one of what came of it, the newest."""
    by_key: dict[str, Delivery] = {}
    for row in rows:
        if row.covert and row.kind == "alarm" and not row.waits:
            continue  # asked for since, in place of one that failed: there would be none
        each = called_off(delivery_of(row), row.sent_at, answered_at) if row.covert else delivery_of(row)
        by_key.pop(each.key, None)
        by_key[each.key] = each
    return tuple(by_key.values())
