"""What can stand in a row of the journal. A damaged file may hold anything: what means nothing is found here, and put
right as far as it can be."""

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from safety_monitor.delivery import DeliveryState, Turn
from safety_monitor.escalation import Kind, Nature
from safety_monitor.incident import Mark, Sense, State


def _one_of(values: Iterable[object]) -> str:
    return f"{{0}} IN ({', '.join(repr(value) for value in values)})"


def _or_nothing(condition: str) -> str:
    return f"{{0}} IS NULL OR {condition}"


_DAY = "-".join(["[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2])
_MOMENT = f"{{0}} GLOB '{_DAY}T*' AND datetime({{0}}) IS NOT NULL"
_NUMBER = "typeof({0}) IN ('integer', 'real')"
_WHOLE = "typeof({0}) = 'integer'"
_LIST = "CASE WHEN json_valid({0}) THEN json_type({0}) = 'array' END"
_PIECE = " AND ".join(
    [
        f"coalesce(json_extract(value, '$.sense'), '') {_one_of(map(str, Sense)).removeprefix('{0} ')}",
        "coalesce(json_type(value, '$.label'), '') = 'text'",
        *(f"coalesce(json_type(value, '$.{name}'), '') IN ('integer', 'real')" for name in ("probability", "at_s")),
    ]
)
_NO_PIECE = f"SELECT 1 FROM json_each({{0}}) WHERE NOT CASE type WHEN 'object' THEN {_PIECE} ELSE 0 END"  # noqa: S608
_EVIDENCE = f"CASE WHEN json_valid({{0}}) THEN json_type({{0}}) = 'array' AND NOT EXISTS ({_NO_PIECE}) END"
_NEVER = "'1970-01-01T00:00:00.000+00:00'"
_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
LEFT_OUT = ""
"""In place of a value: the row goes."""

RULES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "incidents": {
        "kind": (_one_of(("alarm", "trouble")), "'alarm'"),
        "state": (_one_of(map(str, State)), f"'{State.CLOSED}'"),
        "opened_at": (_MOMENT, _NEVER),
        "changed_at": (_MOMENT, _NEVER),
        "at_s": (_NUMBER, "0.0"),
        "confidence": (_NUMBER, "0.0"),
        "senses": (_LIST, "'[]'"),
        "labels": (_LIST, "'[]'"),
        "evidence": (_EVIDENCE, "'[]'"),
    },
    "transitions": {
        "state": (_one_of(map(str, State)), LEFT_OUT),
        "at": (_MOMENT, LEFT_OUT),
        "at_s": (_NUMBER, "0.0"),
        "confidence": (_NUMBER, "0.0"),
    },
    "remarks": {"mark": (_or_nothing(_one_of(map(str, Mark))), "NULL"), "at": (_MOMENT, _NEVER)},
    "deliveries": {
        "kind": (_one_of(get_args(Kind)), LEFT_OUT),
        "nature": (_one_of(map(str, Nature)), LEFT_OUT),
        "due_at": (_or_nothing(_NUMBER), "unixepoch()"),
        "state": (
            _one_of(map(str, DeliveryState)),
            f"CASE WHEN due_at IS NULL THEN '{DeliveryState.FAILED}' ELSE '{DeliveryState.PENDING}' END",
        ),
        "turn": (_one_of(map(int, Turn)), f"{int(Turn.RETRY)}"),
        "version": (_WHOLE, "1"),
        "attempts": (_WHOLE, "0"),
        "asked_at": (_NUMBER, "unixepoch()"),
        "sent_at": (_or_nothing(_NUMBER), "NULL"),
        "fallback": (_or_nothing(_LIST), "NULL"),
        "changed_at": (_MOMENT, _NOW),
    },
    "places": {
        "latitude": (_NUMBER, LEFT_OUT),
        "longitude": (_NUMBER, LEFT_OUT),
        "accuracy_m": (_or_nothing(_NUMBER), "NULL"),
    },
}
"""Table -> column -> what is true of it (SQL), and what is taken for its value where it is not, or that the row goes.

What is not known is taken for what harms least: an incident is over, what may not have been delivered is delivered."""


def searches() -> Iterator[tuple[str, str]]:
    """For each table, the SQL that finds one row that means nothing."""
    for table, columns in RULES.items():
        true = " AND ".join(f"({condition.format(name)})" for name, (condition, _) in columns.items())
        yield table, f"SELECT 1 FROM {table} WHERE NOT coalesce({true}, 0) LIMIT 1"  # noqa: S608  # all ours


def corrections() -> Iterator[str]:
    """The SQL that puts right, or leaves out, all that means nothing."""
    for table, columns in RULES.items():
        for name, (condition, instead) in columns.items():
            change = f"UPDATE {table} SET {name} = {instead}" if instead else f"DELETE FROM {table}"  # noqa: S608
            yield f"{change} WHERE NOT coalesce(({condition.format(name)}), 0)"
