"""`safety-monitor run` is killed at random moments, with channels that fail: every incident reaches every channel once.

The real program listens to a recording with a scream every six seconds, with a webhook that fails at random, Twilio,
and a MariaDB that is down for a while. What it said it had confirmed must be in the journal, and must have arrived.
"""

import random
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
from sqlalchemy import text

from audio.blocks import SAMPLE_RATE
from safety_monitor.demo.scene import sound
from safety_monitor.incident import State
from safety_monitor.journal.incidents import Journal
from tests.servers.hook import hook
from tests.servers.mariadb import mariadb
from tests.servers.twilio import SID, TOKEN, fake_twilio
from tests.system.command import environment, running, safety_monitor

KILLS = 3
SCREAMS = 6
SETTINGS = """
[[contacts]]
name = "anna"
sms = "+15005550006"

[twilio]
number = "+15005550001"

[fusion]
cool_down_s = 2.0

[limits]
cool_down_s = 0
most = 1000

[outbox]
first_wait_s = 0.05
longest_wait_s = 0.5

[alarm]
enabled = false

[speech]
enabled = false

[evidence]
enabled = false
"""


def test_whenever_it_is_killed_every_incident_reaches_every_channel_once(tmp_path: Path) -> None:
    chance = random.Random(5)
    home, recording = tmp_path / "home", tmp_path / "screams.wav"
    home.mkdir()
    (home / "station.toml").write_text(SETTINGS, encoding="utf-8")
    one = sound()[4 * SAMPLE_RATE : 10 * SAMPLE_RATE]  # with the room before and after it
    soundfile.write(recording, np.tile(one, SCREAMS), SAMPLE_RATE)
    listen = ("--mic", recording, "--camera", "off", "--fast")
    said: set[str] = set()
    with mariadb() as server:
        server.start()
        with hook(failing=0.5) as receiver, fake_twilio() as twilio:
            twilio.becomes = {"Messages": "delivered"}
            variables = {
                "SAFETY_MONITOR_MYSQL__URL": server.url,
                "SAFETY_MONITOR_WEBHOOK__URL": receiver.url,
                "SAFETY_MONITOR_WEBHOOK__SECRET": "planted-secret",
                "SAFETY_MONITOR_TWILIO__ACCOUNT_SID": SID,
                "SAFETY_MONITOR_TWILIO__AUTH_TOKEN": TOKEN,
                "SAFETY_MONITOR_TWILIO__API_URL": twilio.url,
            }
            for _ in range(KILLS):
                with running(home, *listen, environ=environment(home), **variables) as station:
                    number = chance.randrange(1, SCREAMS)
                    station.wait_for(lambda station, number=number: len(station.confirmed) >= number)  # type: ignore[misc]
                    time.sleep(chance.random() * 0.3)  # somewhere in what it does about it
                    station.process.kill()
                    station.process.wait()
                said |= station.confirmed
                server.stop()
            server.start()
            receiver.failing = 0.0
            last = safety_monitor(home, "run", "--json", *listen, **variables)
            said |= {step["incident"] for step in last.objects if step["state"] == "confirmed"}
            retry = safety_monitor(home, "outbox", "retry", "--json", **variables)
            assert retry.status == 0, retry.stdout + retry.stderr
            sent = Counter(re.findall(r"Ref [0-9a-f]{10}", "".join(each["body"] for each in twilio.messages)))
        with server.engine.connect() as connection:
            rows = [row[0] for row in connection.execute(text("SELECT id FROM incidents"))]
    entries = Journal(home).list(limit=1000)
    confirmed = {
        entry.incident.id for entry in entries if any(step.state is State.CONFIRMED for step in entry.transitions)
    }
    assert len(said) > KILLS + SCREAMS - 1
    assert said <= confirmed, "a confirmed incident vanished"
    assert set(receiver.posts) == {f"{incident}:webhook:alarm" for incident in confirmed}
    assert sorted(rows) == sorted(confirmed)
    assert len(sent) == len(confirmed)
    assert set(sent.values()) == {1}, "an SMS came twice"
    alarms = [each for entry in entries for each in entry.deliveries if each.kind == "alarm"]
    assert len(alarms) == 3 * len(confirmed)
    assert {each.state for each in alarms} <= {"delivered", "sent"}
    assert max(each.attempts for each in alarms) > 1, "nothing was ever tried again"
