"""A scream model as an earlier version has made it: whole, and of no use to this one."""

import shutil
from pathlib import Path

from models.card import sha256


def made_earlier(folder: Path) -> None:
    """Make a scream model one of an earlier version: its second opinion asks for other numbers."""
    opinion, card = folder / "recent.tflite", folder / "card.md"
    before = sha256(opinion)
    shutil.copyfile(folder / "head.tflite", opinion)
    card.write_text(card.read_text(encoding="utf-8").replace(before, sha256(opinion)), encoding="utf-8")
