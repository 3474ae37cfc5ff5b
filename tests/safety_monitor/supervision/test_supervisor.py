"""What is wrong becomes a trouble when it lasts, is told once, and is over when it is."""

from typing import get_args

import pytest

from audio.liveness import SoundFault
from gesture.liveness import SightFault
from safety_monitor.config.station import FaultName
from safety_monitor.incident import Sense
from safety_monitor.supervision.supervisor import SIGNS, Act, Condition, Fault, Ill, Rules, Supervisor, step
from safety_monitor.trouble import Phase
from tests.clock import Clock

RULES = Rules(failed_after_s=30.0, steady_s=6.0, restarts_s=(0.0, 20.0, 60.0))
GONE, HANGS, DARK = Ill("gone"), Ill("hangs", restart=True), Ill("dark", note=True)
H, S, R, F = Phase.HEALTHY, Phase.STALLED, Phase.RECOVERING, Phase.FAILED
TELL, OVER, RESTART = Act.TELL, Act.OVER, Act.RESTART
Story = list[tuple[float, Ill | None, Phase, tuple[Act, ...]]]


@pytest.mark.parametrize(
    "story",
    [
        pytest.param([(0, None, H, ()), (9, None, H, ())], id="well"),
        pytest.param([(0, GONE, S, ()), (9, None, R, ()), (14, None, R, ()), (15, None, H, ())], id="short"),
        pytest.param(
            [
                (0, GONE, S, ()),
                (29, GONE, S, ()),
                (30, GONE, F, (TELL,)),
                (99, GONE, F, ()),
                (100, None, F, ()),
                (106, None, H, (OVER,)),
                (107, None, H, ()),
            ],
            id="lasting",
        ),
        pytest.param(
            [
                (0, HANGS, R, (RESTART,)),
                (2, None, R, ()),
                (3, HANGS, S, ()),
                (20, HANGS, R, (RESTART,)),
                (30, HANGS, F, (TELL,)),
                (79, HANGS, F, ()),
                (80, HANGS, F, (RESTART,)),
                (140, HANGS, F, (RESTART,)),
            ],
            id="restarts",
        ),
        pytest.param(
            [
                *((at, GONE if at % 4 == 0 else None, S if at % 4 == 0 else R, ()) for at in range(0, 30, 2)),
                (32, GONE, F, (TELL,)),
                (34, None, F, ()),
                (40, None, H, (OVER,)),
            ],
            id="comes and goes",
        ),
        pytest.param([(0, DARK, S, ()), (60, DARK, F, ()), (61, None, F, ()), (67, None, H, ())], id="only shown"),
        pytest.param([(0, DARK, S, ()), (60, DARK, F, ()), (61, GONE, F, (TELL,))], id="shown, then told"),
    ],
)
def test_how_a_part_is_and_what_is_done(story: Story) -> None:
    condition = Condition()
    for at, ill, phase, acts in story:
        condition, done = step(condition, ill, float(at), RULES)
        assert (at, condition.phase, done) == (at, phase, acts)


@pytest.mark.parametrize(("fault", "sense"), [(SoundFault.SILENT, Sense.AUDIO), (SightFault.COVERED, Sense.GESTURE)])
def test_a_fault_of_the_signal_counts_once_it_lasts_and_is_told_within_a_minute(fault: Fault, sense: Sense) -> None:
    clock = Clock()
    told: list[str] = []
    restarted: list[Sense] = []
    supervisor = Supervisor(tell=lambda about, text: told.append(text), restart=restarted.append, clock=clock)
    for _ in range(59):
        supervisor.noticed(sense, fault)
        supervisor.check(sense, supervisor.signal_ill(sense, "door"))
        clock.now += 1.0
    assert told == [f"{sense}: door {SIGNS[fault].text}"]
    assert bool(restarted) is SIGNS[fault].restart
    (trouble,) = supervisor.troubles()
    assert (trouble.about, trouble.phase, trouble.note) == (sense, Phase.FAILED, False)


def test_a_moment_of_silence_is_no_fault() -> None:
    clock = Clock()
    supervisor = Supervisor(clock=clock)
    for number in range(100):
        supervisor.noticed(Sense.AUDIO, SoundFault.SILENT if number % 10 else None)
        supervisor.check(Sense.AUDIO, supervisor.signal_ill(Sense.AUDIO, "mic"))
        clock.now += 1.0
        assert supervisor.troubles() == []


def test_a_dark_room_is_shown_and_nobody_is_told_and_what_does_not_matter_is_not_even_shown() -> None:
    clock = Clock()
    told: list[str] = []
    supervisor = Supervisor(
        tell=lambda about, text: told.append(text), clock=clock, ignored=frozenset({SoundFault.SILENT})
    )
    for _ in range(7200):
        supervisor.noticed(Sense.GESTURE, SightFault.BLACK)
        supervisor.noticed(Sense.AUDIO, SoundFault.SILENT)
        for sense in Sense:
            supervisor.check(sense, supervisor.signal_ill(sense, "door"))
        clock.now += 1.0
    assert told == []
    assert [(trouble.about, trouble.note) for trouble in supervisor.troubles()] == [("gesture", True)]


@pytest.mark.parametrize(("lasts_s", "told"), [(5, False), (120, True)])
def test_what_is_seen_as_a_lamp_is_lit_after_a_dark_night_is_told_only_if_it_lasts(lasts_s: int, told: bool) -> None:
    clock = Clock()
    texts: list[str] = []
    supervisor = Supervisor(tell=lambda about, text: texts.append(text), clock=clock)
    for fault in [*[SightFault.BLACK] * 3600, *[SightFault.OVEREXPOSED] * lasts_s, *[None] * 60]:
        supervisor.noticed(Sense.GESTURE, fault)
        supervisor.check(Sense.GESTURE, supervisor.signal_ill(Sense.GESTURE, "door"))
        clock.now += 1.0
    assert texts == [f"gesture: door {SIGNS[SightFault.OVEREXPOSED].text}"] * told


def test_every_fault_has_its_sign_and_its_name_in_the_settings_and_is_found_within_a_minute() -> None:
    assert set(SIGNS) == {*SoundFault, *SightFault}
    assert set(get_args(FaultName)) == {str(fault) for fault in SIGNS}
    assert all(sign.limit_s < 60.0 for sign in SIGNS.values())
