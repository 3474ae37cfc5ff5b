"""Settings come from file, .env and environment, and every mistake is one line that names key and place."""

from pathlib import Path

import pytest

from safety_monitor.config import SettingsError
from safety_monitor.config.sources import load_settings

pytestmark = pytest.mark.usefixtures("empty_folder")


def write(text: str) -> Path:
    path = Path("station.toml")
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_confirm_at_four_fifths_and_know_the_signal_for_help() -> None:
    settings = load_settings(environ={})
    assert settings.fusion.threshold == 0.80
    assert [gesture.label for gesture in settings.emergency.gestures] == ["signal_for_help"]


def test_environment_wins_over_dotenv_which_wins_over_the_file() -> None:
    write('[station]\nname = "file"\n[alarm]\nvolume = 0.1\n[speech]\nrate = 100\n')
    Path(".env").write_text("SAFETY_MONITOR_STATION__NAME=dotenv\nSAFETY_MONITOR_ALARM__VOLUME=0.2\nOTHER=1\n")
    settings = load_settings(environ={"SAFETY_MONITOR_STATION__NAME": "environment", "PATH": "/bin"})
    assert (settings.station.name, settings.alarm.volume, settings.speech.rate) == ("environment", 0.2, 100)


def test_the_file_in_the_home_folder_is_used_when_there_is_none_here(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "station.toml").write_text('[station]\nname = "at home"\n')
    assert load_settings(environ={"SAFETY_MONITOR_HOME": str(home)}).station.name == "at home"


def test_gestures_are_tables_in_the_file_and_json_in_the_environment() -> None:
    path = write('[[emergency.gestures]]\nsign = "fist"\nheld_s = 2\n')
    assert load_settings(path, environ={}).emergency.gestures[0].label == "fist"
    environ = {"SAFETY_MONITOR_EMERGENCY__GESTURES": '[{"movement": "wave"}]'}
    assert load_settings(path, environ=environ).emergency.gestures[0].label == "wave"


