"""Settings of the ways out: a mistake is one line, and a secret has no place in a file."""

from pathlib import Path

import pytest

from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.sources import load_settings

SID = "AC" + "0" * 32

pytestmark = pytest.mark.usefixtures("empty_folder")


def load(text: str = "", **environ: str) -> Settings:
    path = Path("station.toml")
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ={f"SAFETY_MONITOR_{name}": value for name, value in environ.items()})


def test_nothing_is_on_that_was_not_set() -> None:
    settings = load_settings(environ={})
    assert (settings.mysql, settings.twilio) == (None, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[mysql]\nurl = "mysql+mysqlconnector://u:planted@h/d"\n', "SAFETY_MONITOR_MYSQL__URL"),
        ('[twilio]\nauth_token = "planted"\n', "SAFETY_MONITOR_TWILIO__AUTH_TOKEN"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(text: str, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert f"is a secret: set {name} in the environment or in .env" in str(caught.value)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[contacts]]\nname = "anna"\nsms = "0170"\n', "contacts, the first: sms: is not a telephone number"),
        ('[speech]\ntext = "Hallo {wer}"\n', "speech.text: '{wer}' would be read out as it stands; known: {what}"),
        ('[[contacts]]\nname = "anna"\nfax = "+15005550006"\n', "contacts, the first: unknown key 'fax'"),
        (2 * '[[contacts]]\nname = "anna"\n', "contacts: the name anna stands there twice"),
        ('[[contacts]]\nname = "sms"\n', "contacts: the name sms means something else"),
        (
            '[[policies]]\nname = "x"\n[[policies.steps]]\nafter_s = -1\n',
            "policies, the first: steps, the first: after_s: must be at least 0",
        ),
        ('[webhook]\nurl = "example.org"\n', "webhook.url: is not an address that begins with http"),
        ('[webhook]\nurl = "http://example.org:9x/"\n', "webhook.url: is not an address"),
        ('[place]\nip_lookup_url = "ftp://example.org"\n', "place.ip_lookup_url: is not an address"),
        ('[web]\npublic_url = "example.org"\n', "web.public_url: is not written as it must be"),
        ('[mqtt]\nhost = "h"\ncommands = ["explode"]\n', "mqtt.commands, the first: must be 'acknowledge', 'cancel'"),
        ('[mqtt]\nhost = "h"\ncommands = ["cancel"]\n', "mqtt.commands: cancel needs acknowledge.pin_hash"),
        (
            'policies = [{name = "x", evidence = ["clip"]}]\n[evidence]\npicture = "snapshot"\n',
            "policies, the first: evidence: [evidence] keeps no clip",
        ),
        ('[limits]\nquiet_from = "25:00"\n', "limits.quiet_from: is not a time of the day, such as 22:00"),
        ('[[contacts]]\nname = "anna m"\n', "contacts, the first: name: is not a short name: letters, digits, - and _"),
    ],
)
def test_a_mistake_names_file_and_key(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert str(caught.value).startswith(f"station.toml: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("written", "meant"), [("false", ()), ("true", ("acknowledge",))])
def test_commands_of_the_broker_were_once_on_or_off(written: str, meant: tuple[str, ...]) -> None:
    in_file = load(f'[mqtt]\nhost = "h"\ncommands = {written}\n').mqtt
    outside = load(MQTT__HOST="h", MQTT__COMMANDS=written).mqtt
    assert in_file
    assert outside
    assert in_file.commands == outside.commands == meant


def test_numbers_and_times_may_be_written_as_people_do() -> None:
    settings = load(
        '[[contacts]]\nname = "anna"\nsms = "+49 (0)171 392-0031"\ncall = "0049 171/3920031"\n'
        '[limits]\nquiet_from = "22:00"\nquiet_until = "7:00"\nquiet_channels = ["all"]\n'
    )
    assert (settings.contacts[0].sms, settings.contacts[0].call) == ("+491713920031", "+491713920031")
    assert settings.limits.quiet_until == "07:00"


KEY = {"TWILIO__ACCOUNT_SID": SID, "TWILIO__KEY_SID": "SK" + "0" * 32, "WEB__PUBLIC_URL": "https://example.org"}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"MYSQL__URL": "mysql://u:planted@h/d"}, "mysql.url: needs the form mysql+mysqlconnector://"),
        ({"MYSQL__URL": "mysql+mysqlconnector://u:planted@h:33o6/d"}, "mysql.url: is not an address"),
        ({"MYSQL__URL": "mysql+mysqlconnector://u:planted@h"}, "mysql.url: needs the form"),
        ({"TWILIO__AUTH_TOKEN": "planted"}, "twilio.account_sid: is missing"),
        (
            {"TWILIO__ACCOUNT_SID": "AC1", "TWILIO__AUTH_TOKEN": "planted"},
            "twilio.account_sid: is not written as it must be",
        ),
        (
            {"TWILIO__ACCOUNT_SID": SID, "TWILIO__AUTH_TOKEN": "planted", "TWILIO__WHATSAPP_NUMBER": "+15005550002"},
            "twilio: whatsapp_number needs whatsapp_content_sid, or whatsapp_free_text = true",
        ),
        (
            {"ACKNOWLEDGE__PIN_HASH": "$argon2id$v=19$m=65536,t=3,p=4"},  # the rest was taken for a variable
            "acknowledge: pin_hash is not a whole hash; make one with `safety-monitor pin-hash`",
        ),
        ({**KEY, "TWILIO__AUTH_TOKEN": "planted"}, "environment: twilio.signing_token: is needed"),
    ],
)
def test_a_mistake_is_one_line_without_the_secret(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    assert message in str(caught.value)
    assert "planted" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_do_not_show_their_secrets() -> None:
    settings = load(
        TWILIO__ACCOUNT_SID=SID, TWILIO__AUTH_TOKEN="planted", MYSQL__URL="mysql+mysqlconnector://u:planted@h/d"
    )
    assert "planted" not in repr(settings) + str(settings)
