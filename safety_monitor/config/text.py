"""Changes the text of a `station.toml` to other values, and leaves everything else in it as people wrote it. Pure.

A value is changed where it stands, a new one takes the place of its line that is commented out, or stands at the end
of its table. Every step is checked by reading the text again; what cannot be done line by line is left to tomlkit,
which may move a comment, and what that cannot do either is refused.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import tomlkit

from safety_monitor.config.mistakes import in_words

Path = tuple[str | int, ...]
"""Keys, and places in lists of tables."""
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(#.*)?$")
_COMMENTED_HEADER = re.compile(r"^\s*#\s*\[")


class TextError(Exception):
    """The text cannot be changed like that; one line says so."""


def changed(text: str, values: Mapping[str, Any]) -> str:
    """The text with these values and no others.

    Args:
        text: TOML.
        values: of the whole file, nested like it.

    Raises:
        TextError: it cannot be done without touching what has not changed.
    """
    present = tomllib.loads(text)
    for step in list(_steps(present, dict(values), ())):
        present = _done(present, step)
        text = _written(text, step, present)
    if present != values:
        raise TextError("the file is written in a way that cannot be changed from here; change it by hand")
    return text


@dataclass(frozen=True, slots=True)
class _Step:
    """One change: `value` is put at `path`; None takes away what is there."""

    path: Path
    value: Any = None


def _steps(old: dict[str, Any], new: dict[str, Any], path: Path) -> Iterator[_Step]:
    """The changes from one table to another: in place first, then what goes, the last first, then what comes."""
    for key in old.keys() & new.keys():
        here = (*path, key)
        before, after = old[key], new[key]
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _steps(before, after, here)
        elif _is_tables(before) and _is_tables(after):
            yield from _list_steps(before, after, here)
        elif before != after:
            yield _Step(here, after)
    for key in old:
        if key not in new:
            yield _Step((*path, key))
    for key, value in new.items():
        if key not in old:
            yield _Step((*path, key), value)


def _list_steps(old: list[dict[str, Any]], new: list[dict[str, Any]], path: Path) -> Iterator[_Step]:
    pairs, gone = _aligned(old, new)
    for before, after in pairs:
        yield from _steps(old[before], new[after], (*path, before))
    if len(gone) == len(old) and not new:
        yield _Step(path)
        return
    for place in reversed(gone):
        yield _Step((*path, place))
    for place in range(len(pairs), len(new)):
        yield _Step((*path, place), new[place])


def _aligned(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> tuple[list[tuple[int, int]], list[int]]:
    """Which old tables become which new ones, and which go; what is left of the new ones comes after all others."""
    matcher = SequenceMatcher(None, [repr(each) for each in old], [repr(each) for each in new], autojunk=False)
    pairs: list[tuple[int, int]] = []
    for kind, first, last, to_first, to_last in matcher.get_opcodes():
        count = min(last - first, to_last - to_first)
        if (kind == "insert" or to_last - to_first > count) and to_last != len(new):
            count = min(len(old), len(new))
            return [(place, place) for place in range(count)], list(range(count, len(old)))
        pairs += zip(range(first, first + count), range(to_first, to_first + count), strict=True)
    kept = {before for before, _ in pairs}
    return pairs, [place for place in range(len(old)) if place not in kept]


def _done(values: dict[str, Any], step: _Step) -> dict[str, Any]:
    """The values after a step."""
    values = deepcopy(values)
    _put(values, step)
    return values


def _put(root: Any, step: _Step) -> None:
    for key in step.path[:-1]:
        root = root[key]
    last = step.path[-1]
    if step.value is None:
        del root[last]
    elif isinstance(last, int):
        root.append(step.value)
    else:
        root[last] = step.value


def _written(text: str, step: _Step, wanted: dict[str, Any]) -> str:
    """The text after a step: line by line where that comes out right, else by tomlkit."""
    tries = (
        [_by_tomlkit, _by_lines] if step.value is not None and _exists(text, step.path) else [_by_lines, _by_tomlkit]
    )
    for attempt in tries:
        try:
            result = attempt(text, step)
            if tomllib.loads(result) == wanted:
                return result
        except (ValueError, KeyError, IndexError, TypeError, tomlkit.exceptions.TOMLKitError):
            continue
    raise TextError(f"{in_words(step.path)}: cannot be changed from here; change it in the file")


def _exists(text: str, path: Path) -> bool:
    value: Any = tomllib.loads(text)
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _by_tomlkit(text: str, step: _Step) -> str:
    document = tomlkit.parse(text)
    _put(document, _Step(step.path, tomlkit.item(step.value) if step.value is not None else None))
    return tomlkit.dumps(document)


@dataclass(frozen=True, slots=True)
class _Block:
    """A table's lines from its header on, up to the next header; `path` says which table."""

    path: Path
    first: int
    last: int


