"""Where models are found: the user's own folder first, then the ones that ship beside this file."""

from dataclasses import dataclass
from pathlib import Path

from models.card import Card, ModelError, read_card

SHIPPED = Path(__file__).resolve().parent


def find(name: str, home: Path | None = None) -> Path:
    """The folder of a model.

    Args:
        name: a model's name, or a path to its folder.
        home: a folder with further models, looked at before the shipped ones.

    Raises:
        ModelError: there is no such model, and the text names those there are; or a folder cannot be looked into.
    """
    places = [place for place in (home, SHIPPED) if place is not None]
    named = [place / name for place in places] if "/" not in name else []
    candidates = [*named, Path(name)]
    for folder in candidates:
        try:
            if (folder / "card.md").is_file():
                return folder
        except OSError as error:
            raise ModelError(f"{folder}: cannot be looked into: {error.strerror}") from None
    known = ", ".join(available(home)) or "none"
    raise ModelError(f"no model '{name}'; known models: {known}")


def available(home: Path | None = None) -> tuple[str, ...]:
    """Names of all models that can be found, sorted."""
    places = [place for place in (home, SHIPPED) if place is not None and place.is_dir()]
    return tuple(sorted({card.parent.name for place in places for card in place.glob("*/card.md")}))


def open_card(name: str, *, task: str, home: Path | None = None) -> tuple[Path, Card]:
    """Folder and checked card of a model that must do `task`.

    Raises:
        ModelError: no such model, a damaged one, or one made for another task.
    """
    folder = find(name, home)
    card = read_card(folder)
    if card.task != task:
        raise ModelError(f"{folder}: is a model for {card.task}, not for {task}")
    return folder, card


@dataclass(frozen=True, slots=True)
class Installed:
    """A model that is there.

    Attributes:
        folder: where.
        card: None if it cannot be used.
        problem: why not, one line; empty if it can.
    """

    folder: Path
    card: Card | None
    problem: str = ""

    @property
    def shipped(self) -> bool:
        """Whether it came with the program."""
        return self.folder.parent == SHIPPED


def installed(home: Path | None = None) -> tuple[Installed, ...]:
    """Every model that is there, the user's own first."""
    found = []
    for place in (home, SHIPPED):
        for file in sorted(place.glob("*/card.md")) if place is not None and place.is_dir() else ():
            try:
                found.append(Installed(file.parent, read_card(file.parent)))
            except ModelError as error:
                found.append(Installed(file.parent, None, str(error)))
    return tuple(found)
