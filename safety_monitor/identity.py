"""Who a station is to the world: a name for people, and a UUID that stays when the name changes."""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "station-id"


@dataclass(frozen=True, slots=True)
class Identity:
    """A station among others.

    Attributes:
        id: UUID, made at the first start and kept in the station's home.
        name: as in the settings.
    """

    id: str
    name: str


def identity(home: Path, name: str) -> Identity:
    """Who the station with this home is; at its first start it gets its id.

    Raises:
        OSError: the home cannot be written.
    """
    path = home / FILE_NAME
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError), path.open("x", encoding="ascii") as file:
        file.write(str(uuid.uuid4()))
    try:
        return Identity(str(uuid.UUID(path.read_text(encoding="ascii").strip())), name)
    except ValueError:  # the power went while it was written
        path.write_text(str(uuid.uuid4()), encoding="ascii")
        return Identity(path.read_text(encoding="ascii"), name)
