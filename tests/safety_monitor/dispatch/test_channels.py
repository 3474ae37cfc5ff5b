"""What the settings turn on is there under the name that policies use; what is missing is one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from safety_monitor.actions.absent import Absent
from safety_monitor.actions.channel import is_apart, nature_of
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.sources import load_settings
from safety_monitor.dispatch.channels import outward_channels
from safety_monitor.dispatch.places import make_places
from safety_monitor.dispatch.policies import NOBODY_TOLD, unheard
from safety_monitor.escalation import Nature
from safety_monitor.incident import Incident, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.place import Place
from tests.servers.certificate import make_certificate
from tests.servers.program import free_port
from tests.servers.twilio import SID

TWILIO = {"TWILIO__ACCOUNT_SID": SID, "TWILIO__AUTH_TOKEN": "planted", "TWILIO__NUMBER": "+15005550001"}
ANNA = """
[[contacts]]
name = "anna"
sms = "+15005550006"
call = "+15005550006"
[[contacts]]
name = "bob"
sms = "+15005550007"
"""

pytestmark = pytest.mark.usefixtures("empty_folder")


def settings(text: str = "", **environ: str) -> Settings:
    path = Path("station.toml")
    path.write_text('home = "home"\n' + text, encoding="utf-8")
    return load_settings(path, environ={f"SAFETY_MONITOR_{name}": value for name, value in environ.items()})


def names(given: Settings) -> list[str]:
    journal = Journal(Path("home"))
    channels = outward_channels(given, journal)
    for channel in channels:
        channel.close()
    journal.close()
    return [channel.name for channel in channels]


def test_nothing_is_on_by_default() -> None:
    assert names(settings()) == []


def test_everybody_is_reached_by_every_medium() -> None:
    assert names(settings(ANNA, **TWILIO)) == ["sms:anna", "call:anna", "sms:bob"]


def test_each_address_is_a_channel() -> None:
    urls = {"MESSAGES__MAIL": "mailto://u:planted@example.org", "MESSAGES__OFFICE": "json://example.org/planted"}
    assert names(settings(**urls)) == ["messages:mail", "messages:office"]


def test_a_broker_that_is_away_does_not_hold_up_the_start() -> None:
    assert names(settings('[mqtt]\nhost = "127.0.0.1"\nport = 1\n', MQTT__PASSWORD="planted")) == ["mqtt"]


def test_databases_and_hooks_are_not_asked_for_a_connection_at_start() -> None:
    given = settings(
        '[webhook]\nurl = "http://nowhere.invalid/"\n',
        WEBHOOK__SECRET="planted-secret",
        MYSQL__URL="mysql+mysqlconnector://u:planted@nowhere.invalid/safety",
    )
    assert names(given) == ["mysql", "webhook"]


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        (ANNA, {}, "station.toml: contacts: anna has a number for sms, which needs [twilio]"),
        (
            '[[contacts]]\nname = "bob"\nwhatsapp = "+15005550007"\n',
            TWILIO,
            "bob has a number for whatsapp, which needs twilio.whatsapp_number",
        ),
        (
            '[firebase]\nurl = "https://planted.firebaseio.com"\n',
            {},
            "firebase.credentials_file: the JSON file of a service account is needed",
        ),
        (
            '[[contacts]]\nname = "bob"\ncall = "+15005550001"\n',
            TWILIO,
            "contacts: bob has the station's own number for call, which nobody answers",
        ),
        ("", {"MONGODB__URL": "mongodb://u:planted@@h:x/"}, "environment: mongodb.url: "),
        ("", {"MESSAGES__X": "planted://nothing"}, "messages.x: is not an address that Apprise understands"),
        ("", {"MESSAGES__X": "tgram://123456789:planted_abcdefgh"}, "environment: messages.x: would reach nobody"),
    ],
)
def test_what_is_missing_is_one_line(text: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        names(settings(text, **environ))
    assert message in str(caught.value)
    assert "planted" not in str(caught.value)


def test_a_channel_that_cannot_be_made_keeps_no_service_from_watching_and_is_tried_again(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    port = free_port()
    given = settings(f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\ntls = true\nca_file = "{ca_file}"\n' + ANNA, **TWILIO)
    with pytest.raises(SettingsError, match="No such file"):
        outward_channels(given, None)
    channels = outward_channels(given, None, patient=True)
    assert [(channel.name, nature_of(channel)) for channel in channels][:2] == [
        ("mqtt", Nature.RECORD),
        ("sms:anna", Nature.MESSAGE),
    ]
    assert "No such file" in channels[0].check().detail
    certificate, _ = make_certificate(tmp_path)
    certificate.rename(ca_file)
    assert f"127.0.0.1:{port} cannot be reached" in channels[0].check().detail
    for channel in channels:
        channel.close()


def test_a_station_without_channels_loads_none_of_their_libraries() -> None:
    heavy = ("twilio", "apprise", "alembic", "mysql", "requests", "paho", "pymongo", "firebase_admin")
    program = f"""
