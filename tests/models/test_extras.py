"""What installs the packages of an extra: found from any folder, and in versions that were tried with the station."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from models.extras import installing

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_said_installs_the_packages_of_the_lock(extra: str) -> None:
    pip, install, c, constraints, e, project = shlex.split(installing(extra))
    assert (Path(pip).is_file(), install, c, e, project) == (True, "install", "-c", "-e", f"{ROOT}[{extra}]")
    locked = {line.partition("==")[0].lower() for line in Path(constraints).read_text().splitlines() if "==" in line}
    assert {re.split(r"[>=\[]", package)[0].lower() for package in EXTRAS[extra]} <= locked


def test_the_pages_say_the_same() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    told = re.findall(r"([\w./]*pip install .*)\.\[(\w+)\]", text)
    assert {extra for _, extra in told} <= EXTRAS.keys()
    assert {words for words, _ in told} == {".venv/bin/pip install -c requirements-test.txt -e '"}
