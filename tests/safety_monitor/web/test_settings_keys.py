"""Every setting is on the page, with what it means, and nothing that is secret."""

from collections.abc import Iterator

from pydantic import BaseModel

from safety_monitor.config import Settings
from safety_monitor.web.settings_keys import Key, Kind, keys_of, pruned


def everything(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, Key]]:
    for key in keys_of(section):
        yield f"{path}{key.name}", key
        if key.section is not None:
            yield from everything(key.section, f"{path}{key.name}.")


def test_every_setting_has_a_control_and_a_meaning() -> None:
    keys = dict(everything(Settings))
    assert [name for name, key in keys.items() if not key.means] == []
    kinds = {name: key.kind for name, key in keys.items()}
    assert kinds["fusion.threshold"] is Kind.NUMBER
    assert keys["fusion.threshold"].bounds == "From 0 to 0.98."
    assert kinds["outbox.give_up_messages_s"] is Kind.NUMBER
    assert kinds["web.port"] is Kind.WHOLE
    assert kinds["mqtt.port"] is Kind.WHOLE
    assert kinds["alarm.enabled"] is Kind.SWITCH
    assert kinds["home"] is kinds["web.certificate"] is Kind.TEXT
    assert keys["evidence.picture"].choices == ("clip", "snapshot", "off")
    assert keys["schedule.armed.days"].kind is Kind.CHOICES
    assert kinds["limits.quiet_channels"] is Kind.LINES
    assert kinds["policies.steps"] is Kind.TABLES
    assert keys["twilio"].optional
    assert not keys["fusion"].optional


def test_what_is_secret_is_never_an_ordinary_value() -> None:
    kinds = {name: key.kind for name, key in everything(Settings)}
    assert kinds["acknowledge.pin_hash"] is kinds["mqtt.password"] is kinds["mysql.url"] is Kind.SECRET
    assert kinds["messages"] is Kind.SECRETS
    assert kinds["web.users.password_hash"] is Kind.PASSWORD
    assert kinds["web.tokens.token_hash"] is Kind.TOKEN
    hidden = {Kind.SECRET, Kind.SECRETS, Kind.PASSWORD, Kind.TOKEN}
    telling = ("hash", "password", "secret", "token", "pin")
    assert [name for name, kind in kinds.items() if name.split(".")[-1].endswith(telling) and kind not in hidden] == []


def test_empty_tables_do_not_clutter_the_file_and_one_that_is_wanted_stays() -> None:
    draft = {"fusion": {}, "mqtt": {}, "contacts": [], "web": {"users": [], "port": 1}, "policies": [{"steps": []}]}
    assert pruned(Settings, draft, {}) == {"mqtt": {}, "web": {"port": 1}, "policies": [{}]}
    stood = {"fusion": {}, "log": {"level": "info"}}
    assert pruned(Settings, draft | {"log": {}}, stood) == {
        "fusion": {},
        "mqtt": {},
        "web": {"port": 1},
        "policies": [{}],
        "log": {},
    }