def test_a_text_may_begin_like_json() -> None:
    said = {"SPEECH__TEXT": "{what}", "MQTT__HOST": "x", "MQTT__PASSWORD": "[secret", "MESSAGES__A": "{x"}
    settings = load_settings(environ={f"SAFETY_MONITOR_{name}": value for name, value in said.items()})
    assert settings.speech.text == "{what}"
    assert settings.mqtt
    kept = [settings.mqtt.password, settings.messages["a"]]
    assert [each and each.get_secret_value() for each in kept] == ["[secret", "{x"]
    tables = load_settings(environ={"SAFETY_MONITOR_MESSAGES": '{"b": "y"}', "SAFETY_MONITOR_CONTACTS": "[]"})
    assert list(tables.messages) == ["b"]


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("[fusion]\ntreshold = 0.9\n", {}, "station.toml: unknown key 'fusion.treshold'"),
        ("[fusoin]\n", {}, "station.toml: unknown key 'fusoin'"),
        ("", {"SAFETY_MONITOR_ALARM__LOUDNESS": "1"}, "environment: unknown key 'alarm.loudness'"),
        ("[alarm]\nvolume = 2\n", {}, "station.toml: alarm.volume: must be at most 1"),
        ("[alarm]\nvolume = 'loud'\n", {}, "station.toml: alarm.volume: must be a number"),
        ("", {"SAFETY_MONITOR_ALARM__VOLUME": "loud"}, "environment: alarm.volume: must be a number"),
        ("[alarm]\nenabled = 'perhaps'\n", {}, "station.toml: alarm.enabled: must be true or false"),
        ("[web]\nport = 1.5\n", {}, "station.toml: web.port: must be a whole number"),
        ("alarm = 1\n", {}, "station.toml: alarm: must be a table of keys"),
        ("contacts = 1\n", {}, "station.toml: contacts: must be a list, in square brackets"),
        ("[log]\nlevel = 'loud'\n", {}, "station.toml: log.level: must be 'debug', "),
        ("[station]\nname = ' '\n", {}, "station.toml: station.name: must not be empty"),
        ("", {"SAFETY_MONITOR_STATION__NAME": 500 * "a"}, "environment: station.name: must have at most 60 characters"),
        ('[station]\nname = "front\\ndesk"\n', {}, "station.name: must have at most 60 characters, in one line"),
        ("[fusion]\nweak = 0.9\n", {}, "needs 0 < weak"),
        ("[fusion\n", {}, "station.toml: cannot be read as TOML"),
        (f"x = {'[' * 2000}{']' * 2000}\n", {}, "station.toml: cannot be read as TOML"),
        ("[[emergency.gestures]]\nheld_s = 1\n", {}, "needs exactly one of sign, movement and sequence"),
        ("[[emergency.gestures]]\nsequence = 'sos'\n", {}, "unknown sequence 'sos'; known: signal_for_help"),
        ("", {"SAFETY_MONITOR_EMERGENCY__GESTURES": "[{"}, "SAFETY_MONITOR_EMERGENCY__GESTURES: is not valid JSON"),
        ("", {"SAFETY_MONITOR_CAMERA": "0", "SAFETY_MONITOR_CAMERA__SOURCE": "0"}, "as a value and as a section"),
    ],
)
def test_a_mistake_is_one_line_that_names_key_and_place(text: str, environ: dict[str, str], message: str) -> None:
    path = write(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=environ)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "slipped", "bound"),
    [
        ("fusion.weak", 0.05, "at least 0.2"),
        ("fusion.window_s", 300, "at most 60"),
        ("fusion.cool_down_s", 3000, "at most 300"),
        ("fusion.longest_s", 6000, "at most 3600"),
        ("alarm.duration_s", 1000, "at most 600"),
        ("alarm.duration_s", 0.1, "at least 1"),
        ("speech.limit_s", 1.5, "at least 5"),
        ("speech.limit_s", 150, "at most 120"),
        ("limits.cool_down_s", 3000, "at most 600"),
        ("outbox.first_wait_s", 200, "at most 60"),
        ("outbox.longest_wait_s", 30_000, "at most 3600"),
        ("outbox.fallback_after_s", 6000, "at most 3600"),
        ("outbox.give_up_messages_s", 8.64, "at least 60"),
        ("outbox.give_up_messages_s", 864_000, "at most 604800"),
        ("outbox.give_up_records_s", 25.92, "at least 60"),
        ("outbox.follow_s", 360_000, "at most 86400"),
        ("supervision.failed_after_s", 30_000, "at most 3600"),
    ],
)
def test_a_slip_by_which_the_station_would_be_of_no_use_is_refused(key: str, slipped: float, bound: str) -> None:
    section, name = key.split(".")
    path = write(f"[{section}]\n{name} = {slipped}\n")
    with pytest.raises(SettingsError, match=f"^station.toml: {key}: must be {bound}$"):
        load_settings(path, environ={})


@pytest.mark.parametrize(("most", "within_s"), [(1, 3600), (12, 36_000)])
def test_no_limit_holds_an_emergency_back_for_more_than_half_an_hour(most: int, within_s: float) -> None:
    path = write(f"[limits]\nmost = {most}\nwithin_s = {within_s}\n")
    with pytest.raises(SettingsError, match="limits: within_s / most is how long an emergency may have to wait: 3"):
        load_settings(path, environ={})
    load_settings(write(f"[limits]\nmost = {2 * most}\nwithin_s = {within_s}\n"), environ={})


def test_a_value_is_never_repeated_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={"SAFETY_MONITOR_ALARM__VOLUME": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"missing\.toml: there is no such settings file"):
        load_settings(Path("missing.toml"), environ={})


def test_a_folder_is_no_settings_file_and_is_refused_without_a_number(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{tmp_path}: is a folder, not a settings file"):
        load_settings(tmp_path, environ={})


@pytest.mark.parametrize(("given", "meant"), [("true", "always"), ("False", "never"), ("as-service", "as-service")])
def test_what_was_once_a_switch_is_still_understood(given: str, meant: str) -> None:
    settings = load_settings(environ={"SAFETY_MONITOR_SUPERVISION__WAIT_FOR_DEVICES": given})
    assert settings.supervision.wait_for_devices == meant
