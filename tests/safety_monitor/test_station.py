"""The station's threads: senses that end, break and come back, and decisions made elsewhere."""

import itertools
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from gesture.liveness import SightFault
from media import lasting
from safety_monitor import sensing
from safety_monitor import station as station_module
from safety_monitor.actions.channel import Channel
from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.actions.recorder import Recorder
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.fusion import Fusion, FusionRules
from safety_monitor.incident import Evidence, Incident, Moment, Sense, State
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.live import LiveView
from safety_monitor.people.unanswered import SHOWN_S, Unanswered
from safety_monitor.sensing import Inputs, ReadySense, RunningSense, SenseError
from safety_monitor.station import Station, Summary
from safety_monitor.supervision import health_checks
from safety_monitor.supervision.supervisor import SIGNS, Fault, Rules, Sign, Supervisor
from tests.alarms import SCREAM
from tests.clock import Clock
from tests.idle_station import idle_station
from tests.waiting import until

FOREVER = 60.0


def moment(at_s: float, probability: float = 0.0, sense: Sense = Sense.AUDIO) -> Moment:
    label = "scream" if sense is Sense.AUDIO else "signal_for_help"
    return Moment(sense, at_s, (Evidence(sense, label, probability, at_s),))


def scripted(sense: Sense, *scripts: Callable[[], Iterator[Moment]], live: bool = False) -> ReadySense:
    """A sense whose source plays the next script each time it is opened."""
    remaining = iter(scripts)

    def open_source(start: float) -> RunningSense:
        return RunningSense("scripted", live, next(remaining)(), lambda: None)

    return ReadySense(sense, open_source)


def station_of(
    journal: Journal,
    load: Mapping[Sense, Callable[[], ReadySense]],
    *channels: Channel,
    tell: Callable[[Incident], None] = lambda incident: None,
    live: bool = False,
    supervisor: Supervisor | None = None,
    patient: bool = False,
    together: bool = True,
    recorder: Recorder | None = None,
) -> Station:
    return Station(
        Inputs(load=load, source="scripted", live=live, patient=patient, together=together),
        rules=FusionRules(),
        journal=journal,
        dispatch=Dispatch(journal, channels),
        on_transition=tell,
        supervisor=supervisor,
        recorder=recorder,
    )


@contextmanager
def running(station: Station, over: threading.Event) -> Iterator[None]:
    """Run a station until the block ends; its senses end when `over` is set."""
    thread = threading.Thread(target=station.run)
    thread.start()
    try:
        yield
    finally:
        station.stop()
        over.set()
        thread.join(FOREVER)


def quiet(over: threading.Event) -> ReadySense:
    """Ears that hear nothing."""

    def hears() -> Iterator[Moment]:
        over.wait(FOREVER)
        yield moment(0.1)

    return scripted(Sense.AUDIO, hears, live=True)


def run(journal: Journal, *senses: ReadySense) -> tuple[Summary, list[Incident]]:
    told: list[Incident] = []
    load = {sense.sense: partial(next, iter([sense])) for sense in senses}
    return station_of(journal, load, tell=told.append).run(), told


def test_a_recorded_scene_is_one_incident_told_and_journaled(journal: Journal) -> None:
    heard = scripted(Sense.AUDIO, lambda: iter([moment(1.0), moment(2.0, 0.9), moment(3.0)]))
    seen = scripted(Sense.GESTURE, lambda: iter([moment(2.5, 0.85, Sense.GESTURE), moment(9.0, 0.0, Sense.GESTURE)]))
    summary, told = run(journal, heard, seen)
    assert [incident.state for incident in told] == [State.PENDING, State.CONFIRMED, State.CLOSED]
    assert told[1].at_s == 2.0
    assert told[-1].senses == (Sense.AUDIO, Sense.GESTURE)
    assert (summary.started, summary.troubles, summary.watched_s) == (True, [], 9.0)
    entry = journal.show(told[0].id)
    assert (entry.incident, entry.source) == (told[-1], "scripted")


