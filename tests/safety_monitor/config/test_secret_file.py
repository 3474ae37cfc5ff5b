"""Secrets are put into `.env` without hurting what stands there, and handed on as systemd reads them."""

import subprocess
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from safety_monitor.config import SettingsError
from safety_monitor.config.secret_file import for_service, secrets_put, with_entries
from safety_monitor.config.sources import load_settings

OLD = "# mine\n\nexport A='1'\nSAFETY_MONITOR_B=\"two\nlines\"\nsafety_monitor_c=3"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"


@pytest.mark.parametrize(
    ("entries", "changes"),
    [
        ({}, {}),
        ({"SAFETY_MONITOR_D": HASH}, {"SAFETY_MONITOR_D": HASH}),
        ({"SAFETY_MONITOR_B": "2"}, {"SAFETY_MONITOR_B": "2"}),
        ({"SAFETY_MONITOR_C": "# no comment"}, {"safety_monitor_c": None, "SAFETY_MONITOR_C": "# no comment"}),
        ({"SAFETY_MONITOR_B": None, "SAFETY_MONITOR_D": None}, {"SAFETY_MONITOR_B": None}),
    ],
)
def test_an_entry_is_put_in_and_all_others_stay(entries: dict[str, str | None], changes: dict[str, str | None]) -> None:
    text = with_entries(OLD, entries)
    wanted = {**dotenv_values(stream=StringIO(OLD)), **changes}
    assert dotenv_values(stream=StringIO(text)) == {name: each for name, each in wanted.items() if each is not None}
    assert text.startswith("# mine\n\nexport A='1'\n")


@pytest.mark.parametrize("before", [None, "A=1\n"])
def test_what_could_not_be_finished_leaves_the_file_as_it_was(before: str | None, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    if before is not None:
        path.write_text(before)

    def interrupted() -> None:
        with secrets_put({"B": "2"}, path):
            assert dotenv_values(path)["B"] == "2"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (path.read_text() if path.exists() else None) == before
    with pytest.raises(SettingsError, match="C: a value with"), secrets_put({"C": "it's"}, path):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ([] if before is None else [".env"])


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"A=1\nSAFETY_MONITOR_ALARM__VOLUME='0.5\n", ".env: line 2 is not written NAME=value, or lacks a quote"),
        ("SAFETY_MONITOR_STATION__NAME=Läden\n".encode("latin-1"), ".env: is not a text in UTF-8"),
        (None, ".env: cannot be read: Too many levels of symbolic links"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    content: bytes | None, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is None:
        Path(".env").symlink_to(".env")
    else:
        Path(".env").write_bytes(content)
    with pytest.raises(SettingsError, match=wrong):
        load_settings()


def test_a_home_that_cannot_be_looked_into_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"station\.toml: cannot be read: File name too long"):
        load_settings(environ={"SAFETY_MONITOR_HOME": 300 * "x"})


def test_systemd_gets_our_variables_alone(tmp_path: Path) -> None:
    ours = {"SAFETY_MONITOR_A": HASH, "SAFETY_MONITOR_B": 'a "b" \\ `c`', "SAFETY_MONITOR_C": "it's"}
    text = for_service({**ours, "OTHER": "1", "SAFETY_MONITOR_HOME": "/home/me", "SAFETY_MONITOR_EMPTY": None})
    (tmp_path / "secrets.env").write_text(text)
    # It reads these quotes as a shell does.
    shell = ["sh", "-c", "set -a; . ./secrets.env; exec env -0"]
    read = subprocess.run(shell, cwd=tmp_path, env={}, capture_output=True, text=True, check=True).stdout.split("\0")
    assert {each for each in read if "SAFETY_" in each} == {f"{name}={each}" for name, each in ours.items()}
    with pytest.raises(SettingsError, match="SAFETY_MONITOR_MESSAGES__ANNA-M"):
        for_service({"SAFETY_MONITOR_MESSAGES__ANNA-M": "x"})
