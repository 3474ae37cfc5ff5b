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


_TEXT = "typeof({0}) = 'text'"
_MOMENT = (  # SQLite reads the 31st of February as well
    "{0} GLOB '[12]*' AND strftime('%Y-%m-%dT%H:%M', {0}, '+0 days') = substr({0}, 1, 16)"
    " AND ltrim(substr({0}, 17), ':.0123456789') = '+00:00'"
)


def _number(least: float, most: float) -> str:
    """A number, and no other than can be."""
    return f"typeof({{0}}) IN ('integer', 'real') AND {{0}} BETWEEN {least} AND {most}"


_SECONDS, _TIME, _SHARE = _number(-1e12, 1e12), _number(0.0, 1e11), _number(0.0, 1.0)
_WHOLE = "typeof({0}) = 'integer' AND {0} BETWEEN 0 AND 1000000000"
_FLAG = "{0} IN (0, 1)"
_WORDS = (
    "CASE WHEN json_valid({0}) THEN json_type({0}) = 'array'"
    " AND NOT EXISTS (SELECT 1 FROM json_each({0}) WHERE type != 'text') END"
)
_NO_TEXT = "GLOB '*[\ufffd]*'"
"""What SQLite reads where bytes are no text."""
_PIECE = " AND ".join(
    [
        f"coalesce(json_extract(piece.value, '$.sense'), '') {_one_of(map(str, Sense)).removeprefix('{0} ')}",
        "coalesce(json_type(piece.value, '$.label'), '') = 'text'",
        f"json_extract(piece.value, '$.label') NOT {_NO_TEXT}",
        *(
            f"coalesce(json_type(piece.value, '$.{name}'), '') IN ('integer', 'real')"
            f" AND json_extract(piece.value, '$.{name}') BETWEEN {least} AND {most}"
            for name, least, most in (("probability", 0.0, 1.0), ("at_s", -1e12, 1e12))
        ),
        "(SELECT count(*) FROM json_each(piece.value)) = 4",
    ]
)
_NO_PIECE = f"SELECT 1 FROM json_each({{0}}) AS piece WHERE NOT CASE piece.type WHEN 'object' THEN {_PIECE} ELSE 0 END"  # noqa: S608
_EVIDENCE = f"CASE WHEN json_valid({{0}}) THEN json_type({{0}}) = 'array' AND NOT EXISTS ({_NO_PIECE}) END"
_NEVER = "'1970-01-01T00:00:00.000+00:00'"
_NOW = "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"
LEFT_OUT = ""
"""In place of a value: the row goes."""


def _texts(*names: str) -> dict[str, tuple[str, str]]:
    """Columns that may hold any text; what else there may be is text once a journal was saved."""
    return {f'"{name}"': (_TEXT, f'CAST("{name}" AS TEXT)') for name in names}


RULES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "incidents": {
        "kind": (_one_of(("alarm", "trouble")), "'alarm'"),
        "state": (_one_of(map(str, State)), f"'{State.CLOSED}'"),
        "opened_at": (_MOMENT, _NEVER),
        "changed_at": (_MOMENT, _NEVER),
        "at_s": (_SECONDS, "0.0"),
        "confidence": (_SHARE, "0.0"),
        "senses": (_WORDS, "'[]'"),
        "labels": (_WORDS, "'[]'"),
        "evidence": (_EVIDENCE, "'[]'"),
        "silent": (_FLAG, "0"),
        "duress": (_FLAG, "0"),
        **_texts("id", "reason", "source"),
    },
    "transitions": {
        "state": (_one_of(map(str, State)), LEFT_OUT),
        "at": (_MOMENT, LEFT_OUT),
        "at_s": (_SECONDS, "0.0"),
        "confidence": (_SHARE, "0.0"),
        **_texts("reason", "by"),
    },
    "remarks": {
        "mark": (_or_nothing(_one_of(map(str, Mark))), "NULL"),
        "at": (_MOMENT, _NEVER),
        **_texts("text", "by"),
    },
    "deliveries": {
        "kind": (_one_of(get_args(Kind)), LEFT_OUT),
        "nature": (_one_of(map(str, Nature)), LEFT_OUT),
        "due_at": (_or_nothing(_TIME), "unixepoch()"),
        "state": (
            _one_of(map(str, DeliveryState)),
            f"CASE WHEN due_at IS NULL THEN '{DeliveryState.FAILED}' ELSE '{DeliveryState.PENDING}' END",
        ),
        "turn": (_one_of(map(int, Turn)), f"{int(Turn.RETRY)}"),
        "version": (_WHOLE, "1"),
        "attempts": (_WHOLE, "0"),
        "asked_at": (_TIME, "unixepoch()"),
        "sent_at": (_or_nothing(_TIME), "NULL"),
        "fallback": (_or_nothing(_WORDS), "NULL"),
        "changed_at": (_MOMENT, _NOW),
        "waits": (_FLAG, "0"),
        "covert": (_FLAG, "(SELECT duress FROM incidents WHERE id = incident_id)"),
        "key": (f"{_TEXT} AND {{0}} NOT {_NO_TEXT}", "printf('%s:%s:%s:x%d', incident_id, channel, kind, rowid)"),
        **_texts("channel", "detail", "reference"),
    },
    "places": {
        "latitude": (_number(-90.0, 90.0), LEFT_OUT),
        "longitude": (_number(-180.0, 180.0), LEFT_OUT),
        "accuracy_m": (_or_nothing(_number(0.0, 1e9)), "NULL"),
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