def test_a_live_source_that_breaks_is_opened_again_and_nothing_else_stops(journal: Journal) -> None:
    came_back = threading.Event()

    def breaks() -> Iterator[Moment]:
        yield moment(0.1)
        raise SenseError("unplugged")

    def fails() -> Iterator[Moment]:
        yield moment(0.2)
        raise RuntimeError("a mistake of ours")

    def comes_back() -> Iterator[Moment]:
        yield moment(0.3, 0.95)
        came_back.set()
        station.stop()

    def keeps_watching() -> Iterator[Moment]:
        yield moment(0.1, 0.0, Sense.GESTURE)
        assert came_back.wait(FOREVER)

    ears = scripted(Sense.AUDIO, breaks, fails, comes_back, live=True)
    eyes = scripted(Sense.GESTURE, keeps_watching, lambda: iter(()), live=True)
    station = station_of(journal, {Sense.AUDIO: lambda: ears, Sense.GESTURE: lambda: eyes}, live=True)
    summary = station.run()
    assert came_back.is_set()
    assert summary.started


def test_sound_that_came_late_is_not_decided_late(journal: Journal) -> None:
    over = threading.Event()

    def in_pieces() -> Iterator[Moment]:
        yield replace(moment(-5.0), late_s=5.0)
        over.wait(FOREVER)

    ears = scripted(Sense.AUDIO, in_pieces, live=True)
    station = station_of(journal, {Sense.AUDIO: lambda: ears}, live=True)
    with running(station, over):
        until(station.workload.lags)
        assert station.workload.lags()[Sense.AUDIO] < 5.0


class Post:
    """A channel that keeps what it is asked to deliver."""

    name = "post"

    def __init__(self) -> None:
        self.messages: queue.Queue[Message] = queue.Queue()

    def deliver(self, message: Message) -> Outcome:
        self.messages.put(message)
        return Outcome(ok=True, detail="", delivered=True)

    def check(self) -> Outcome:
        return Outcome(ok=True, detail="")

    def close(self) -> None:
        pass


def test_a_live_sense_that_stays_unwell_is_told_of_and_that_it_works_again(journal: Journal) -> None:
    def breaks() -> Iterator[Moment]:
        yield moment(0.1)
        raise SenseError("unplugged")

    def comes_back() -> Iterator[Moment]:
        while not over.wait(0.05):
            yield moment(0.2)

    over = threading.Event()
    ears = scripted(Sense.AUDIO, breaks, comes_back, live=True)
    post = Post()
    supervisor = Supervisor(rules=Rules(failed_after_s=0.1, steady_s=0.3))
    station = station_of(journal, {Sense.AUDIO: lambda: ears}, post, live=True, supervisor=supervisor)
    with running(station, over):
        told = post.messages.get(timeout=FOREVER), post.messages.get(timeout=FOREVER)
    assert [message.kind for message in told] == ["trouble", "trouble"]
    assert "station: trouble. hearing: unplugged" in told[0].text
    assert "station: works again. Before, hearing: unplugged" in told[1].text
    assert journal.list() == []


def test_a_source_whose_signal_is_dead_is_opened_anew_and_the_other_sense_goes_on(journal: Journal) -> None:
    opened: queue.Queue[threading.Event] = queue.Queue()
    screamed = threading.Event()

    def open_camera(start: float) -> RunningSense:
        closed = threading.Event()
        opened.put(closed)

        def frozen() -> Iterator[Moment]:
            while not closed.wait(0.02):
                supervisor.noticed(Sense.GESTURE, SightFault.FROZEN)
                yield moment(0.1, 0.0, Sense.GESTURE)

        return RunningSense("camera", True, frozen(), closed.set)

    def screams() -> Iterator[Moment]:
        yield moment(0.1, 0.95)
        screamed.set()
        while not over.wait(0.05):
            yield moment(0.2)

    over = threading.Event()
    supervisor = Supervisor(rules=Rules(restarts_s=(0.0, 0.1)))
    told: list[Incident] = []
    station = station_of(
        journal,
        {
            Sense.AUDIO: lambda: scripted(Sense.AUDIO, screams, live=True),
            Sense.GESTURE: lambda: ReadySense(Sense.GESTURE, open_camera),
        },
        tell=told.append,
        live=True,
        supervisor=supervisor,
    )
    dead = replace(SIGNS[SightFault.FROZEN], limit_s=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast(dict[Fault, Sign], SIGNS), SightFault.FROZEN, dead)
        with running(station, over):
            first, second = opened.get(timeout=FOREVER), opened.get(timeout=FOREVER)
            assert first.is_set()
            assert screamed.wait(FOREVER)
            assert any("same picture" in line for line in station.view.troubles())
    assert second.is_set()
    assert State.CONFIRMED in [incident.state for incident in told]


