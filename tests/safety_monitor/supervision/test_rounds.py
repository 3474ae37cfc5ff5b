"""A channel that could not call for help is known before the emergency."""

import threading
from pathlib import Path

import pytest

from safety_monitor.actions.absent import Absent
from safety_monitor.actions.outcome import Outcome
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.journal.incidents import Journal
from safety_monitor.supervision import rounds
from safety_monitor.supervision.rounds import AGAIN_S, EVERY_S, Tried, after, go_round
from safety_monitor.supervision.supervisor import Ill
from tests.outlet import HANGS_S, Outlet

WELL = Outcome(ok=True, detail="accepts the account")
REFUSED = Outcome(ok=False, detail="token is wrong")
AWAY = Outcome(ok=False, detail="cannot be reached", again=True)


@pytest.mark.parametrize(
    ("outcomes", "ill_after_s"),
    [
        ([WELL] * 10, None),
        ([REFUSED, WELL, REFUSED, WELL], None),
        ([REFUSED] * 3, 60.0),
        ([AWAY] * 4 + [WELL], None),
        ([AWAY] * 8, 60.0 + 300.0 + 4 * 900.0),
        ([AWAY, REFUSED], 60.0),
    ],
)
def test_what_is_refused_is_told_soon_and_what_is_away_once_that_lasts(
    outcomes: list[Outcome], ill_after_s: float | None
) -> None:
    tried, now, found = Tried(0.0), 0.0, None
    for outcome in outcomes:
        now = tried.due
        tried = after(tried, outcome, now)
        found = now if found is None and tried.ill is not None else found
    assert found == ill_after_s
    assert (tried.ill is None) is (ill_after_s is None)
    assert tried.due == now + (EVERY_S if outcomes[-1].ok else AGAIN_S[min(len(outcomes) - 1, 2)])


def test_every_channel_is_tried_and_siren_and_voice_until_they_could_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_S", "EVERY_S", "LOOK_S"):
        monkeypatch.setattr(rounds, name, 0.01)
    monkeypatch.setattr(rounds, "AGAIN_S", (0.01,))
    answers = {"sms": [WELL], "mail": [REFUSED, REFUSED, WELL], "alarm": [REFUSED], "speech": [WELL, REFUSED]}
    over = threading.Event()
    told: dict[str, list[Ill | None]] = {}

    class Tested(Outlet):
        def check(self) -> Outcome:
            left = answers[self.name]
            return left.pop(0) if len(left) > 1 else left[0]

    def check(about: str, ill: Ill | None) -> None:
        told.setdefault(about, []).append(ill)
        if answers["mail"] == [WELL] and told.get("mail", [])[-1:] == [None] and told.get("alarm", [None])[-1]:
            over.set()

    channels = [Tested("sms"), Tested("mail"), Tested("alarm", heard=True), Tested("speech", heard=True)]
    dispatch = Dispatch(Journal(tmp_path), channels)
    go_round(dispatch, check, over)
    dispatch.close()
    assert Ill("token is wrong") in told["mail"]
    assert told["mail"][-1] is None
    assert told["alarm"][-1] == Ill("token is wrong", note=True)
    assert set(told["sms"]) == set(told["speech"]) == {None}
    assert all(channel.messages == [] for channel in channels)


@pytest.mark.parametrize("heard", [False, True])
def test_a_channel_that_does_not_answer_keeps_no_other_from_being_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    for name in ("FIRST_S", "EVERY_S", "LOOK_S"):
        monkeypatch.setattr(rounds, name, 0.01)
    monkeypatch.setattr(rounds, "ANSWER_S", 0.1)
    monkeypatch.setattr(rounds, "AGAIN_S", (0.01,))
    over, release = threading.Event(), threading.Event()
    told: dict[str, Ill | None] = {}

    class Hangs(Outlet):
        def check(self) -> Outcome:
            release.wait(HANGS_S)
            return WELL

    class Refused(Outlet):
        def check(self) -> Outcome:
            return REFUSED

    def check(about: str, ill: Ill | None) -> None:
        told[about] = ill
        if told.get("mail") is not None:
            over.set()

    dispatch = Dispatch(Journal(tmp_path), [Hangs("hangs", heard=heard), Refused("mail")])
    go_round(dispatch, check, over)
    release.set()
    dispatch.close()
    assert told == {"hangs": None, "mail": Ill("token is wrong")}


def test_a_channel_that_could_not_be_made_is_a_trouble_at_once_and_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRST_S", "EVERY_S"):
        monkeypatch.setattr(rounds, name, 3600.0)
    monkeypatch.setattr(rounds, "LOOK_S", 0.01)
    monkeypatch.setattr(rounds, "AGAIN_S", (0.1,))
    there, over = threading.Event(), threading.Event()
    told: list[Ill | None] = []
    attended: list[object] = []

    class Shows(Outlet):
        def attend(self, panel: object) -> None:
            attended.append(panel)

    def make() -> Outlet:
        if not there.is_set():
            raise OSError("ca.pem: no such file")
        return Shows("mqtt", record=True)

    def check(about: str, ill: Ill | None) -> None:
        told.append(ill)
        there.set()
        if ill is None:
            over.set()

    absent = Absent("mqtt", make, record=True, errors=(OSError,), why="ca.pem: no such file")
    dispatch = Dispatch(Journal(tmp_path), [absent])
    absent.attend("panel")
    go_round(dispatch, check, over)
    dispatch.close()
    assert told[0] == Ill("ca.pem: no such file")
    assert told[-1] is None
    assert attended == ["panel"]
