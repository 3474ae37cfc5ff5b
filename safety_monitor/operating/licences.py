"""Under which licences the packages stand that the station is made of, as their own metadata says."""

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURSELVES = "safety-monitor"
LONGEST = 60
"""Characters; a longer entry is the text of the licence, not its name."""


@dataclass(frozen=True, slots=True)
class Licence:
    """One package.

    Attributes:
        package: its name.
        version: that is installed.
        licence: name or SPDX expression; where the metadata has none, which of its files holds it.
        needed: whether a running station needs it; else it is for training, tests or an extra.
    """

    package: str
    version: str
    licence: str
    needed: bool


def licences() -> list[Licence]:
    """Every installed package but this one, by name."""
    needed = set(_needed(OURSELVES, set()))
    found = {
        canonicalize_name(each.metadata["Name"]): each for each in importlib.metadata.distributions() if each.metadata
    }
    return [
        Licence(each.metadata["Name"], each.version, licence_of(each), name in needed)
        for name, each in sorted(found.items())
        if name != OURSELVES
    ]


def _needed(package: str, seen: set[str], extras: frozenset[str] = frozenset()) -> Iterator[str]:
    """Names of all packages that one leads to, itself included."""
    try:
        lines = importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        return
    yield package
    for requirement in map(Requirement, lines):
        name = canonicalize_name(requirement.name)
        applies = [requirement.marker is None or requirement.marker.evaluate({"extra": e}) for e in (*extras, "")]
        if any(applies) and f"{name}{sorted(requirement.extras)}" not in seen:
            seen.add(f"{name}{sorted(requirement.extras)}")
            yield from _needed(name, seen, frozenset(requirement.extras))


def licence_of(package: importlib.metadata.Distribution) -> str:
    """The licence as the metadata names it, in the order in which packaging's standards prefer it."""
    stated = package.metadata
    if "License-Expression" in stated:
        return stated["License-Expression"]
    classes = [
        each.rpartition(" :: ")[2].removesuffix(" License")
        for each in stated.get_all("Classifier", [])
        if each.startswith("License :: ") and not each.endswith(":: OSI Approved")
    ]
    named = stated["License"].strip() if "License" in stated else ""
    if named not in ("", "UNKNOWN") and len(named) <= LONGEST and "\n" not in named:
        return named
    if classes:
        return ", ".join(classes)
    files = [file.name for file in package.files or () if file.name.upper().startswith(("LICEN", "COPYING"))]
    return f"see {files[0]}" if files else "unknown"
