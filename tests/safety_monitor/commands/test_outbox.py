"""The commands for deliveries and decisions, as a user calls them."""

import os
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.incident import State
from safety_monitor.journal.file import LOCK_NAME
from safety_monitor.journal.incidents import Journal
from tests.alarms import SCREAM
from tests.servers.hook import hook
from tests.servers.mail import mail_server
from tests.system.command import PROGRAM, environment, safety_monitor

KEY = delivery_key(SCREAM.id, "sms:anna", "alarm")
PIN = "47110815"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path)
    journal.record(SCREAM, [Planned(KEY, "sms:anna", Nature.MESSAGE, "alarm")])
    return journal


def with_input(home: Path, text: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAM), *arguments],
        env=environment(home, **variables),
        cwd=home,
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )


def test_the_outbox_is_listed_retried_and_dropped(journal: Journal, tmp_path: Path) -> None:
    (job,) = journal.outbox.due("sms:anna")
    journal.outbox.begin([job])
    journal.outbox.finish([Result(KEY, 1, DeliveryState.PENDING, "no network", due_at=journal.clock() + 3600)])
    (shown,) = safety_monitor(tmp_path, "outbox", "list", "--json").objects
    assert (shown["key"], shown["state"], shown["attempts"], shown["detail"]) == (KEY, "pending", 1, "no network")
    assert "no network" in safety_monitor(tmp_path, "outbox").stdout
    assert safety_monitor(tmp_path, "outbox", "drop", KEY).status == 0
    assert journal.outbox.delivery(KEY).state is DeliveryState.DROPPED
    refused = safety_monitor(tmp_path, "outbox", "drop", KEY)
    assert (refused.status, refused.stdout) == (2, "")
    assert "is dropped" in refused.stderr


def test_a_retry_of_a_channel_that_was_turned_off_says_so(journal: Journal, tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "outbox", "retry", "--json")
    assert result.status == 1
    assert [(each["state"], each["detail"]) for each in result.objects] == [
        ("failed", "the channel is not turned on any more")
    ]


def test_evidence_goes_with_a_retry_and_is_protected_by_a_command(journal: Journal, tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, keep_days=1.0, most_bytes=10**9)
    refused = safety_monitor(tmp_path, "incidents", "protect", SCREAM.id[:4])
    assert (refused.status, "there is no evidence of 0b4ad0e6" in refused.stderr) == (2, True)
    for name in ("hands.csv", "picture.jpg"):
        kept = store.save(SCREAM.id, name, b"kept")
        assert kept is not None
        os.utime(kept, (0, 0))
    mail = Planned(delivery_key(SCREAM.id, "messages:mail", "alarm"), "messages:mail", Nature.MESSAGE, "alarm")
    journal.record(replace(SCREAM, state=State.CLOSED), [mail])
    with mail_server() as mails:
        retry = safety_monitor(tmp_path, "outbox", "retry", mail.key, SAFETY_MONITOR_MESSAGES__MAIL=mails.url)
    assert (retry.status, mails.files) == (0, ["picture.jpg"]), retry.stdout + retry.stderr  # as a station sends it
    assert (
        safety_monitor(tmp_path, "incidents", "protect", SCREAM.id[:4]).stdout
        == f"{SCREAM.id}: hands.csv, picture.jpg protected\n"
    )
    assert store.tidy() == []
    assert safety_monitor(tmp_path, "incidents", "unprotect", SCREAM.id).status == 0
    assert store.tidy() == [SCREAM.id]


