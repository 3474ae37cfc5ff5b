"""What the journal holds survives, and never goes through a state that may not follow."""

import multiprocessing
import os
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from safety_monitor.delivery import DeliveryState, Job, Result, Turn
from safety_monitor.dispatch.settling import instead_of
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.incident import Incident, Mark, State, notice
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.outbox import STALE
from safety_monitor.journal.search import unanswered_incidents
from safety_monitor.people.decision import Decisions
from tests.alarms import SCREAM as CONFIRMED
from tests.clock import Clock

SCREAM = replace(CONFIRMED, state=State.PENDING)


def asked(channel: str, nature: Nature = Nature.MESSAGE, after_s: float = 0.0, incident: Incident = SCREAM) -> Planned:
    return Planned(delivery_key(incident.id, channel, "alarm"), channel, nature, "alarm", after_s)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Journal:
    return Journal(tmp_path, clock)


def test_an_incident_is_read_back_as_it_was_written(journal: Journal) -> None:
    journal.record(SCREAM, source="a.wav")
    journal.record(CONFIRMED, (asked("email"), asked("sms")))
    entry = journal.show(SCREAM.id)
    assert entry.incident == CONFIRMED
    assert entry.source == "a.wav"
    assert [(step.state, step.by) for step in entry.transitions] == [
        (State.PENDING, "station"),
        (State.CONFIRMED, "station"),
    ]
    assert [(step.channel, step.state, step.attempts) for step in entry.deliveries] == [
        ("email", DeliveryState.PENDING, 0),
        ("sms", DeliveryState.PENDING, 0),
    ]