def test_a_patient_station_begins_without_a_device_that_is_not_there_yet(journal: Journal) -> None:
    there = threading.Event()

    def open_microphone(start: float) -> RunningSense:
        if not there.is_set():
            there.set()
            raise SenseError("no such device")
        return scripted(Sense.AUDIO, lambda: iter([moment(0.1, 0.95)]), live=True).open(start)

    def watches() -> Iterator[Moment]:
        while not done.wait(0.02):
            yield moment(0.1, 0.0, Sense.GESTURE)

    done = threading.Event()

    def tell(incident: Incident) -> None:
        if incident.state is State.CONFIRMED:
            done.set()
            station.stop()

    station = station_of(
        journal,
        {
            Sense.AUDIO: lambda: ReadySense(Sense.AUDIO, open_microphone, live=True),
            Sense.GESTURE: lambda: scripted(Sense.GESTURE, watches, live=True),
        },
        tell=tell,
        live=True,
        patient=True,
    )
    summary = station.run()
    assert summary.started
    assert len(summary.confirmed) == 1


def test_a_recording_that_breaks_is_a_trouble_and_what_came_before_counts(journal: Journal) -> None:
    def breaks() -> Iterator[Moment]:
        yield moment(1.0, 0.95)
        raise SenseError("breaks off at 1.0 s")

    summary, told = run(journal, scripted(Sense.AUDIO, breaks))
    assert summary.started
    assert summary.troubles == ["breaks off at 1.0 s"]
    assert State.CONFIRMED in [incident.state for incident in told]


@pytest.mark.parametrize("when", ["load", "open"])
def test_a_sense_that_cannot_start_ends_the_run_with_its_reason(journal: Journal, when: str) -> None:
    def fail(*_: object) -> ReadySense:
        raise SenseError("no such microphone")

    def endless() -> Iterator[Moment]:
        at_s = 0.0
        while True:
            yield moment(at_s, 0.0, Sense.GESTURE)
            at_s += 0.1

    ears = fail if when == "load" else lambda: ReadySense(Sense.AUDIO, fail)  # type: ignore[arg-type]
    station = station_of(journal, {Sense.AUDIO: ears, Sense.GESTURE: lambda: scripted(Sense.GESTURE, endless)})
    summary = station.run()
    assert not summary.started
    assert summary.troubles == ["no such microphone"]


def test_a_decision_in_another_process_reaches_the_running_station(journal: Journal) -> None:
    told: list[Incident] = []
    cancelled = threading.Event()

    def tell(incident: Incident) -> None:
        told.append(incident)
        if incident.state is State.CONFIRMED:
            journal.decide(incident.id, State.CANCELLED, "false alarm")
        if incident.state is State.CANCELLED:
            cancelled.set()

    def screams_until_cancelled() -> Iterator[Moment]:
        at_s = 0.0
        while not cancelled.wait(0.01):
            yield moment(at_s, 0.95)
            at_s += 0.01
        yield moment(at_s, 0.95)

    station = station_of(journal, {Sense.AUDIO: lambda: scripted(Sense.AUDIO, screams_until_cancelled)}, tell=tell)
    station.run()
    assert [incident.state for incident in told] == [State.PENDING, State.CONFIRMED, State.CANCELLED]
    with pytest.raises(JournalError):
        journal.decide(told[0].id, State.ACKNOWLEDGED, "")