import sys
from pathlib import Path
from safety_monitor.dispatch.channels import outward_channels
from safety_monitor.dispatch.places import make_places
from safety_monitor.dispatch.policies import NOBODY_TOLD, unheard
from safety_monitor.config import Settings
make_places(Settings())
assert outward_channels(Settings(home=Path("home")), None) == []
print([name for name in {heavy!r} if name in sys.modules])
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_place_in_the_settings_is_where_incidents_happen() -> None:
    given = settings('[place]\nlatitude = 52.5\nlongitude = 13.4\naddress = "2nd floor"\n')
    places = make_places(given)
    place = places.place(Incident("1", State.CONFIRMED, 0.0, 0.9, (), ""))
    assert place == Place(52.5, 13.4, None, "2nd floor", "settings")


def test_a_geocoder_that_nobody_knows_is_one_line() -> None:
    pytest.importorskip("geopy", reason="needs the extra geocoding")
    with pytest.raises(SettingsError, match=r"place\.geocoder: unknown 'nosuch'; known: "):
        make_places(settings('[place]\ngeocoder = "nosuch"\n'))


def test_a_webhook_that_cannot_be_made_yet_is_told_of_each_incident_by_itself_all_the_same(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("where the station's name should be kept")
    settings = Settings.model_validate(
        {"home": home, "webhook": {"url": "http://127.0.0.1/", "secret": "planted-secret"}}
    )
    (webhook,) = outward_channels(settings, None, patient=True)
    assert isinstance(webhook, Absent)
    assert (is_apart(webhook), nature_of(webhook)) == (True, Nature.MESSAGE)


@pytest.mark.parametrize(
    ("quiet", "policies", "told"),
    [
        ('["sms:anna"]', "", []),
        ('["anna", "bob"]', "", ["without policies"]),
        ('["all"]', 'steps = [{ actions = ["alarm"] }]', []),
        ('["sms"]', 'steps = [{ actions = ["sms"] }]', ["policies, the first"]),
        ('["sms"]', 'steps = [{ actions = ["sms"] }]\nfallback = ["call"]', []),
        ('["sms"]', 'triggers = ["trouble"]\nsteps = [{ actions = ["sms"] }]', []),
        (
            '["all"]',
            'triggers = ["scream"]\nsteps = [{ actions = ["sms"] }]',
            ["the first", "without policies that fit"],
        ),
    ],
)
def test_quiet_hours_in_which_nobody_would_be_told_are_named(quiet: str, policies: str, told: list[str]) -> None:
    policies = f'[[policies]]\nname = "mine"\n{policies}\n' if policies else ""
    limits = f'[limits]\nquiet_from = "22:00"\nquiet_until = "07:00"\nquiet_channels = {quiet}\n'
    given = settings(ANNA + policies + limits, **TWILIO)
    natures = {"alarm": Nature.SOUND, **dict.fromkeys(names(given), Nature.MESSAGE)}
    lines = unheard(given, natures)
    assert len(lines) == len(told)
    for line, where in zip(lines, told, strict=True):
        assert line.startswith("from 22:00 until 07:00 nobody elsewhere is told of an emergency")
        assert where in line


def test_a_policy_that_stands_behind_one_for_everything_is_named() -> None:
    policies = '[[policies]]\nname = "all"\n[[policies]]\nname = "scream"\ntriggers = ["scream"]\n'
    given = settings(ANNA + policies, **TWILIO)
    (line,) = unheard(given, dict.fromkeys(names(given), Nature.MESSAGE))
    assert line.startswith("policies, the second: is never taken for 'scream', because policies, the first, stands")


def test_who_tells_nobody_elsewhere_is_told_so() -> None:
    assert unheard(settings(), {"alarm": Nature.SOUND, "mysql": Nature.RECORD}) == [NOBODY_TOLD]
    given = settings(ANNA + '[[contacts]]\nname = "Cleo"\n', **TWILIO)
    (line,) = unheard(given, dict.fromkeys(names(given), Nature.MESSAGE))
    assert line.startswith("contacts: Cleo is told nothing")
    assert not unheard(
        given, {"sms:anna": Nature.MESSAGE, "sms:bob": Nature.MESSAGE, "messages:cleo_2": Nature.MESSAGE}
    )
