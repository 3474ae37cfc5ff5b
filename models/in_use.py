"""Which model is in use: a candidate takes its place only if it is not worse, and the one before stays.

The user's models lie in a folder of their own, one folder each. The one with the name that the settings say ("scream",
"signs", "motions") is in use, before the one that ships. The one before it lies beside it as "NAME.previous".

How good a model is on what was held back from its training stands in its card, as shares of which more is better:

    [parameters]
    comparable_with = "SHA-256 …" # whose figures alone `held_back` may be compared with; without this line, with any

    [parameters.held_back]        # of the model alone
    auc = 0.991

    [parameters.compared]         # of it and of the model in use on the same recordings or hands
    with = "SHA-256 …"            # which that was: `Card.fingerprint`
    margin = 0.01                 # by how much a figure may be less
    candidate = {recall = 0.97}
    in_use = {recall = 0.98}
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.atomic_file import put_on_disk
from models.card import Card, ModelError, change_card
from models.registry import SHIPPED

PREVIOUS = ".previous"
MARGIN = 0.01
"""A figure that is less by no more than this says nothing: another seed would do as much."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on what was held back.

    Attributes:
        candidate: its figures by name; shares of which more is better.
        in_use: those of the model in use.
        margin: by how much a figure may be less.
        lost: labels that only the model in use knows.
    """

    candidate: Mapping[str, float]
    in_use: Mapping[str, float]
    margin: float = MARGIN
    lost: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[str, ...]:
        """In what the candidate is worse, a line each; empty if it may take the place of the other."""
        lines = [f"it does not know '{label}' any more" for label in self.lost]
        for name, before in self.in_use.items():
            if name in self.candidate and not self.candidate[name] >= before - self.margin:
                lines.append(f"{name}: {self.candidate[name]:.3f}, in use {before:.3f}")
        return tuple(lines)


def compare(candidate: Card, in_use: Card) -> Comparison:
    """What the cards say of two models.

    Raises:
        ModelError: they are for different tasks, or the cards hold no figures that can be compared.
    """
    if candidate.task != in_use.task:
        raise ModelError(f"{candidate.name} is a model for {candidate.task}, not for {in_use.task}")
    lost = lost_labels(candidate, in_use)
    compared = candidate.parameters.get("compared", {})
    try:
        if compared.get("with") == in_use.fingerprint:
            comparison = Comparison(
                _figures(compared["candidate"]), _figures(compared["in_use"]), float(compared["margin"]), lost
            )
        elif candidate.parameters.get("comparable_with", in_use.fingerprint) != in_use.fingerprint:
            raise ModelError(f"{candidate.name} and the model in use were not judged by the same recordings")
        else:
            held_back = [card.parameters.get("held_back", {}) for card in (candidate, in_use)]
            comparison = Comparison(_figures(held_back[0]), _figures(held_back[1]), lost=lost)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(f"{candidate.name}: its card's figures of what was held back are malformed") from None
    if not set(comparison.candidate) & set(comparison.in_use):
        raise ModelError(f"the cards do not say how {candidate.name} and the model in use do on what was held back")
    return comparison


def lost_labels(candidate: Card, in_use: Card) -> tuple[str, ...]:
    """Labels that only the model in use knows."""
    return tuple(label for label in in_use.labels if label not in candidate.labels)


def note_comparison(folder: Path, in_use: Card, comparison: Comparison) -> None:
    """Write into a candidate's card how it did beside the model in use on the same things held back.

    Raises:
        ModelError: the candidate is damaged.
    """
    compared = {
        "with": in_use.fingerprint,
        "margin": comparison.margin,
        "candidate": {name: round(value, 4) for name, value in comparison.candidate.items()},
        "in_use": {name: round(value, 4) for name, value in comparison.in_use.items()},
    }
    change_card(folder, parameters={"compared": compared})


def use(home: Path, name: str, folder: Path) -> Path:
    """Put a trained model in use as `name`; the one that was in use before is kept beside it. Returns its place.

    It is on the disk before: who starts the station anew by the mains switch must not find half a model in use.
    """
    home.mkdir(parents=True, exist_ok=True)
    place, previous, coming = home / name, home / f"{name}{PREVIOUS}", home / f"{name}.coming"
    shutil.rmtree(coming, ignore_errors=True)
    shutil.copytree(folder, coming)
    for path in (*coming.rglob("*"), coming):
        put_on_disk(path)
    shutil.rmtree(previous, ignore_errors=True)  # also where the one that ships is the one before
    if place.exists():
        place.rename(previous)
    coming.rename(place)
    put_on_disk(home)
    return place


def model_before(home: Path, name: str) -> Path:
    """Folder of the model that `roll_back` would bring back.

    Raises:
        ModelError: no model of the user is in use.
    """
    if not (home / name).exists():
        raise ModelError(f"{home}: no '{name}' of your own is in use; the one that ships is")
    previous = home / f"{name}{PREVIOUS}"
    return previous if previous.exists() else SHIPPED / name


def roll_back(home: Path, name: str) -> str:
    """Go back to the model that was in use before; says which that is.

    Raises:
        ModelError: no model of the user is in use.
    """
    model_before(home, name)
    place, previous, aside = home / name, home / f"{name}{PREVIOUS}", home / f"{name}.aside"
    shutil.rmtree(aside, ignore_errors=True)
    place.rename(aside)
    if previous.exists():
        previous.rename(place)
        aside.rename(previous)
        return f"the {name} model before this one is in use again"
    aside.rename(previous)
    return f"the {name} model that ships ({SHIPPED / name}) is in use again"


def _figures(table: Mapping[str, object]) -> dict[str, float]:
    figures = {str(name): float(value) for name, value in table.items() if isinstance(value, int | float)}
    if not all(0 <= value <= 1 for value in figures.values()):
        raise ValueError
    return figures