def test_an_answer_after_it_closed_ends_the_siren_and_is_shown_for_a_while(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(station_module, "Unanswered", partial(Unanswered, clock=clock))

    class Siren(Post):
        heard = True
        hushed = threading.Event()

        def interrupt(self) -> None:
            self.hushed.set()

    def screams_and_goes_on() -> Iterator[Moment]:
        yield moment(0.1, 0.95)
        yield moment(FOREVER)  # it closes by itself; the siren may sound on
        while not over.wait(0.01):
            yield moment(FOREVER + 1.0)

    told: queue.Queue[Incident] = queue.Queue()
    over, siren = threading.Event(), Siren()
    load = {Sense.AUDIO: lambda: scripted(Sense.AUDIO, screams_and_goes_on)}
    station = station_of(journal, load, siren, tell=told.put)
    with running(station, over):
        for state in (State.PENDING, State.CONFIRMED, State.CLOSED):
            incident = told.get(timeout=FOREVER)
            assert incident.state is state
        assert not siren.hushed.is_set()
        assert station.view.snapshot().unanswered == incident
        journal.decide(incident.id, State.ACKNOWLEDGED, "by a person")
        assert told.get(timeout=FOREVER).state is State.ACKNOWLEDGED
        assert siren.hushed.is_set()
        shown = station.view.snapshot().incident
        assert shown is not None
        assert shown.state is State.ACKNOWLEDGED
        clock.now += SHOWN_S
        until(lambda: station.view.snapshot().incident is None)
        assert station.view.snapshot().unanswered is None
    assert told.empty()


def test_two_incidents_that_are_answered_at_once_end_the_siren(journal: Journal) -> None:
    class Siren(Post):
        heard = True
        hushed, begun, first = threading.Event(), threading.Event(), threading.Lock()

        def interrupt(self) -> None:
            self.hushed.set()

        @property
        def answers(self) -> bool:
            """Asked while an answer is acted on; the first takes until the second has been."""
            if self.first.acquire(blocking=False):
                self.begun.set()
                assert over.wait(FOREVER)
            return False

    siren, over = Siren(), threading.Event()
    station = station_of(journal, {Sense.AUDIO: lambda: scripted(Sense.AUDIO, lambda: iter(()))}, siren)
    here, elsewhere = (Fusion(FusionRules(), new_id=lambda number=number: number) for number in ("1", "2"))  # type: ignore[misc]
    for fusion in (here, elsewhere):
        for incident in fusion.judge(moment(1.0, 0.95)):
            station.follow(incident, "a microphone")
    first = threading.Thread(target=station.follow_decision, args=(here, State.ACKNOWLEDGED))
    first.start()
    assert siren.begun.wait(FOREVER)
    assert not siren.hushed.is_set()
    station.follow_decision(elsewhere, State.ACKNOWLEDGED)
    assert siren.hushed.is_set()
    over.set()
    first.join()
    station.run()


def test_evidence_that_cannot_be_begun_keeps_no_emergency_back(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(recorder: Recorder, incident: Incident) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Recorder, "begin", begin)
    recorder, post = Recorder(EvidenceStore(journal.path.parent, keep_days=30.0, most_bytes=10**9)), Post()
    station = station_of(journal, {Sense.AUDIO: lambda: scripted(Sense.AUDIO, lambda: iter(()))}, post)
    station.follow(SCREAM, "a microphone elsewhere", recorder=recorder)
    assert post.messages.get(timeout=FOREVER).kind == "alarm"
    recorder.close()
    station.run()


def test_a_station_started_anew_still_shows_whom_nobody_answered(journal: Journal) -> None:
    for state in (State.CONFIRMED, State.CLOSED):
        journal.record(replace(SCREAM, state=state))
    told: queue.Queue[Incident] = queue.Queue()
    over = threading.Event()

    def waits() -> Iterator[Moment]:
        while not over.wait(0.01):
            yield moment(1.0)

    load = {Sense.AUDIO: lambda: scripted(Sense.AUDIO, waits)}
    station = station_of(journal, load, tell=told.put)
    assert station.view.snapshot().unanswered == replace(SCREAM, state=State.CLOSED)
    with running(station, over):
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
        assert told.get(timeout=FOREVER).state is State.ACKNOWLEDGED
        assert station.view.snapshot().unanswered is None


def test_a_station_starts_though_its_journal_holds_what_means_nothing_and_tells_of_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SENSES_S", "LOOK_S"):
        monkeypatch.setattr(health_checks, name, 0.01)
    journal.record(SCREAM, [Planned(delivery_key(SCREAM.id, "post", "alarm"), "post", Nature.MESSAGE, "alarm")])
    with closing(sqlite3.connect(journal.path)) as other:
        other.execute("UPDATE incidents SET state = 'kloset'")
        other.commit()
    over, post = threading.Event(), Post()
    station = station_of(journal, {Sense.AUDIO: lambda: quiet(over)}, post, live=True)
    with running(station, over):
        told = [post.messages.get(timeout=FOREVER) for _ in range(2)]
    assert sorted(message.kind for message in told) == ["alarm", "trouble"]
    assert any("journal: was damaged" in message.text for message in told)


def test_a_journal_that_cannot_be_written_stops_no_alarm(journal: Journal, tmp_path: Path) -> None:
    def loses_the_journal() -> Iterator[Moment]:
        journal.close()
        for path in tmp_path.glob("journal.sqlite*"):
            path.unlink()
        journal.path.mkdir()
        yield moment(1.0, 0.95)

    summary, told = run(journal, scripted(Sense.AUDIO, loses_the_journal))
    assert State.CONFIRMED in [incident.state for incident in told]
    assert "cannot be written" in summary.troubles[0]


def test_a_journal_that_cannot_be_read_any_more_keeps_no_emergency_from_being_noticed(tmp_path: Path) -> None:
    hangs, mended = threading.Event(), threading.Event()

    class Hanging(Journal):
        def state_of(self, incident_id: str) -> State:
            hangs.set()
            assert mended.wait(FOREVER)
            return super().state_of(incident_id)

    def screams() -> Iterator[Moment]:
        yield moment(1.0, 0.95)
        assert hangs.wait(FOREVER)
        yield moment(100.0)
        yield moment(200.0, 0.95)
        yield moment(300.0)
        assert told_twice.wait(FOREVER)
        mended.set()

    told: list[Incident] = []
    told_twice = threading.Event()

    def tell(incident: Incident) -> None:
        told.append(incident)
        if len({each.id for each in told if each.state is State.CONFIRMED}) == 2:
            told_twice.set()

    station_of(Hanging(tmp_path), {Sense.AUDIO: lambda: scripted(Sense.AUDIO, screams)}, tell=tell).run()
    assert told_twice.is_set()


def test_a_journal_that_falls_behind_silences_no_siren(journal: Journal) -> None:
    class Siren(Post):
        heard = True
        interrupted = 0

        def interrupt(self) -> None:
            Siren.interrupted += 1

    def screams() -> Iterator[Moment]:
        yield moment(0.1, 0.6)
        assert pending.wait(FOREVER)
        blocker.execute("BEGIN IMMEDIATE")  # from here on the journal holds the incident as pending
        for number in range(2, 12):
            yield moment(number / 10, 0.95)

    blocker = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)
    impatient = Journal(journal.path.parent, wait_s=0.0)
    siren = Siren()
    told: list[Incident] = []
    pending = threading.Event()

    def tell(incident: Incident) -> None:
        told.append(incident)
        pending.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(station_module, "TICK_S", 0.0)
        station = station_of(impatient, {Sense.AUDIO: lambda: scripted(Sense.AUDIO, screams)}, siren, tell=tell)
        station.run()
    blocker.close()
    assert State.CONFIRMED in [incident.state for incident in told]
    assert siren.messages.get(timeout=FOREVER).kind == "alarm"
    assert siren.interrupted == 0


