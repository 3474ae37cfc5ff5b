"""The card of a model: what it is, which files it has, and where it came from.

A model is a folder with `card.md`, `labels.csv` and the model file. The card opens with a TOML block between two
lines of `+++`; what follows is prose for people. The TOML names every file of the model with its SHA-256.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit

FENCE = "+++"


class ModelError(Exception):
    """A model that cannot be used; the text is one line that says what is wrong."""


@dataclass(frozen=True, slots=True)
class Card:
    """What the program needs to know of a model folder.

    Attributes:
        name: the folder's name.
        task: what it decides: "scream", "signs" or "motions".
        format: "tflite" or "skops".
        labels: in the order of the model's outputs.
        files: file name -> SHA-256 in hex, `labels.csv` included.
        parameters: numbers the code around the model must know (window, hop, calibration, threshold …).
        prose: the text below the TOML block.
    """

    name: str
    task: str
    format: str
    labels: tuple[str, ...]
    files: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    prose: str = ""

    @property
    def fingerprint(self) -> str:
        """The same for the same files, whatever the folder is called: SHA-256 in hex."""
        return hashlib.sha256(
            "".join(f"{name} {self.files[name]}\n" for name in sorted(self.files)).encode()
        ).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels of a `labels.csv`: the first column of each row; a byte order mark and blank lines are skipped.

    Raises:
        ModelError: the file is missing, is not UTF-8, names a label twice, or one that cannot be printed.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: labels cannot be read: {getattr(error, 'strerror', None) or error}") from None
    labels = tuple(line.split(",")[0].strip() for line in lines if line.strip())
    if len(set(labels)) != len(labels) or not labels:
        raise ModelError(f"{path}: needs at least one label, each of them once")
    if not all(map(str.isprintable, labels)):  # they are shown in terminals
        raise ModelError(f"{path}: a label holds what cannot be printed")
    return labels


def read_card(folder: Path) -> Card:
    """The card of a model folder, every file's SHA-256 checked.

    Raises:
        ModelError: no card, a malformed card, a missing file, or a file that is not the one the card describes.
    """
    path = folder / "card.md"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ModelError(f"{folder}: not a model: card.md is missing or unreadable") from None
    parts = text.split(FENCE + "\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise ModelError(f"{path}: must open with a TOML block between two lines of {FENCE}")
    try:
        head = tomllib.loads(parts[1])
        files = {str(name): str(digest) for name, digest in head["files"].items()}
        task, model_format = str(head["task"]), str(head["format"])
        parameters = head.get("parameters", {})
        if not isinstance(parameters, dict):
            raise KeyError("parameters")
    except (tomllib.TOMLDecodeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: malformed: {error}") from None
    for name, digest in files.items():
        file = folder / name
        if Path(name).name != name:
            raise ModelError(f"{path}: '{name}' is not a plain file name")
        try:
            if not file.is_file():
                raise ModelError(f"{folder}: {name} is missing")
            differs = sha256(file) != digest
        except OSError as error:  # a disk that dies, or whoever put it there keeps it to himself
            raise ModelError(f"{file}: cannot be read: {error.strerror}") from None
        if differs:
            raise ModelError(f"{folder}: {name} is not the file that its card describes (SHA-256 differs)")
    if "labels.csv" not in files:
        raise ModelError(f"{path}: names no labels.csv")
    return Card(
        name=folder.name,
        task=task,
        format=model_format,
        labels=read_labels(folder / "labels.csv"),
        files=files,
        parameters=parameters,
        prose=parts[2].strip(),
    )


def write_card(
    folder: Path,
    *,
    task: str,
    model_format: str,
    labels: tuple[str, ...],
    parameters: Mapping[str, Any],
    prose: str,
) -> Card:
    """Write `labels.csv` and `card.md` for the model files that lie in `folder`; returns the card as read back.

    Every file in the folder whose name does not end in .md or .png becomes part of the model and is hashed.
    """
    (folder / "labels.csv").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    head: dict[str, Any] = {
        "task": task,
        "format": model_format,
        "files": {
            file.name: sha256(file)
            for file in sorted(folder.iterdir())
            if file.is_file() and file.suffix not in {".md", ".png"}
        },
        "parameters": dict(parameters),
    }
    (folder / "card.md").write_text(f"{FENCE}\n{tomlkit.dumps(head)}{FENCE}\n\n{prose.strip()}\n", encoding="utf-8")
    return read_card(folder)


def change_card(
    folder: Path, *, labels: tuple[str, ...] | None = None, parameters: Mapping[str, Any] | None = None
) -> Card:
    """Write the card of a model anew with other labels or further parameters; returns it as read back.

    Raises:
        ModelError: the model is damaged.
    """
    card = read_card(folder)
    return write_card(
        folder,
        task=card.task,
        model_format=card.format,
        labels=labels or card.labels,
        parameters={**card.parameters, **(parameters or {})},
        prose=card.prose,
    )