def test_a_retry_of_one_sends_nothing_else_that_quiet_hours_hold_back(journal: Journal, tmp_path: Path) -> None:
    others = [replace(SCREAM, id=name) for name in ("held", "wanted")]
    for each in others:
        key = delivery_key(each.id, "messages:mail", "alarm")
        journal.record(each, [Planned(key, "messages:mail", Nature.MESSAGE, "alarm")])
    now, until = datetime.now(), journal.clock() + 3600.0
    journal.outbox.finish(
        [
            Result(
                "held:messages:mail:alarm", 1, DeliveryState.PENDING, "held back: quiet hours", due_at=until, held=True
            )
        ]
    )
    with mail_server() as mails:
        variables = {
            "SAFETY_MONITOR_MESSAGES__MAIL": mails.url,
            "SAFETY_MONITOR_LIMITS__QUIET_FROM": f"{now - timedelta(hours=2):%H:%M}",
            "SAFETY_MONITOR_LIMITS__QUIET_UNTIL": f"{now + timedelta(hours=2):%H:%M}",
            "SAFETY_MONITOR_LIMITS__QUIET_CHANNELS": '["all"]',
        }
        retry = safety_monitor(tmp_path, "outbox", "retry", "wanted:messages:mail:alarm", **variables)
        assert (retry.status, len(mails.taken)) == (0, 1), retry.stdout + retry.stderr
    assert journal.outbox.delivery("held:messages:mail:alarm").state is DeliveryState.PENDING


def test_a_test_names_channels_that_are_not_there(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "test-alert", "--channel", "fax")
    assert result.status == 2
    assert "no channel 'fax' is turned on; on are: alarm, speech" in result.stderr


def test_beside_a_station_that_would_hear_them_siren_and_voice_are_not_sounded(tmp_path: Path) -> None:
    with hook() as posts, FileLock(tmp_path / LOCK_NAME):
        address = {"SAFETY_MONITOR_MESSAGES__ANNA": posts.url.replace("http://", "json://")}
        result = safety_monitor(tmp_path, "test-alert", "--json", **address)
        sounds = safety_monitor(tmp_path, "test-alert", "--channel", "alarm", **address)
    assert [each["channel"] for each in result.objects] == ["messages:anna"]
    assert "alarm: not sounded: the station that runs here would hear it" in result.stderr
    assert "speech: not sounded" in result.stderr
    assert (result.status, sounds.status, sounds.stdout, len(posts.posts)) == (0, 1, "", 1)


def test_a_contact_is_told_by_all_addresses_that_bear_the_name(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text('[[contacts]]\nname = "anna"\n')
    with hook() as posts:
        url = posts.url.replace("http://", "json://")
        addresses = {f"SAFETY_MONITOR_MESSAGES__{name}": f"{url}{name}" for name in ("ANNA", "ANNA_APP", "BEN")}
        result = safety_monitor(tmp_path, "test-alert", "--channel", "anna", "--json", **addresses)
    assert sorted(each["channel"] for each in result.objects) == ["messages:anna", "messages:anna_app"]
    assert len(posts.posts) == 2


def test_a_policy_that_names_what_is_not_there_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text('[[policies]]\nname = "x"\n[[policies.steps]]\nactions = ["fax"]\n')
    result = safety_monitor(tmp_path, "run", "--mic", "demo", "--camera", "off")
    assert result.status == 2
    where = "policies, the first: steps, the first: actions"
    assert f"safety-monitor: station.toml: {where}: no channel 'fax' is turned on" in result.stderr


def test_calling_off_takes_the_pin_which_is_nowhere_to_be_seen(journal: Journal, tmp_path: Path) -> None:
    made = with_input(tmp_path, f"{PIN}\n", "pin-hash", "--pin-stdin")
    assert made.returncode == 0
    (tmp_path / ".env").write_text(made.stdout)
    outputs = [made.stdout, made.stderr]
    for arguments, typed, status in (
        (["incidents", "cancel", SCREAM.id], "", 2),
        (["incidents", "cancel", SCREAM.id, "--pin-stdin"], "wrong", 2),
        (["incidents", "cancel", SCREAM.id, "--pin-stdin"], "\udcff", 2),  # a byte that is no text
        (["incidents", "cancel", SCREAM.id, "--pin-stdin"], PIN, 0),
    ):
        done = with_input(tmp_path, typed, *arguments)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        outputs += [done.stdout, done.stderr]
    assert journal.state_of(SCREAM.id) is State.CANCELLED
    assert all(PIN not in text for text in outputs)
    assert all(PIN.encode() not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())


def test_a_pin_hash_that_is_none_is_refused(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "incidents", SAFETY_MONITOR_ACKNOWLEDGE__PIN_HASH=PIN)
    assert result.status == 2
    assert "pin_hash is not a whole hash" in result.stderr
    assert PIN not in result.stderr
