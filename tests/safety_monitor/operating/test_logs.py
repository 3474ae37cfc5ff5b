"""The log: what it looks like, that it does not grow, and that no secret gets into it."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.sources import load_settings
from safety_monitor.config.station import LogSettings
from safety_monitor.operating.logs import MOST, set_up_log
from safety_monitor.operating.redaction import Redaction

ENVIRON = {
    "SAFETY_MONITOR_MYSQL__URL": "mysql+mysqlconnector://station:p%40ssw0rd@db.example/safety",
    "SAFETY_MONITOR_MESSAGES__ANNA": "tgram://123456789abcdefgh/98765432",
    "SAFETY_MONITOR_MQTT__HOST": "broker",
    "SAFETY_MONITOR_MQTT__PASSWORD": "pl4nted-broker",
    "SAFETY_MONITOR_CONTACTS": '[{"name": "berta", "sms": "+15005550009"}]',
}


@pytest.fixture(autouse=True)
def _log_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            handler.close()
    root.handlers, root.level = handlers, level


def settings(**environ: str) -> Settings:
    return load_settings(environ={**ENVIRON, **environ})


def test_a_json_line_holds_all_of_an_entry(tmp_path: Path) -> None:
    file = tmp_path / "log" / "station.log"
    set_up_log(settings(SAFETY_MONITOR_LOG__FILE=str(file), SAFETY_MONITOR_LOG__FORMAT="json"))
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("safety_monitor.station").exception("it\nfailed")
    (line,) = file.read_text().splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["module"], entry["message"]) == ("error", "safety_monitor.station", "it\nfailed")
    assert entry["at"].endswith("+00:00")
    assert "ValueError: two" in entry["exception"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_others_have_written_is_no_line_of_its_own_and_commands_no_terminal(form: str, tmp_path: Path) -> None:
    file = tmp_path / "station.log"
    set_up_log(settings(SAFETY_MONITOR_LOG__FILE=str(file), SAFETY_MONITOR_LOG__FORMAT=form))
    forged = "no incident 'x\n07:30:00 INFO disarmed\x1b[2J\x9b2J\u2028'"
    logging.getLogger("safety_monitor").warning("mqtt: %s", forged)
    try:
        raise ValueError(forged)
    except ValueError:
        logging.getLogger("safety_monitor").exception("mqtt")
    line, *failure = file.read_text().splitlines()
    assert json.loads(line)["message"] == f"mqtt: {forged}" if form == "json" else "\\n07:30:00 INFO disarmed" in line
    assert not {"\x1b", "\x9b", "\u2028"} & set("".join([line, *failure]))
    assert not any(each.startswith("07:30:00") for each in failure)


def test_whoever_has_a_library_complain_without_end_leaves_room_for_all_else(tmp_path: Path) -> None:
    file = tmp_path / "station.log"
    set_up_log(settings(SAFETY_MONITOR_LOG__FILE=str(file)))
    for number in range(5 * MOST):
        logging.getLogger("asyncio").error("Task exception was never retrieved")
        logging.getLogger("safety_monitor.station").info("moment %d", number)
    logging.getLogger("another.library").warning("another library")
    lines = file.read_text().splitlines()
    assert sum("Task exception" in line for line in lines) == MOST
    assert [line for line in lines if "asyncio says too much" in line] == [lines[2 * MOST]]
    assert sum("moment" in line for line in lines) == 5 * MOST
    assert "another library" in lines[-1]


def test_somebody_who_debugs_is_told_all(tmp_path: Path) -> None:
    file = tmp_path / "station.log"
    set_up_log(settings(SAFETY_MONITOR_LOG__FILE=str(file), SAFETY_MONITOR_LOG__LEVEL="debug"))
    for _ in range(2 * MOST):
        logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert len(file.read_text().splitlines()) == 2 * MOST


def test_a_full_disk_is_told_once_and_the_entries_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log(settings(SAFETY_MONITOR_LOG__FILE="/dev/full"))
    for number in range(2):
        logging.getLogger("safety_monitor").warning("entry %d of %s", number, "pl4nted-broker")
    with suppress(OSError):  # what could not be written is tried once more then
        logging.getLogger().handlers[-1].close()
    full, *entries = capsys.readouterr().err.splitlines()
    assert full == "log.file: /dev/full cannot be written: No space left on device"
    assert [entry.partition(" WARNING ")[2] for entry in entries] == ["entry 0 of ***", "entry 1 of ***"]


def test_a_file_is_put_aside_and_the_oldest_go(tmp_path: Path) -> None:
    file = tmp_path / "station.log"
    limits = {"SAFETY_MONITOR_LOG__MEGABYTES": "0.1", "SAFETY_MONITOR_LOG__KEPT": "2"}
    set_up_log(settings(SAFETY_MONITOR_LOG__FILE=str(file), **limits))
    for number in range(60):
        logging.getLogger("safety_monitor").info("%d %s", number, "x" * 10_000)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["station.log", "station.log.1", "station.log.2"]
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 3 * 110_000
    assert " 59 " in file.read_text()


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_of_the_settings_is_logged_by_whoever_it_may_be(form: str, tmp_path: Path) -> None:
    file = tmp_path / "station.log"
    set_up_log(settings(SAFETY_MONITOR_LOG__FILE=str(file), SAFETY_MONITOR_LOG__FORMAT=form))
    library = logging.getLogger("some.library")
    library.warning("connecting to %s", ENVIRON["SAFETY_MONITOR_MYSQL__URL"])
    library.warning("access denied (using password: p@ssw0rd)")
    library.warning("POST /bot123456789abcdefgh/sendMessage {'chat_id': '98765432'}")
    try:
        raise ConnectionError("CONNECT pl4nted-broker refused")
    except ConnectionError:
        library.exception("broker")
    library.info("a library's small talk")
    written = file.read_text()
    for secret in ("p@ssw0rd", "p%40ssw0rd", "123456789abcdefgh", "98765432", "pl4nted"):
        assert secret not in written
    assert "access denied (using password: ***)" in written
    assert "small talk" not in written


def test_people_are_masked_where_that_is_asked_for() -> None:
    told = "sms:berta: +15005550009 is unreachable; bertas 12:30:00 +1 messages:anna (at 3.+4123456789)"
    assert Redaction(settings())(told) == told
    assert Redaction(settings(), people=True)(told) == (
        "sms:***: *** is unreachable; bertas 12:30:00 +1 messages:*** (at 3.+4123456789)"
    )


def test_who_signs_in_with_a_token_is_masked_too() -> None:
    token = '[{"name": "Annas phone", "role": "operator", "token_hash": "' + "0" * 64 + '"}]'
    mask = Redaction(settings(SAFETY_MONITOR_WEB__TOKENS=token), people=True)
    assert mask("evidence of 1 is protected: Annas phone") == "evidence of 1 is protected: ***"


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "station.log").mkdir()
    with pytest.raises(SettingsError, match=r"log\.file: .*station\.log cannot be written"):
        set_up_log(settings(SAFETY_MONITOR_LOG__FILE=str(tmp_path / "station.log")))


def test_the_level_of_an_earlier_version_is_still_understood(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text('log_level = "debug"\n')
    assert load_settings(path, environ={}).log.level == "debug"
    path.write_text('log_level = "debug"\n[log]\nformat = "json"\n')
    assert load_settings(path, environ={}).log == LogSettings(level="debug", format="json")


def test_a_level_that_is_set_by_its_name_of_earlier_and_of_now_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text('log_level = "debug"\n[log]\nlevel = "info"\n')
    with pytest.raises(SettingsError, match=r"station\.toml: log_level: is log\.level now; take out log_level$"):
        load_settings(path, environ={})


def test_a_service_whose_log_cannot_be_written_starts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").touch()
    given = settings(SAFETY_MONITOR_LOG__FILE=str(tmp_path / "log" / "station.log"))
    with pytest.raises(SettingsError, match=r"log\.file: .* cannot be written"):
        set_up_log(given)
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    set_up_log(given)
    logging.getLogger("safety_monitor").warning("it watches")
    told = capsys.readouterr().err
    assert "cannot be written" in told
    assert "it watches" in told
