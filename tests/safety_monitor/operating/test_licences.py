"""Every package of the station names its licence, and none is forgotten."""

import json

import pytest
from typer.testing import CliRunner

from safety_monitor.cli import app
from safety_monitor.operating.licences import licences


def test_no_licence_of_what_a_station_needs_is_unknown() -> None:
    found = {each.package.lower(): each for each in licences() if each.needed}
    assert [name for name, each in found.items() if each.licence == "unknown"] == []
    assert {"mediapipe", "numpy", "mysql-connector-python", "starlette", "packaging"} <= found.keys()
    assert "GPL" in found["mysql-connector-python"].licence
    assert not {"tensorflow", "pytest", "safety-monitor"} & found.keys()


@pytest.mark.parametrize(("options", "has_pytest"), [([], False), (["--all"], True)])
def test_the_command_lists_them(options: list[str], has_pytest: bool) -> None:
    result = CliRunner().invoke(app, ["licences", "--json", *options])
    assert result.exit_code == 0
    packages = {json.loads(line)["package"] for line in result.stdout.splitlines()}
    assert ("pytest" in packages) is has_pytest