def _blocks(lines: list[str]) -> list[_Block]:
    headers: list[tuple[Path, int]] = [((), -1)]
    counts: dict[Path, int] = {}
    for number, line in enumerate(lines):
        match = _HEADER.match(line)
        if match is None:
            continue
        path: Path = ()
        names = [name.strip().strip("\"'") for name in match[2].split(".")]
        for place, name in enumerate(names):
            path = (*path, name)
            if match[1] == "[[" and place == len(names) - 1:
                counts[path] = counts.get(path, -1) + 1
            if path in counts:
                path = (*path, counts[path])
        headers.append((path, number))
    ends = [number for _, number in headers[1:]] + [len(lines)]
    return [_Block(path, first, last) for (path, first), last in zip(headers, ends, strict=True)]


def _end(lines: list[str], first: int, last: int) -> int:
    """Where a table's own lines end: what stands below them, blank or commented, belongs to what follows."""
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith("#")):
        last -= 1
    return last


def _by_lines(text: str, step: _Step) -> str:
    lines = text.splitlines()
    blocks = _blocks(lines)
    mine = [block for block in blocks if block.path[: len(step.path)] == step.path]
    if step.value is None:
        if mine:
            for block in reversed(mine):
                del lines[block.first : _end(lines, block.first, block.last)]
            return _joined(lines)
        raise ValueError  # a plain value: tomlkit takes it away
    if isinstance(step.value, dict) or _is_tables(step.value):
        return _with_table(lines, blocks, step)
    (block,) = [block for block in blocks if block.path == step.path[:-1]]
    _insert(lines, block, str(step.path[-1]), step.value)
    return _joined(lines)


def _insert(lines: list[str], block: _Block, key: str, value: Any) -> None:
    """Put a new value into a table: in place of its commented line, or at the end."""
    line = f"{key} = {tomlkit.item(value).as_string()}"
    commented = re.compile(rf"^\s*#\s*{re.escape(key)}\s*=")
    for number in range(block.first + 1, block.last):
        if _COMMENTED_HEADER.match(lines[number]):
            break
        if commented.match(lines[number]):
            lines[number] = line
            return
    lines.insert(_end(lines, block.first, block.last), line)


def _with_table(lines: list[str], blocks: list[_Block], step: _Step) -> str:
    """With a new table: where its header is commented out, after the others of its list, or at the end."""
    names = [each for each in step.path if isinstance(each, str)]
    value = [step.value] if isinstance(step.path[-1], int) else step.value
    if isinstance(value, dict) and not any(isinstance(each, dict) or _is_tables(each) for each in value.values()):
        header = re.compile(rf"^\s*#\s*\[{re.escape('.'.join(names))}\]")
        for number, line in enumerate(lines):
            if header.match(line):
                lines[number] = f"[{'.'.join(names)}]"
                for key, each in value.items():
                    (block,) = [block for block in _blocks(lines) if block.path == step.path]
                    _insert(lines, block, key, each)
                return _joined(lines)
    nested: Any = value
    for name in reversed(names):
        nested = {name: nested}
    new = tomlkit.dumps(nested).strip("\n").splitlines()
    new = (
        new[next(number for number, line in enumerate(new) if line.lstrip().startswith("[")) :]
        if value
        else [f"[{'.'.join(names)}]"]
    )
    siblings = [block for block in blocks if step.path[:-1] and block.path[: len(step.path) - 1] == step.path[:-1]]
    if siblings:
        place = _end(lines, siblings[-1].first, siblings[-1].last)
        lines[place:place] = ["", *new]
        if place + len(new) + 1 < len(lines) and lines[place + len(new) + 1].strip():
            lines.insert(place + len(new) + 1, "")
    else:
        lines += ["", *new] if lines else new
    return _joined(lines)


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _is_tables(value: Any) -> bool:
    """Whether it is a list of tables."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