@pytest.mark.parametrize("where", ["close", "iterate"])
def test_a_driver_that_hangs_does_not_keep_the_station_from_ending(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(station_module, "END_S", 0.1)
    for_good = threading.Event()

    def watches() -> Iterator[Moment]:
        yield moment(0.1, 0.0, Sense.GESTURE)
        station.stop()
        for_good.wait(FOREVER)

    def close() -> None:
        if where == "close":
            raise OSError("the driver is in disorder")

    eyes = ReadySense(Sense.GESTURE, lambda start: RunningSense("camera", True, watches(), close))
    ears = scripted(Sense.AUDIO, lambda: iter([moment(0.1, 0.95)]), live=True)
    station = station_of(journal, {Sense.AUDIO: lambda: ears, Sense.GESTURE: lambda: eyes}, live=True)
    assert station.run().started
    for_good.set()


def test_a_machine_that_slept_is_told_of(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = iter([0.0])
    monkeypatch.setattr(health_checks, "asleep", lambda: next(slept, 3600.0))
    for name in ("SENSES_S", "LOOK_S"):
        monkeypatch.setattr(health_checks, name, 0.01)
    over, post = threading.Event(), Post()
    station = station_of(journal, {Sense.AUDIO: lambda: quiet(over)}, post, live=True)
    with running(station, over):
        told = post.messages.get(timeout=FOREVER)
    assert "slept for 3600 s; nothing was watched" in told.text


def test_evidence_that_a_clock_would_make_too_old_is_told_of(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENSES_S", "LOOK_S"):
        monkeypatch.setattr(health_checks, name, 0.01)
    store = EvidenceStore(journal.path.parent, keep_days=30.0, most_bytes=10**9)
    path = store.save("1", "sound.flac", b"fLaC")
    assert path is not None
    os.utime(path, (1_750_000_000.0, 1_750_000_000.0))
    over, post = threading.Event(), Post()
    load = {Sense.AUDIO: lambda: quiet(over)}
    eager = Supervisor(rules=Rules(failed_after_s=0.05))
    station = station_of(journal, load, post, live=True, supervisor=eager, recorder=Recorder(store))
    with running(station, over):
        told = post.messages.get(timeout=FOREVER)
    assert "clock: the clock was set, or the station was off for days: evidence of 1 incidents" in told.text


def test_who_waits_for_an_answer_is_known_though_what_was_left_open_cannot_be_ended(tmp_path: Path) -> None:
    journal = Journal(tmp_path, wait_s=0.0)
    journal.record(SCREAM)
    dispatch = Dispatch(journal, [])
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:  # as where the disk is full
        other.execute("BEGIN IMMEDIATE")
        station = idle_station(journal, dispatch)
    assert station.view.snapshot().unanswered == replace(SCREAM, state=State.CLOSED)
    dispatch.close()


def test_of_two_who_arm_and_disarm_at_once_the_pages_show_what_came_of_it(journal: Journal) -> None:
    dispatch = Dispatch(journal, [])
    station = idle_station(journal, dispatch)
    station.arm(False)
    other = threading.Thread(target=station.arm, args=(False,), daemon=True)

    class Crossed(LiveView):
        def switched(self, armed: bool) -> None:
            if armed:  # the hours arm it, and before anybody is shown that somebody disarms it
                other.start()
                other.join(0.2)
            super().switched(armed)

    station.view = Crossed(FusionRules(), tuple(Sense))
    station.arm(True)
    other.join(FOREVER)
    assert (station.armed, station.view.snapshot().armed) == (False, False)
    dispatch.close()


def test_a_station_that_was_disarmed_and_forgotten_is_told_of_and_follows_the_time_zone_of_its_machine(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SENSES_S", "LOOK_S"):
        monkeypatch.setattr(health_checks, name, 0.01)
    over, post, sure = threading.Event(), Post(), Supervisor(rules=Rules(failed_after_s=0.05, steady_s=0.0))

    def watches() -> Iterator[Moment]:
        over.wait(FOREVER)
        yield moment(0.1)

    load = {Sense.AUDIO: lambda: scripted(Sense.AUDIO, watches, live=True)}
    station = station_of(journal, load, post, live=True, supervisor=sure)
    running = threading.Thread(target=station.run)
    running.start()
    station.arm(False)
    assert station.forgotten == ""
    monkeypatch.setattr(station_module, "FORGOTTEN_S", 0.0)
    told = post.messages.get(timeout=FOREVER)
    station.arm(True)
    again = post.messages.get(timeout=FOREVER)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    deadline = time.monotonic() + FOREVER
    while time.localtime().tm_gmtoff != 14 * 3600:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    station.stop()
    over.set()
    running.join()
    monkeypatch.undo()
    time.tzset()
    assert "trouble. armed: disarmed by hand 0 hours ago, and calls nobody" in told.text
    assert "works again." in again.text


def test_a_transition_that_cannot_be_told_of_keeps_no_emergency_back(journal: Journal) -> None:
    post = Post()

    def tell(incident: Incident) -> None:
        raise BrokenPipeError("nobody reads any more")

    heard = scripted(Sense.AUDIO, lambda: iter([moment(1.0), moment(2.0, 0.9), moment(3.0)]))
    summary = station_of(journal, {Sense.AUDIO: lambda: heard}, post, tell=tell).run()
    assert summary.started
    assert [entry.incident.state for entry in journal.list()] == [State.CLOSED]
    assert post.messages.get(timeout=FOREVER).kind == "alarm"


def test_a_station_that_can_decide_nothing_any_more_ends_in_order(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> list[Incident]:
        raise RuntimeError("a mistake of ours")

    for name in ("judge", "finish"):
        monkeypatch.setattr(Fusion, name, fails)
    heard = scripted(Sense.AUDIO, lambda: (moment(1.0 + number) for number in itertools.count()))
    post = Post()
    station = station_of(journal, {Sense.AUDIO: lambda: heard}, post)
    station.dispatch.follow(SCREAM)
    summary = station.run()
    assert summary.troubles == ["decide: fails again and again; the run ends, see the log"]
    assert post.messages.get(timeout=FOREVER).kind == "alarm"
    Dispatch(journal, []).close()  # nobody delivers from the journal any more


def test_a_thread_that_fails_in_an_unforeseen_way_is_a_trouble(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting, "_failed", {"places": float("inf")})
    shown = threading.Event()

    def watches() -> Iterator[Moment]:
        while not shown.wait(0.05):
            yield moment(0.1)

    ears = scripted(Sense.AUDIO, watches, live=True)
    station = station_of(journal, {Sense.AUDIO: lambda: ears}, live=True)
    with running(station, shown):
        until(lambda: any("places: failed in an unforeseen way" in line for line in station.view.troubles()))


def test_live_ears_hear_while_the_eyes_are_still_being_loaded(journal: Journal) -> None:
    heard = threading.Event()

    def hears() -> Iterator[Moment]:
        yield moment(0.1, 0.95)
        assert heard.wait(FOREVER)

    def load_eyes() -> ReadySense:
        assert heard.wait(FOREVER)
        station.stop()
        return scripted(Sense.GESTURE, lambda: iter(()), live=True)

    ears = scripted(Sense.AUDIO, hears, lambda: iter(()), live=True)
    load = {Sense.AUDIO: lambda: ears, Sense.GESTURE: load_eyes}
    tell = lambda incident: heard.set() if incident.state is State.CONFIRMED else None  # noqa: E731
    station = station_of(journal, load, tell=tell, live=True, together=False)
    station.run()
    assert heard.is_set()


def test_a_sense_that_cannot_be_loaded_stops_no_patient_station_and_is_loaded_once_it_can(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensing, "RETRY_S", (0.01,))
    seen, heard = threading.Event(), threading.Event()
    fails = iter([SenseError("no such model"), RuntimeError("a mistake of ours")])

    def hears() -> Iterator[Moment]:
        yield moment(0.1)
        heard.set()
        assert seen.wait(FOREVER)

    def sees() -> Iterator[Moment]:
        yield moment(0.2, 0.0, Sense.GESTURE)
        seen.set()
        station.stop()

    def load_eyes() -> ReadySense:
        assert heard.wait(FOREVER)
        if (failure := next(fails, None)) is not None:
            raise failure
        return scripted(Sense.GESTURE, sees, live=True)

    ears = scripted(Sense.AUDIO, hears, lambda: iter(()), live=True)
    load = {Sense.AUDIO: lambda: ears, Sense.GESTURE: load_eyes}
    station = station_of(journal, load, live=True, patient=True, together=False)
    assert station.run().started
    assert seen.is_set()


def test_a_live_sense_that_fails_in_an_unforeseen_way_is_loaded_anew(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensing, "RETRY_S", (0.01,))
    closed: list[str] = []

    def fails() -> Iterator[Moment]:
        yield moment(0.1)
        raise RuntimeError("the detector is broken")

    def works() -> Iterator[Moment]:
        yield moment(0.2)
        station.stop()

    scripts = iter([fails, fails, works])

    def close() -> None:
        closed.append("closed")
        raise RuntimeError("so broken that it cannot even be closed")

    def load() -> ReadySense:
        return replace(scripted(Sense.AUDIO, next(scripts), live=True), close=close, live=True)

    station = station_of(journal, {Sense.AUDIO: load}, live=True)
    station.run()
    assert closed == ["closed"] * 3
