"""Never silently blind or deaf: what is wrong with which part, what is tried about it, and when people are told.

Each part of the station goes from healthy to stalled when something is wrong with it, to recovering when it is started
anew, to failed when that has not helped in time, and back to healthy once it has been well for a while. Only what has
failed is told of; that it is over is told, too. None of this is ever an alarm.

`step` decides, and is pure. `Supervisor` keeps the parts, and may be told of them from any thread.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from audio.liveness import SoundFault
from gesture.liveness import SightFault
from safety_monitor.incident import Sense
from safety_monitor.trouble import Phase, Trouble

log = logging.getLogger(__name__)

Fault = SoundFault | SightFault


@dataclass(frozen=True, slots=True)
class Rules:
    """All in seconds.

    Attributes:
        failed_after_s: a part that has not been healthy for so long has failed.
        steady_s: a part that has been well for so long is healthy.
        restarts_s: waits before each start anew, counted from the one before; the last one repeats.
    """

    failed_after_s: float = 30.0
    steady_s: float = 6.0
    restarts_s: tuple[float, ...] = (0.0, 20.0, 60.0, 300.0, 900.0)


@dataclass(frozen=True, slots=True)
class Ill:
    """What is wrong with a part now.

    Attributes:
        text: one line for people, without the name of the part.
        restart: whether starting it anew may help.
        note: whether it is only shown, and nobody is told.
    """

    text: str
    restart: bool = False
    note: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """How a part is, and how it came to that; times are those of a clock that is never set back.

    Attributes:
        phase: see there.
        ill: what is wrong with it, or was last; None while it is healthy.
        since: when it ceased to be healthy.
        well_since: since when nothing has been wrong with it; None while something is.
        restarts: how often it was started anew since.
        restarted: when it was last.
        told: whether people were told of it.
    """

    phase: Phase = Phase.HEALTHY
    ill: Ill | None = None
    since: float = 0.0
    well_since: float | None = None
    restarts: int = 0
    restarted: float = 0.0
    told: bool = False


class Act(StrEnum):
    """What is to be done about a part."""

    RESTART = "restart"
    TELL = "tell"
    """People are to be told that it has failed."""
    OVER = "over"
    """People are to be told that it works again."""


def step(condition: Condition, ill: Ill | None, now: float, rules: Rules) -> tuple[Condition, tuple[Act, ...]]:
    """How a part is now, and what is to be done about it. Pure.

    Args:
        condition: how it was.
        ill: what is wrong with it now; None: nothing.
        now: on a clock that is never set back.
        rules: the times.
    """
    if ill is None:
        return _well(condition, now, rules)
    if condition.phase is Phase.HEALTHY:
        condition = Condition(Phase.STALLED, ill, since=now, restarted=now)
    acts: list[Act] = []
    failed = condition.phase is Phase.FAILED
    condition = replace(condition, phase=Phase.FAILED if failed else Phase.STALLED, ill=ill, well_since=None)
    wait_s = rules.restarts_s[min(condition.restarts, len(rules.restarts_s) - 1)]
    if ill.restart and now - condition.restarted >= wait_s:
        acts.append(Act.RESTART)
        phase = Phase.FAILED if failed else Phase.RECOVERING
        condition = replace(condition, phase=phase, restarts=condition.restarts + 1, restarted=now)
    if now - condition.since >= rules.failed_after_s:
        condition = replace(condition, phase=Phase.FAILED)
    if condition.phase is Phase.FAILED and not condition.told and not ill.note:
        acts.append(Act.TELL)
        condition = replace(condition, told=True)
    return condition, tuple(acts)


def _well(condition: Condition, now: float, rules: Rules) -> tuple[Condition, tuple[Act, ...]]:
    if condition.phase is Phase.HEALTHY:
        return condition, ()
    since = now if condition.well_since is None else condition.well_since
    if now - since >= rules.steady_s:
        return Condition(), (Act.OVER,) if condition.told else ()
    phase = Phase.FAILED if condition.phase is Phase.FAILED else Phase.RECOVERING
    return replace(condition, phase=phase, well_since=since), ()


@dataclass(frozen=True, slots=True)
class Sign:
    """What a fault of a signal means.

    Attributes:
        limit_s: it is taken for real once it has lasted for so long.
        text: for people, after the name of the source.
        restart: whether opening the source anew may help.
    """

    limit_s: float
    text: str
    restart: bool = False


SIGNS: Mapping[Fault, Sign] = {
    SoundFault.SILENT: Sign(20.0, "gives digital silence; is it muted, unplugged or not allowed?", restart=True),
    SoundFault.STUCK: Sign(10.0, "gives one value without end; it is broken", restart=True),
    SoundFault.CLIPPED: Sign(45.0, "is far too loud; turn its gain down"),
    SoundFault.WRONG_RATE: Sign(0.0, "gives more or less sound than time passes", restart=True),
    SoundFault.UNPLUGGED: Sign(3.0, "has lost its microphone: it gives what this machine plays", restart=True),
    SoundFault.MUTED: Sign(3.0, "is muted in the sound settings of this machine"),
    SoundFault.FAINT: Sign(0.0, "has heard nothing for days but its own noise; is it covered, or turned down?"),
    SightFault.FROZEN: Sign(25.0, "gives the same picture without end", restart=True),
    SightFault.BLACK: Sign(25.0, "is in the dark, or black is over its lens: no sign can be seen"),
    SightFault.OVEREXPOSED: Sign(45.0, "is blinded by light"),
    SightFault.COVERED: Sign(25.0, "is covered: it shows nothing with an edge"),
    SightFault.BLURRED: Sign(50.0, "is out of focus; clean or focus its lens"),
    SightFault.MOVED: Sign(50.0, "does not look where it usually does; turn it back, or leave it so for an hour"),
    SightFault.TORN: Sign(20.0, "gives pictures that have nothing to do with each other", restart=True),
}


@dataclass(slots=True)
class _Signal:
    """What was said of the signal of a sense."""

    fault: Fault | None = None
    since: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Keeps how each part is, and has done what is to be done.

    Args:
        restart: has the source of a sense opened anew; returns at once.
        tell: told of a part that failed: its name, one line.
        over: told that a part of which `tell` was told works again: its name, one line.
        ignored: faults that nobody wants to know of.
        shown_only: faults that are shown and not told.
        rules: the times.
        clock: seconds, never set back.
    """

    restart: Callable[[Sense], None] = lambda sense: None
    tell: Callable[[str, str], None] = lambda about, text: None
    over: Callable[[str, str], None] = lambda about, text: None
    ignored: frozenset[Fault] = frozenset()
    shown_only: frozenset[Fault] = frozenset({SightFault.BLACK})
    rules: Rules = field(default_factory=Rules)
    clock: Callable[[], float] = time.monotonic
    _conditions: dict[str, Condition] = field(default_factory=dict)
    _signals: dict[Sense, _Signal] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def noticed(self, sense: Sense, fault: Fault | None) -> None:
        """What a look at the signal of a sense says; to be called again and again, with None if all is well."""
        with self._lock:
            signal = self._signals.setdefault(sense, _Signal())
            if fault in self.ignored:
                fault = None
            begins = signal.fault is None or (signal.fault in self.shown_only and fault not in self.shown_only)
            if fault is not None and begins:
                signal.since = self.clock()
            signal.fault = fault

    def opened(self, sense: Sense) -> None:
        """The source of a sense was opened anew: what was noticed of it before is past."""
        with self._lock:
            self._signals.pop(sense, None)

    def signal_ill(self, sense: Sense, name: str) -> Ill | None:
        """What is wrong with the signal of a sense, if that has lasted for long enough.

        Args:
            sense: which.
            name: of its source.
        """
        with self._lock:
            signal = self._signals.get(sense)
            if signal is None or signal.fault is None:
                return None
            sign = SIGNS[signal.fault]
            known = self._conditions.get(sense)
            note = signal.fault in self.shown_only
            # What is known already, and came back after the source was opened anew, need not prove itself again; but a
            # dark night proves nothing of what is seen for a moment when a lamp is lit.
            proven = known is not None and known.ill is not None and (note or known.told or not known.ill.note)
            if not proven and self.clock() - signal.since < sign.limit_s:
                return None
            return Ill(f"{name} {sign.text}", sign.restart, note=note)

    def check(self, about: str, ill: Ill | None) -> None:
        """How a part is now; to be called a few times a second or minute, also while nothing is wrong."""
        with self._lock:
            before = self._conditions.get(about, Condition())
            after, acts = step(before, ill, self.clock(), self.rules)
            self._conditions[about] = after
        if before.phase is Phase.HEALTHY and ill is not None:
            log.warning("trouble: %s: %s", about, ill.text)
        elif after.phase is Phase.HEALTHY and before.ill is not None:
            log.info("works again: %s, after %.0f s", about, self.clock() - before.since)
        for act in acts:
            match act:
                case Act.RESTART:
                    self.restart(Sense(about))
                case Act.TELL if ill is not None:
                    self.tell(about, f"{about}: {ill.text}")
                case Act.OVER if before.ill is not None:
                    self.over(about, f"{about}: {before.ill.text}")

    def phase(self, about: str) -> Phase:
        """How a part is."""
        with self._lock:
            return self._conditions.get(about, Condition()).phase

    def troubles(self) -> list[Trouble]:
        """What is wrong now, in the order in which it came."""
        now = self.clock()
        with self._lock:
            ill = [
                Trouble(about, each.phase, _shown(each, each.ill), each.ill.note, now - each.since)
                for about, each in self._conditions.items()
                if each.ill is not None
            ]
        return sorted(ill, key=lambda trouble: -trouble.for_s)


def _shown(condition: Condition, ill: Ill) -> str:
    return ill.text if condition.well_since is None else f"{ill.text} (seems to be over)"
