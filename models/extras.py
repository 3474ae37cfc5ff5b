"""Packages that only some of what the program does needs, such as training, and how to install them."""

import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "requirements-test.txt"
"""Their versions that were tried together with those of the station."""


def installing(extra: str) -> str:
    """What somebody types in a terminal, in any folder, to install the packages of an extra of `pyproject.toml`.

    In the versions of the lock: a newer one might put others in place of what the station was tried with.
    """
    pip = Path(sys.executable).with_name("pip")
    return shlex.join([str(pip), "install", "-c", str(LOCKED), "-e", f"{ROOT}[{extra}]"])
