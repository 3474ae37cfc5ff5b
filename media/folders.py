"""What lies in a folder that somebody names."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path


def files_in(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Files with these endings (in small letters) in a folder and those below it, by name; what is hidden is left out.

    A Mac leaves ._x.wav beside x.wav, and a trash is a folder, too. A link to a folder is looked into as well:
    recordings of years may lie on another disk. Whatever is linked to, none is looked into twice.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        here = os.path.realpath(place)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        # What is no link first: a folder that lies here is known by its own name, not by that of a link to it.
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".")),
            key=lambda name: (os.path.islink(os.path.join(place, name)), name),
        )
        found += (Path(place, name) for name in names if not name.startswith("."))
    for path in sorted(found):
        if path.suffix.lower() in suffixes and path.is_file():
            yield path
