"""Deliveries asked for, and let go, in the transaction that writes what they are about."""

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from safety_monitor.delivery import DeliveryState, Turn
from safety_monitor.escalation import Kind, Nature, Planned, delivery_key
from safety_monitor.journal.covert import TWINS, called_off
from safety_monitor.journal.tables import DeliveryRow, IncidentRow, delivery_of, iso


def ask(
    session: Session,
    incident_id: str,
    deliveries: Iterable[Planned],
    now: float,
    *,
    covert: bool = False,
    begin_sounds: bool = False,
) -> None:
    """Add deliveries; one whose key is there already is not asked for twice. If it waits for longer, that ends earlier.

    With `begin_sounds` they are written as begun: they are made in the same moment, and nothing may come between.
    """
    rows = [
        {
            "key": each.key,
            "incident_id": incident_id,
            "channel": each.channel,
            "nature": each.nature,
            "kind": each.kind,
            "state": DeliveryState.SENDING if begun else DeliveryState.PENDING,
            "turn": Turn.TAKEN if begun else Turn.FRESH,
            "version": 1,
            "waits": each.after_s > 0,
            "covert": covert,
            "attempts": int(begun),
            "asked_at": now + each.after_s,
            "due_at": now + each.after_s,
            "fallback": json.dumps(each.fallback) if each.fallback else None,
            "changed_at": iso(now),
            "detail": "",
            "reference": "",
            "sent_at": None,
        }
        for each in deliveries
        for begun in [begin_sounds and each.immediate]
    ]
    if rows:
        asked = insert(DeliveryRow)
        waits_longer = (DeliveryRow.turn == Turn.FRESH) & (DeliveryRow.due_at > asked.excluded.due_at)
        session.execute(asked.on_conflict_do_update(set_={"due_at": asked.excluded.due_at}, where=waits_longer), rows)


def ask_records(session: Session, incident_id: str, now: float, kind: Kind = "update") -> None:
    """Have the channels that keep a record of the incident write it again."""
    for channel in session.scalars(_reached(incident_id, Nature.RECORD)).all():
        key = delivery_key(incident_id, channel, kind)
        row = session.get(DeliveryRow, key)
        if row is None:
            ask(session, incident_id, [Planned(key, channel, Nature.RECORD, kind)], now, covert=kind == "duress")
        else:
            row.version += 1
            row.state, row.turn, row.attempts = DeliveryState.PENDING, Turn.FRESH, 0
            row.asked_at = row.due_at = now
            row.sent_at, row.detail, row.changed_at = None, "", iso(now)


def ask_told(session: Session, incident_id: str, now: float, kind: Kind) -> None:
    """Have those who were told of an incident told what became of it; what is still to be sent tells the newest."""
    if kind == "duress":
        unsent = DeliveryRow.nature == Nature.MESSAGE, DeliveryRow.kind == "update", DeliveryRow.attempts == 0
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.incident_id == incident_id, *unsent)
            .values(key=func.replace(DeliveryRow.key, ":update", ":duress"), kind="duress", covert=True)
        )
    told = select(DeliveryRow.channel, func.count()).where(
        DeliveryRow.incident_id == incident_id,
        DeliveryRow.nature == Nature.MESSAGE,
        DeliveryRow.attempts > 0,
        DeliveryRow.kind.in_(TWINS),  # counted alike, so that their keys look alike
    )
    before: dict[str, int] = dict(session.execute(told.group_by(DeliveryRow.channel)).all())
    channels = session.scalars(_reached(incident_id, Nature.MESSAGE).where(DeliveryRow.kind == "alarm")).all()
    planned = [
        Planned(delivery_key(incident_id, name, kind, before.get(name, 0)), name, Nature.MESSAGE, kind)
        for name in channels
    ]
    ask(session, incident_id, planned, now, covert=kind == "duress")


def _reached(incident_id: str, nature: Nature) -> Select[str]:
    """The channels on which an incident was told, or is told without waiting for an answer."""
    return (
        select(DeliveryRow.channel)
        .where(
            DeliveryRow.incident_id == incident_id,
            DeliveryRow.nature == nature,
            DeliveryRow.waits.is_(False) | (DeliveryRow.attempts > 0),
        )
        .distinct()
    )


def unfinished(session: Session, incident_id: str) -> Sequence[DeliveryRow]:
    """What is still to be done about an incident."""
    return session.scalars(
        select(DeliveryRow).where(DeliveryRow.incident_id == incident_id, DeliveryRow.due_at.is_not(None))
    ).all()


def end_trouble(session: Session, about: str, now: float) -> None:
    """A part of the station works again: the steps that wait because it failed are not needed any more."""
    of_part = or_(*(IncidentRow.reason.startswith(f"{about}{then}", autoescape=True) for then in (": ", " failed: ")))
    waiting = DeliveryRow.due_at.is_not(None), DeliveryRow.waits, DeliveryRow.turn == Turn.FRESH
    rows = select(DeliveryRow).join(IncidentRow, IncidentRow.id == DeliveryRow.incident_id)
    for row in session.scalars(rows.where(IncidentRow.kind == "trouble", of_part, *waiting)).all():
        answer(row, iso(now))


def answer(row: DeliveryRow, at: str) -> None:
    """A step that waits is not needed any more; one that was handed over stays so, and is not followed any further."""
    shown = called_off(delivery_of(row), row.sent_at, at)
    row.state, row.changed_at, row.detail, row.due_at = shown.state, shown.changed_at, shown.detail, None
