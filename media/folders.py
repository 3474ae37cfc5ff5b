"""What lies in a folder that somebody names."""

from collections.abc import Collection, Iterator
from pathlib import Path


def files_in(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Files with these endings (in small letters) in a folder and those below it, by name; what is hidden is left out.

    A Mac leaves ._x.wav beside x.wav, and a trash is a folder, too.
    """
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in suffixes and path.is_file() and not hidden:
            yield path