def test_what_happened_is_for_nobody_else_on_the_machine(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        journal = Journal(tmp_path / "home")
        journal.record(SCREAM)
        names = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "home").iterdir()}
    finally:
        os.umask(before)
    journal.close()
    assert names == dict.fromkeys(("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0)
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def test_an_id_may_be_shortened_while_it_is_unique(journal: Journal) -> None:
    journal.record(SCREAM)
    journal.record(replace(SCREAM, id="0b4afff"))
    assert journal.show("0b4ad").incident.id == SCREAM.id
    with pytest.raises(JournalError, match="several incidents begin with '0b4a'"):
        journal.show("0b4a")
    for unknown in ("zzz", "", "%"):
        with pytest.raises(JournalError, match=f"no incident '{unknown}'"):
            journal.show(unknown)


def confirmed(journal: Journal, *deliveries: Planned) -> None:
    journal.record(SCREAM)
    journal.record(CONFIRMED, deliveries)


def take(journal: Journal, channel: str) -> Job:
    (job,) = journal.outbox.due(channel)
    journal.outbox.begin([job])
    return job


def test_deliveries_keep_their_attempts_and_their_last_word(journal: Journal, clock: Clock) -> None:
    confirmed(journal, asked("email"))
    job = take(journal, "email")
    assert not journal.outbox.due("email")
    journal.outbox.finish([Result(job.key, job.version, DeliveryState.PENDING, "no network", due_at=clock.now + 10)])
    assert not journal.outbox.due("email")
    assert journal.outbox.next_due("email") == clock.now + 10
    clock.now += 10
    job = take(journal, "email")
    assert (job.attempts, job.turn, job.incident) == (1, Turn.RETRY, CONFIRMED)
    journal.outbox.finish([Result(job.key, job.version, DeliveryState.SENT, "accepted")])
    (delivery,) = journal.show(SCREAM.id).deliveries
    assert (delivery.state, delivery.attempts, delivery.detail) == (DeliveryState.SENT, 2, "accepted")
    assert journal.outbox.next_due("email") is None


def test_what_came_of_a_delivery_that_was_lost_with_a_damaged_journal_keeps_no_other_from_being_written(
    journal: Journal,
) -> None:
    confirmed(journal, asked("email"))
    job = take(journal, "email")
    keys = ("lost", job.key)
    journal.outbox.finish([Result(key, job.version, DeliveryState.DELIVERED, "done") for key in keys])
    assert [each.state for each in journal.show(SCREAM.id).deliveries] == [DeliveryState.DELIVERED]


def test_a_sound_is_begun_with_the_incident_and_never_taken_from_the_journal(journal: Journal) -> None:
    confirmed(journal, asked("alarm", Nature.SOUND))
    (delivery,) = journal.show(SCREAM.id).deliveries
    assert (delivery.state, delivery.attempts) == (DeliveryState.SENDING, 1)
    assert not journal.outbox.due("alarm")


def test_what_is_new_comes_before_what_failed_and_that_before_what_is_followed(journal: Journal, clock: Clock) -> None:
    order = ["old", "sent", "new"]
    for incident_id in order:
        incident = replace(CONFIRMED, id=incident_id)
        journal.record(incident, [asked("sms", incident=incident)])
    for state in (DeliveryState.PENDING, DeliveryState.SENT):
        job = take(journal, "sms")
        journal.outbox.finish([Result(job.key, job.version, state, "", due_at=clock.now)])
    found = []
    while jobs := journal.outbox.due("sms"):
        journal.outbox.begin(jobs)
        journal.outbox.finish([Result(jobs[0].key, 1, DeliveryState.DELIVERED, "")])
        found.append((jobs[0].incident.id, jobs[0].turn))
    assert found == [("new", Turn.FRESH), ("old", Turn.RETRY), ("sent", Turn.FOLLOW)]


def test_a_record_is_asked_for_anew_at_every_change_also_while_it_is_written(journal: Journal) -> None:
    confirmed(journal, asked("mysql", Nature.RECORD))
    job = take(journal, "mysql")
    journal.outbox.finish([Result(job.key, job.version, DeliveryState.DELIVERED, "")])
    journal.record(replace(SCREAM, state=State.ACKNOWLEDGED))
    job = take(journal, "mysql")
    assert (job.kind, job.incident.state) == ("update", State.ACKNOWLEDGED)
    journal.record(replace(SCREAM, state=State.CLOSED))
    journal.outbox.finish([Result(job.key, job.version, DeliveryState.DELIVERED, "")])
    again = take(journal, "mysql")
    assert (again.key, again.incident.state) == (job.key, State.CLOSED)
    journal.outbox.finish([Result(again.key, again.version, DeliveryState.DELIVERED, "")])
    assert not journal.outbox.due("mysql")


@pytest.mark.parametrize("decision", [State.ACKNOWLEDGED, State.CANCELLED])
@pytest.mark.parametrize("closed", [False, True])
def test_who_answers_drops_the_steps_that_wait_and_those_who_were_told_are_told(
    journal: Journal, decision: State, closed: bool
) -> None:
    confirmed(journal, asked("sms"), asked("call", after_s=60.0), asked("mysql", Nature.RECORD))
    job = take(journal, "sms")
    journal.outbox.finish([Result(job.key, job.version, DeliveryState.DELIVERED, "")])
    if closed:
        journal.record(replace(SCREAM, state=State.CLOSED))
    assert journal.decide(SCREAM.id, decision, "by a person").state is decision
    entry = journal.show(SCREAM.id)
    assert entry.incident.state is (State.CLOSED if closed else decision)
    assert (entry.transitions[-1].state, entry.standing) == (decision, decision)
    assert {(each.channel, each.kind, each.state.value) for each in entry.deliveries} == {
        ("sms", "alarm", "delivered"),
        ("sms", "update", "pending"),
        ("call", "alarm", "dropped"),
        ("mysql", "alarm", "pending"),
        ("mysql", "update", "pending"),
    }


def test_whoever_was_called_can_answer_though_it_has_been_quiet_since(journal: Journal) -> None:
    confirmed(journal, asked("sms"), asked("mysql", Nature.RECORD))
    take(journal, "sms")
    journal.record(replace(SCREAM, state=State.CLOSED))
    assert journal.show(SCREAM.id).standing is State.CLOSED
    journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
    with pytest.raises(JournalError, match="is acknowledged; it cannot become acknowledged"):
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by another")
    told, record = take(journal, "sms"), take(journal, "mysql")
    assert (told.kind, told.incident.state, record.incident.state) == ("update", State.ACKNOWLEDGED, State.CLOSED)
    journal.decide(SCREAM.id, State.CANCELLED, "by a person")
    assert take(journal, "sms").incident.state is State.CANCELLED
    for state in (State.ACKNOWLEDGED, State.CANCELLED):
        with pytest.raises(JournalError, match=f"is cancelled; it cannot become {state}"):
            journal.decide(SCREAM.id, state, "by a person")


def test_under_duress_it_looks_called_off_and_help_comes_all_the_same(journal: Journal, clock: Clock) -> None:
    confirmed(journal, asked("sms"), asked("call", after_s=60.0))
    journal.decide(SCREAM.id, State.CANCELLED, "by a person", duress=True)
    shown = journal.show(SCREAM.id)
    assert shown.incident.state is State.CANCELLED
    assert [(each.channel, each.kind, each.state.value) for each in shown.deliveries] == [
        ("sms", "alarm", "pending"),
        ("sms", "update", "pending"),
        ("call", "alarm", "dropped"),
    ]
    assert "duress" not in repr((shown, journal.list(), journal.outbox.list()))
    assert [each.kind for each in journal.show(SCREAM.id, covert=True).deliveries] == ["alarm", "duress", "alarm"]
    clock.now += 60
    jobs = [take(journal, "sms"), take(journal, "sms"), take(journal, "call")]
    assert [job.kind for job in jobs] == ["duress"] * 3  # nobody is told that it was called off
    assert jobs[-1].hidden


def test_a_step_that_was_handed_over_before_somebody_answered_shows_so_under_duress_too(
    tmp_path: Path, clock: Clock
) -> None:
    shown = []
    for duress in (False, True):
        clock.now = 1_800_000_000.0
        journal = Journal(tmp_path / str(duress), clock)
        confirmed(journal, asked("sms", after_s=40.0), asked("call", after_s=60.0))
        clock.now += 40
        job = take(journal, "sms")
        journal.outbox.finish([Result(job.key, job.version, DeliveryState.SENT, "queued", due_at=clock.now + 5)])
        clock.now += 1
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person", duress=duress)
        clock.now += 60
        journal.record(replace(SCREAM, state=State.CLOSED))
        late = [*journal.outbox.due("call"), *journal.outbox.due("sms")]
        assert [job.channel for job in late if job.turn is not Turn.FOLLOW] == (["call", "sms"] if duress else ["sms"])
        journal.outbox.begin(late)
        journal.outbox.finish([Result(each.key, each.version, DeliveryState.SENT, "queued") for each in late])
        steps = [each for each in journal.show(SCREAM.id).deliveries if each.kind == "alarm"]
        shown.append([(each.channel, each.state, each.attempts, each.detail, each.due_at) for each in steps])
    assert shown[0] == shown[1]
    assert [each[:2] for each in shown[0]] == [("sms", DeliveryState.SENT), ("call", DeliveryState.DROPPED)]


@pytest.mark.parametrize("closed_first", [False, True])
def test_what_is_told_of_an_answer_looks_the_same_under_duress(
    tmp_path: Path, clock: Clock, closed_first: bool
) -> None:
    def life(duress: bool) -> list[Any]:
        clock.now = 1_800_000_000.0
        journal, seen = Journal(tmp_path / str(duress), clock), []

        def look() -> None:
            clock.now += 1
            seen.append((journal.show(SCREAM.id).deliveries, journal.outbox.list()))

        def does(channel: str, state: DeliveryState, detail: str, due_s: float | None = None) -> None:
            job = take(journal, channel)
            due_at = None if due_s is None else clock.now + due_s
            journal.outbox.finish([Result(job.key, job.version, state, detail, due_at=due_at)])
            look()

        confirmed(journal, asked("sms"), asked("mysql", Nature.RECORD))
        does("sms", DeliveryState.DELIVERED, "delivered")
        does("mysql", DeliveryState.DELIVERED, "row written")
        if closed_first:
            journal.record(replace(SCREAM, state=State.CLOSED))
            does("mysql", DeliveryState.DELIVERED, "row written")
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person", duress=duress)
        look()
        does("sms", DeliveryState.PENDING, "Twilio cannot be reached", 1.0)
        does("sms", DeliveryState.SENT, "queued at Twilio", 1.0)
        does("sms", DeliveryState.DELIVERED, "delivered")
        does("mysql", DeliveryState.DELIVERED, "row written")
        if not closed_first:
            journal.record(replace(SCREAM, state=State.CLOSED))
            look()
            does("mysql", DeliveryState.DELIVERED, "row written")
        journal.close()
        return seen

    for forced, free in zip(life(duress=True), life(duress=False), strict=True):
        assert forced == free


def test_the_outbox_does_what_it_is_told_under_duress_too_as_far_as_can_be_seen(tmp_path: Path, clock: Clock) -> None:
    def life(duress: bool) -> list[Any]:
        clock.now = 1_800_000_000.0
        journal = Journal(tmp_path / str(duress), clock)
        confirmed(journal, replace(asked("sms"), fallback=("email",)), asked("fax"), asked("call", after_s=60.0))
        seen: list[Any] = []

        def fails(channel: str, state: DeliveryState, due_s: float | None = None) -> Job:
            job = take(journal, channel)
            due_at = None if due_s is None else clock.now + due_s
            journal.outbox.fall_back(job, instead_of(job, {"email": Nature.MESSAGE}))
            journal.outbox.finish([Result(job.key, job.version, state, "no network", due_at=due_at)])
            seen.append((journal.outbox.list(), journal.show(SCREAM.id).deliveries))
            clock.now += 1
            return job

        fails("fax", DeliveryState.SENT)
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
        fails("fax", DeliveryState.SENT)
        journal.decide(SCREAM.id, State.CANCELLED, "by a person", duress=duress)
        fails("sms", DeliveryState.FAILED)
        fails("fax", DeliveryState.PENDING, 300.0)
        told = fails("sms", DeliveryState.FAILED)
        assert told.kind == ("duress" if duress else "update")
        seen.append(journal.outbox.retry())
        sms_key, fax_key = (
            next(each.key for each in journal.outbox.list() if each.channel == name and each.kind == "update")
            for name in ("sms", "fax")
        )
        seen.append(journal.outbox.retry(sms_key))
        journal.outbox.drop(fax_key)
        seen += [journal.outbox.delivery(sms_key), journal.outbox.list(), journal.show(SCREAM.id).deliveries]
        for refused in (journal.outbox.drop, journal.outbox.retry):
            with pytest.raises(JournalError, match="is dropped"):
                refused(fax_key)
        assert [job.kind for job in journal.outbox.due("fax")] == (["duress"] if duress else [])
        assert [job.kind for job in journal.outbox.due("email")] == (["duress"] if duress else ["alarm"])
        journal.close()
        return seen

    for forced, free in zip(life(duress=True), life(duress=False), strict=True):
        assert forced == free


def test_who_is_told_instead_where_a_step_fails_under_duress_is_not_to_be_seen(journal: Journal, clock: Clock) -> None:
    confirmed(journal, asked("sms"), replace(asked("call", after_s=60.0), fallback=("email",)))
    journal.decide(SCREAM.id, State.CANCELLED, "by a person", duress=True)
    before = journal.show(SCREAM.id).deliveries
    clock.now += 60
    job = take(journal, "call")
    journal.outbox.fall_back(job, instead_of(job, {"email": Nature.MESSAGE}))
    journal.outbox.finish([Result(job.key, job.version, DeliveryState.FAILED, "refused")])
    assert journal.show(SCREAM.id).deliveries == before
    assert "email" not in repr((journal.outbox.list(), journal.outbox.retry()))
    assert take(journal, "email").kind == "duress"


def test_a_disarming_under_duress_shows_nowhere_in_the_outbox(journal: Journal) -> None:
    told = notice("disarmed")
    duress = Planned(delivery_key(told.id, "sms", "duress"), "sms", Nature.MESSAGE, "duress")
    journal.notice(told, [duress], covert=True)
    assert (journal.outbox.list(), journal.outbox.retry()) == ([], [])
    assert take(journal, "sms").key == duress.key


def test_what_a_person_decides_has_the_moment_at_which_it_was(journal: Journal, clock: Clock, tmp_path: Path) -> None:
    confirmed(journal)
    clock.now += 12.5
    assert journal.decide(SCREAM.id, State.ACKNOWLEDGED, "").at_s == pytest.approx(SCREAM.at_s + 12.5)
    assert journal.show(SCREAM.id).incident.at_s == pytest.approx(SCREAM.at_s + 12.5)
    closed = replace(SCREAM, state=State.CLOSED, at_s=SCREAM.at_s + 30)
    clock.now += 17.5
    journal.record(closed)
    clock.now += 300
    assert journal.decide(SCREAM.id, State.CANCELLED, "").at_s == pytest.approx(SCREAM.at_s + 330)
    entry = journal.show(SCREAM.id)
    assert entry.incident.at_s == closed.at_s, "it was over then"
    moments = [SCREAM.at_s + passed for passed in (0, 0, 12.5, 30, 330)]
    assert [step.at_s for step in entry.transitions] == pytest.approx(moments)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as old:  # as version 4 wrote it
        old.execute("UPDATE transitions SET at_s = ? WHERE \"by\" = 'person'", (SCREAM.at_s,))
        old.execute("PRAGMA user_version = 4")
    old.close()
    steps = Journal(tmp_path, clock).show(SCREAM.id).transitions
    assert [step.at_s for step in steps] == pytest.approx(moments, abs=0.002)


def test_the_clock_was_set_back_before_a_person_decided(journal: Journal, clock: Clock) -> None:
    confirmed(journal)
    clock.now -= 3600
    assert journal.decide(SCREAM.id, State.ACKNOWLEDGED, "").at_s == SCREAM.at_s


@pytest.mark.parametrize("running", [True, False])
def test_a_clock_that_was_set_back_is_made_up_for_once(journal: Journal, clock: Clock, running: bool) -> None:
    clock.now = 1_900_000_000.0
    later = Planned(delivery_key(SCREAM.id, "sms", "alarm"), "sms", Nature.MESSAGE, "alarm", after_s=600.0)
    journal.record(SCREAM, [later])
    clock.now -= 86_400.0
    if running:
        journal.outbox.shift(-86_400.0)
    for _ in range(2):
        journal.outbox.recover(["sms"])
        assert journal.outbox.next_due("sms") == pytest.approx(clock.now + 600.0, abs=1.0)


def test_a_delivery_that_failed_asks_others_once(journal: Journal, clock: Clock) -> None:
    email = asked("email")
    confirmed(journal, replace(asked("sms"), fallback=("email",)))
    job = take(journal, "sms")
    assert job.fallback == ("email",)
    assert not journal.outbox.overdue(clock.now)
    clock.now += 60
    assert [each.key for each in journal.outbox.overdue(clock.now)] == [job.key]
    journal.outbox.fall_back(job, [email])
    assert not journal.outbox.overdue(clock.now)
    assert take(journal, "email").key == email.key
    journal.outbox.fall_back(job, [email])
    assert not journal.outbox.due("email")
    with pytest.raises(JournalError, match="no delivery 'x'"):
        journal.outbox.fall_back(replace(job, key="x"), [asked("fax")])
    assert not journal.outbox.due("fax")


def test_nobody_is_asked_to_do_what_was_done_while_the_disk_kept_whoever_finds_it_late(
    journal: Journal, clock: Clock
) -> None:
    confirmed(journal, replace(asked("sms"), fallback=("email",)))
    taken = take(journal, "sms")
    (late,) = journal.outbox.overdue(clock.now + 60)
    journal.outbox.finish([Result(taken.key, taken.version, DeliveryState.SENT, "", clock.now, "SM1")])
    journal.outbox.fall_back(late, [asked("email")])
    assert not journal.outbox.due("email")
    (followed,) = journal.outbox.due("sms")
    journal.outbox.fall_back(followed, [asked("email")])  # it did not arrive
    assert take(journal, "email").key == asked("email").key


def test_what_was_held_back_is_late_a_while_after_its_time_and_not_before(journal: Journal, clock: Clock) -> None:
    confirmed(journal, replace(asked("sms"), fallback=("email",)))
    (job,) = journal.outbox.due("sms")
    held = Result(job.key, job.version, DeliveryState.PENDING, "quiet hours", due_at=clock.now + 3600, held=True)
    journal.outbox.finish([held])
    clock.now += 3600
    job = take(journal, "sms")
    assert not journal.outbox.overdue(clock.now - 60)
    journal.outbox.finish([replace(held, detail="no network", due_at=clock.now + 300)])
    clock.now += 61
    assert [each.key for each in journal.outbox.overdue(clock.now - 60)] == [job.key]


@pytest.mark.parametrize("duress", [False, True])
def test_whoever_has_answered_hears_no_siren_any_more_also_under_duress(
    journal: Journal, clock: Clock, duress: bool
) -> None:
    confirmed(
        journal,
        replace(asked("sms"), fallback=("speech", "email")),
        asked("alarm", Nature.SOUND, after_s=60.0),
        asked("call", after_s=60.0),
    )
    job = take(journal, "sms")
    journal.decide(SCREAM.id, State.CANCELLED, "by a person", duress=duress)
    journal.outbox.fall_back(job, [asked("speech", Nature.SOUND), asked("email")])
    clock.now += 60
    assert set(journal.outbox.due_on()) == {"sms", "email"} | ({"call"} if duress else set())
    assert journal.outbox.delivery(asked("alarm").key).state is DeliveryState.DROPPED


def test_a_step_that_comes_due_while_somebody_answers_is_not_begun(journal: Journal, clock: Clock) -> None:
    confirmed(journal, asked("call", after_s=60.0))
    clock.now += 60
    (job,) = journal.outbox.due("call")
    journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
    assert journal.outbox.begin([job]) == []
    assert journal.outbox.delivery(job.key).state is DeliveryState.DROPPED


def test_what_an_earlier_run_left_is_taken_up_but_no_sound_of_then(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, clock)
    confirmed(
        journal,
        asked("alarm", Nature.SOUND),
        asked("sms"),
        asked("email"),
        asked("fax"),
        asked("call", after_s=60.0),
        asked("speech", Nature.SOUND, after_s=60.0),
    )
    take(journal, "sms")
    journal.outbox.finish([Result(take(journal, "email").key, 1, DeliveryState.SENT, "", due_at=clock.now + 5)])
    journal.close()
    journal = Journal(tmp_path, clock)
    assert journal.outbox.recover(["alarm", "sms", "email", "call", "speech"]) == 4
    found = {each.channel: (each.state.value, each.detail) for each in journal.show(SCREAM.id).deliveries}
    assert found == {
        "alarm": ("failed", STALE),
        "sms": ("pending", ""),
        "email": ("sent", ""),
        "fax": ("failed", "the channel is not turned on any more"),
        "call": ("pending", ""),
        "speech": ("pending", ""),
    }
    assert take(journal, "sms").attempts == 1
    assert journal.outbox.next_due("call") == journal.outbox.next_due("speech") == clock.now + 60


def test_a_clock_that_is_set_changes_no_wait(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, clock)
    confirmed(journal, asked("call", after_s=60.0))
    clock.now -= 3600
    journal.outbox.shift(-3600)
    assert journal.outbox.next_due("call") == clock.now + 60
    clock.now -= 3600
    journal.outbox.recover(["call"])
    assert journal.outbox.next_due("call") == pytest.approx(clock.now + 60, abs=1.0)


@pytest.mark.parametrize("set_by_s", [-3600.0, 3600.0])
@pytest.mark.parametrize("waited_s", [0.5, 20.0])
def test_what_is_asked_for_after_the_clock_was_set_and_before_that_is_noticed_waits_as_long_as_it_shall(
    journal: Journal, clock: Clock, set_by_s: float, waited_s: float
) -> None:
    confirmed(journal, asked("call", after_s=60.0))
    clock.now += set_by_s
    looked = clock.now - 0.5
    second = replace(CONFIRMED, id="2")
    journal.record(second, (asked("sms", after_s=60.0, incident=second),))
    clock.now += waited_s  # also for a disk that is slow
    journal.outbox.shift(set_by_s, looked)
    assert journal.outbox.next_due("call") == journal.outbox.next_due("sms") == clock.now + 60.0 - waited_s


def test_the_outbox_lists_retries_and_drops(journal: Journal, clock: Clock) -> None:
    confirmed(journal, asked("sms"), asked("email"), asked("call", after_s=60.0), asked("alarm", Nature.SOUND))
    sms, email = take(journal, "sms"), take(journal, "email")
    journal.outbox.finish([Result(sms.key, 1, DeliveryState.PENDING, "no network", due_at=clock.now + 300)])
    journal.outbox.finish([Result(email.key, 1, DeliveryState.FAILED, "no such address")])
    listed = [(each.channel, each.state.value) for each in journal.outbox.list()]
    assert listed == [("alarm", "sending"), ("call", "pending"), ("sms", "pending"), ("email", "failed")]
    assert journal.outbox.retry() == [sms.key]
    assert take(journal, "sms").attempts == 1
    assert journal.outbox.retry(email.key) == [email.key]
    assert take(journal, "email").attempts == 1
    with pytest.raises(JournalError, match="is being done"):
        journal.outbox.drop(email.key)
    journal.outbox.finish([Result(asked("alarm").key, 1, DeliveryState.FAILED, "no sound device")])
    with pytest.raises(JournalError, match="is a sound"):
        journal.outbox.retry(asked("alarm").key)
    journal.outbox.drop(asked("alarm").key)
    with pytest.raises(JournalError, match="no delivery 'x'"):
        journal.outbox.retry("x")
    journal.outbox.drop(asked("call").key)
    assert journal.outbox.delivery(asked("call").key).state is DeliveryState.DROPPED
    assert journal.outbox.next_due("call") is None


def test_a_trouble_is_told_but_is_no_incident(journal: Journal) -> None:
    told = notice("the camera is dark")
    journal.notice(told, [Planned(delivery_key(told.id, "sms", "trouble"), "sms", Nature.MESSAGE, "trouble")])
    assert take(journal, "sms").incident.reason == "the camera is dark"
    assert journal.list() == []
    assert journal.show(told.id).deliveries[0].kind == "trouble"


def test_a_journal_of_version_0_is_brought_up_to_date(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal.sqlite") as old:
        old.executescript(VERSION_0)
    old.close()
    journal = Journal(tmp_path)
    (entry,) = journal.list()
    assert entry.incident == CONFIRMED
    assert {(each.channel, each.state.value, each.attempts) for each in entry.deliveries} == {
        ("alarm", "sent", 1),
        ("email", "pending", 0),
    }
    assert journal.outbox.recover(["email"]) == 1
    assert take(journal, "email").incident == CONFIRMED
    Journal(tmp_path).decide(SCREAM.id, State.ACKNOWLEDGED, "")
    journal.file.check()


def test_a_journal_of_a_newer_program_is_refused_in_one_line(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(JournalError, match=r"cannot be opened: it was written by a newer program \(version 99\)"):
        Journal(tmp_path)


@pytest.mark.parametrize("state", [State.CLOSED, State.ACKNOWLEDGED, State.PENDING])
def test_a_state_that_may_not_follow_is_refused_and_nothing_is_written(journal: Journal, state: State) -> None:
    journal.record(SCREAM)
    with pytest.raises(JournalError, match=f"is pending; it cannot become {state}"):
        journal.record(replace(SCREAM, state=state), [asked("email")])
    entry = journal.show(SCREAM.id)
    assert (entry.incident.state, entry.deliveries, len(entry.transitions)) == (State.PENDING, (), 1)


def test_a_person_decides_once_and_the_station_cannot_overrule_it(journal: Journal) -> None:
    journal.record(SCREAM)
    journal.record(CONFIRMED)
    journal.decide(SCREAM.id[:8], State.CANCELLED, "false alarm")
    assert journal.state_of(SCREAM.id) is State.CANCELLED
    with pytest.raises(JournalError, match="is cancelled; it cannot become closed"):
        journal.record(replace(SCREAM, state=State.CLOSED))
    with pytest.raises(JournalError, match="is cancelled; it cannot become acknowledged"):
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "")
    assert journal.show(SCREAM.id).transitions[-1].by == "person"


def test_what_people_say_of_an_incident_is_kept_and_the_newest_mark_counts(journal: Journal, clock: Clock) -> None:
    journal.record(SCREAM)
    assert journal.show(SCREAM.id).mark is None
    journal.remark(SCREAM.id[:8], " the children next door ", by="anna", mark=Mark.FALSE)
    clock.now += 60
    assert journal.remark(SCREAM.id, "asked them").mark is Mark.FALSE
    assert journal.remark(SCREAM.id, mark=Mark.REAL).mark is Mark.REAL
    entry = journal.remark(SCREAM.id, mark=Mark.NONE)
    assert entry.mark is None
    assert [(each.by, each.text, each.mark) for each in entry.remarks] == [
        ("anna", "the children next door", Mark.FALSE),
        ("", "asked them", None),
        ("", "", Mark.REAL),
        ("", "", Mark.NONE),
    ]
    assert entry.remarks[1].at > entry.remarks[0].at
    assert entry == journal.show(SCREAM.id)
    assert entry.incident == SCREAM
    assert len(entry.transitions) == 1


def test_a_remark_that_says_nothing_or_is_of_nothing_is_refused(journal: Journal) -> None:
    journal.record(SCREAM)
    trouble = notice("the camera is dark")
    journal.notice(trouble, ())
    for incident_id, text, refusal in (
        ("zzz", "seen", "no incident 'zzz'"),
        (trouble.id, "seen", "is a trouble of the station, not an incident"),
        (SCREAM.id, " \n", "an empty note says nothing"),
        (SCREAM.id, "x" * 2001, "a note has up to 2000 characters"),
    ):
        with pytest.raises(JournalError, match=refusal):
            journal.remark(incident_id, text)
    assert journal.show(SCREAM.id).remarks == ()


def test_a_journal_of_before_there_were_remarks_takes_them(tmp_path: Path) -> None:
    old = Journal(tmp_path)
    old.record(SCREAM)
    old.close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as file:
        file.execute("DROP TABLE remarks")
        file.execute("PRAGMA user_version = 2")
    file.close()
    journal = Journal(tmp_path)
    assert journal.show(SCREAM.id).remarks == ()
    assert journal.remark(SCREAM.id, mark=Mark.REAL).mark is Mark.REAL


def test_the_newest_come_first(journal: Journal, clock: Clock) -> None:
    for number in range(30):
        clock.now += 1
        journal.record(replace(SCREAM, id=f"{number:04}"))
    entries = journal.list(limit=5)
    assert len(entries) == 5
    assert [entry.opened_at for entry in entries] == sorted((entry.opened_at for entry in entries), reverse=True)


def test_what_a_station_left_open_is_over_for_the_next_and_answers_go_to_what_came_since(
    journal: Journal, clock: Clock
) -> None:
    record = Planned("cut off:mysql:alarm", "mysql", Nature.RECORD, "alarm")
    for incident_id, state in (("cut off", State.PENDING), ("cut off", State.CONFIRMED), ("unsure", State.PENDING)):
        asked = [record] if state is State.CONFIRMED else []
        journal.record(replace(SCREAM, id=incident_id, state=state), asked)
    changed_at = journal.show("cut off").changed_at
    clock.now += 86_400.0  # the power failed
    for state in (State.CONFIRMED, State.CLOSED):
        journal.record(replace(SCREAM, id="since", state=state))
    assert journal.end_left_open() == 2
    assert journal.end_left_open() == 0
    ended = journal.show("cut off")
    assert (ended.incident.state, ended.incident.reason) == (State.CLOSED, "the station ended before it was over")
    assert (ended.changed_at, ended.transitions[-1].by) == (changed_at, "station")
    assert journal.show("unsure").incident.state is State.CANCELLED
    assert [job.key for job in journal.outbox.due("mysql", 9)] == ["cut off:mysql:alarm", "cut off:mysql:update"]
    assert Decisions(journal).newest(State.ACKNOWLEDGED) == "since"


def test_what_a_station_left_unanswered_is_found_by_the_next(journal: Journal, clock: Clock) -> None:
    def happened(number: str, *states: State, silent: bool = False) -> None:
        for state in states:
            journal.record(replace(SCREAM, id=number, state=state), silent=silent)

    def found() -> list[tuple[str, State, float]]:
        left = unanswered_incidents(journal.file, 3600.0, 3)
        return [(incident.id, incident.state, round(over_s, 3)) for incident, over_s in left]

    happened("long ago", State.PENDING, State.CONFIRMED, State.CLOSED)
    clock.now += 3601.0
    happened("closed", State.PENDING, State.CONFIRMED, State.CLOSED)
    happened("answered", State.CONFIRMED)
    journal.decide("answered", State.ACKNOWLEDGED, "", duress=True)
    happened("answered", State.CLOSED)
    happened("too late", State.CONFIRMED, State.CLOSED)
    journal.decide("too late", State.CANCELLED, "")
    happened("nothing", State.PENDING, State.CANCELLED)
    happened("hidden", State.CONFIRMED, State.CLOSED, silent=True)
    journal.notice(notice("the microphone failed"), [])
    clock.now += 60.0
    happened("cut off", State.PENDING, State.CONFIRMED)  # the power failed
    assert found() == [("closed", State.CLOSED, 60.0), ("cut off", State.CLOSED, 0.0)]
    clock.now -= 30.0  # the clock was set back
    assert found() == [("closed", State.CLOSED, 30.0)]
    clock.now += 7200.0
    assert found() == []


def _record_then_die(home: Path) -> None:
    journal = Journal(home)
    journal.record(SCREAM)
    journal.record(CONFIRMED, [asked("email")])
    os.kill(os.getpid(), signal.SIGKILL)


def _confirm_many(home: Path, start: int) -> None:
    journal = Journal(home)
    for number in range(start, start + 50):
        incident = replace(SCREAM, id=f"{number:04}")
        journal.record(incident)
        deliveries = [asked(name, incident=incident) for name in ("email", "sms")]
        journal.record(replace(incident, state=State.CONFIRMED), deliveries)


def test_what_was_recorded_survives_a_kill(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_record_then_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    entry = Journal(tmp_path).show(SCREAM.id)
    assert entry.incident == CONFIRMED
    assert [delivery.channel for delivery in entry.deliveries] == ["email"]


def test_several_processes_write_one_journal_without_loss(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_confirm_many, args=(tmp_path, 100 * number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries = Journal(tmp_path).list(limit=1000)
    assert len(entries) == 150
    assert all(len(entry.deliveries) == 2 and len(entry.transitions) == 2 for entry in entries)


def test_a_file_that_is_no_journal_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(JournalError, match="the journal cannot be opened: file is not a database") as caught:
        Journal(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_home_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="the journal cannot be opened: "):
        Journal(tmp_path / "file" / "home")


def test_no_statement_reads_the_whole_journal(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, clock)
    statements: list[tuple[str, Any]] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    try:
        confirmed(journal, asked("sms"), asked("mysql", Nature.RECORD), asked("call", after_s=60.0))
        journal.outbox.recover(["sms", "mysql", "call"])
        job = take(journal, "sms")
        journal.outbox.finish([Result(job.key, job.version, DeliveryState.FAILED, "")])
        journal.outbox.next_due("mysql")
        journal.outbox.due_on()
        journal.outbox.gone(["sms"])
        journal.outbox.overdue(clock.now)
        journal.outbox.fall_back(job, [])
        journal.outbox.shift(1.0)
        journal.outbox.list()
        journal.outbox.retry()
        journal.outbox.retry(job.key)
        journal.outbox.drop(job.key)
        journal.list()
        unanswered_incidents(journal.file, 3600.0, 20)
        journal.show(SCREAM.id[:8])
        journal.state_of(SCREAM.id)
        journal.decide(SCREAM.id, State.CANCELLED, "")
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
    plans: dict[str, list[str]] = {}
    with sqlite3.connect(journal.path) as file:
        for statement, parameters in statements:
            if statement.split()[0] in ("SELECT", "UPDATE", "INSERT", "DELETE"):
                steps = file.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
                plans[statement] = [step[3] for step in steps]
    file.close()
    assert len(plans) > 20
    scans = {
        statement: plan
        for statement, plan in plans.items()
        if any(step.startswith("SCAN") and "INDEX deliveries_" not in step and "SUBQUERY" not in step for step in plan)
    }
    assert not scans


VERSION_0 = """
CREATE TABLE incidents (
    id VARCHAR NOT NULL PRIMARY KEY, state VARCHAR NOT NULL, opened_at VARCHAR NOT NULL, changed_at VARCHAR NOT NULL,
    at_s FLOAT NOT NULL, confidence FLOAT NOT NULL, senses VARCHAR NOT NULL, labels VARCHAR NOT NULL,
    evidence VARCHAR NOT NULL, reason VARCHAR NOT NULL, source VARCHAR NOT NULL);
CREATE INDEX ix_incidents_opened_at ON incidents (opened_at);
CREATE TABLE transitions (
    number INTEGER NOT NULL PRIMARY KEY, incident_id VARCHAR NOT NULL REFERENCES incidents (id),
    state VARCHAR NOT NULL, at VARCHAR NOT NULL, at_s FLOAT NOT NULL, confidence FLOAT NOT NULL,
    reason VARCHAR NOT NULL, "by" VARCHAR NOT NULL);
CREATE INDEX ix_transitions_incident_id ON transitions (incident_id);
CREATE TABLE deliveries (
    incident_id VARCHAR NOT NULL REFERENCES incidents (id), channel VARCHAR NOT NULL, state VARCHAR NOT NULL,
    attempts INTEGER NOT NULL, changed_at VARCHAR NOT NULL, detail VARCHAR NOT NULL,
    PRIMARY KEY (incident_id, channel));
CREATE INDEX deliveries_by_state ON deliveries (state);
INSERT INTO incidents VALUES (
    '0b4ad0e6-6f0e-4c5e-8a43-000000000001', 'confirmed', '2026-01-01T10:00:00.000+00:00',
    '2026-01-01T10:00:01.000+00:00', 8.25, 0.91, '["audio"]', '["scream"]',
    '[{"sense": "audio", "label": "scream", "probability": 0.91, "at_s": 8.25}]', 'scream 0.91, threshold 0.80', '');
INSERT INTO deliveries VALUES
    ('0b4ad0e6-6f0e-4c5e-8a43-000000000001', 'alarm', 'sent', 1, '2026-01-01T10:00:02.000+00:00', ''),
    ('0b4ad0e6-6f0e-4c5e-8a43-000000000001', 'email', 'pending', 0, '2026-01-01T10:00:01.000+00:00', '');
"""
