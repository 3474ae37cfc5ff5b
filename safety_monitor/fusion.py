"""Evidence in, incident transitions out. Pure: no thread, no clock, no I/O.

One rule decides. A piece of evidence counts with its own probability; evidence of two senses no further apart than the
window counts together, as the probability that at least one of two independent witnesses is right, 1 - (1-p)(1-q).
Evidence below `weak` does not count at all. What reaches `threshold` is an incident; what only reaches `weak` is
pending, and is dropped at its deadline unless more comes. An incident names the senses that reach `threshold` alone,
or, where none does, those that reach it together: a murmur beside an unmistakable sign is not made part of it.

Everything that happens while an incident is open belongs to it. It closes when nothing has counted for the cool-down,
or after its longest duration. An incident that ended while its source goes on (cancelled by a person, or too long)
keeps taking that sense's evidence until the cool-down has passed in quiet, so that one event never opens two; but no
longer than the longest duration again, or a room that is never quiet would never be heard any more. After a pending one
was dropped, weak evidence of the same senses alone opens no other until the cool-down has passed in quiet; enough
evidence always does.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from safety_monitor.incident import BY_A_PERSON, MAY_FOLLOW, OPEN, Evidence, Incident, Moment, Sense, State


@dataclass(frozen=True, slots=True)
class FusionRules:
    """The numbers of the rule; see the module's text.

    Attributes:
        threshold: combined probability that confirms an incident.
        weak: probability below which evidence does not count (and at which an incident becomes pending).
        window_s: how far apart evidence of two senses may be to count together.
        pending_s: how long a pending incident waits to be confirmed; at least `window_s`.
        cool_down_s: an incident closes after this long without evidence; until then evidence belongs to it.
        longest_s: a confirmed incident closes after this long in any case; one that has ended takes no evidence after
            this long.
    """

    threshold: float = 0.80
    weak: float = 0.50
    window_s: float = 3.0
    pending_s: float = 4.0
    cool_down_s: float = 30.0
    longest_s: float = 600.0

    def __post_init__(self) -> None:
        if not 0 < self.weak <= self.threshold <= 1:
            raise ValueError(f"needs 0 < weak ({self.weak}) <= threshold ({self.threshold}) <= 1")
        if not 0 < self.window_s <= self.pending_s:
            raise ValueError(f"needs 0 < window_s ({self.window_s}) <= pending_s ({self.pending_s})")
        if not 0 < self.cool_down_s <= self.longest_s:
            raise ValueError(f"needs 0 < cool_down_s ({self.cool_down_s}) <= longest_s ({self.longest_s})")


def together(first: float, second: float) -> float:
    """Probability that at least one of two independent witnesses is right."""
    return 1.0 - (1.0 - first) * (1.0 - second)


@dataclass(slots=True)
class Fusion:
    """The state of the decision. Feed it with `judge` or `observe`, let time pass with `advance`, end it with `finish`.

    Each returns the transitions that follow, in order. Evidence may come late and out of order: by up to the window
    more than its moments say the order does not change what becomes of the incident; what is later may have to count
    alone.

    Args:
        rules: the numbers.
        new_id: gives the id of the next incident.
    """

    rules: FusionRules
    new_id: Callable[[], str]
    now_s: float = 0.0
    _recent: list[Evidence] = field(default_factory=list)
    _incident: Incident | None = None
    _gathered: tuple[Evidence, ...] = ()
    """The strongest evidence of each sense and label since the incident opened."""
    _opened_s: float = 0.0
    _confirmed_s: float = 0.0
    _last_s: float = 0.0
    _ended: dict[Sense, float] = field(default_factory=dict)
    """Senses whose ended incident still takes their evidence -> when they last counted."""
    _held: dict[Sense, float] = field(default_factory=dict)
    """Since when they do."""
    _dropped: dict[Sense, float] = field(default_factory=dict)
    """The same for senses whose pending incident was dropped."""
    _late: dict[Sense, float] = field(default_factory=dict)
    """How late the newest moment of each sense came to it."""

    @property
    def incident(self) -> Incident | None:
        """The open incident, if there is one."""
        return self._incident

    def judge(self, moment: Moment) -> list[Incident]:
        """Take a sense's moment into account: its evidence, and that time has passed."""
        self._late[moment.sense] = moment.late_s
        transitions = [step for evidence in moment.evidence for step in self.observe(evidence)]
        return transitions + self.advance(moment.at_s)

    def observe(self, evidence: Evidence) -> list[Incident]:
        """Take one piece of evidence into account."""
        transitions = self.advance(evidence.at_s)
        if not evidence.probability >= self.rules.weak:  # also refuses NaN
            return transitions
        incident = self._incident
        if evidence.sense in self._ended:  # also where the other sense has opened another incident since
            self._ended[evidence.sense] = self.now_s
            return transitions
        self._recent.append(evidence)
        confidence, reason = self._weigh(evidence)
        if incident is not None:
            self._opened_s = min(self._opened_s, evidence.at_s)
            self._gathered = _strongest((*self._gathered, *self._near(evidence)))
            incident = replace(
                incident, confidence=max(incident.confidence, confidence), evidence=self._decisive(self._gathered)
            )
        elif confidence >= self.rules.threshold or evidence.sense not in self._dropped:
            self._opened_s = evidence.at_s
            self._gathered = _strongest(self._near(evidence))
            incident = Incident(self.new_id(), State.PENDING, evidence.at_s, confidence, (evidence,), reason)
            transitions.append(incident)
        else:
            self._dropped[evidence.sense] = self.now_s
            return transitions
        self._last_s = self.now_s  # evidence that comes later than the cool-down must not end its incident at once
        if incident.state is State.PENDING and confidence >= self.rules.threshold:
            decisive = self._decisive(self._gathered)
            incident = replace(incident, state=State.CONFIRMED, at_s=self.now_s, evidence=decisive, reason=reason)
            self._confirmed_s = self.now_s
            transitions.append(incident)
        self._incident = incident
        return transitions

    def advance(self, now_s: float) -> list[Incident]:
        """Let time pass up to `now_s`; a time already passed changes nothing."""
        if not now_s > self.now_s:
            return []
        self.now_s = now_s
        rules = self.rules
        # Evidence as late as the window is long still counts with what was a window before it.
        kept_s = 2 * rules.window_s + max(self._late.values(), default=0.0)
        self._recent = [piece for piece in self._recent if now_s - piece.at_s <= kept_s]
        for taken in (self._ended, self._dropped):
            for sense in [sense for sense, last in taken.items() if now_s - last >= rules.cool_down_s]:
                del taken[sense]
        for sense in [sense for sense in self._ended if now_s - self._held[sense] >= rules.longest_s]:
            del self._ended[sense]
        incident = self._incident
        if incident is None:
            return []
        if incident.state is State.PENDING:
            deadline = self._opened_s + rules.pending_s
            if now_s > deadline:
                reason = f"not confirmed in {rules.pending_s:g} s: {incident.confidence:.2f} < {rules.threshold:.2f}"
                self._dropped |= dict.fromkeys(incident.senses, self._last_s)
                return [self._end(State.CANCELLED, deadline, reason)]
        elif now_s >= self._last_s + rules.cool_down_s:
            return [self._end(State.CLOSED, self._last_s + rules.cool_down_s, f"quiet for {rules.cool_down_s:g} s")]
        elif now_s >= self._confirmed_s + rules.longest_s:
            self._hold(incident)
            return [self._end(State.CLOSED, now_s, f"open for {rules.longest_s:g} s")]
        return []

    def follow(self, incident_id: str, state: State) -> Incident | None:
        """A person has acknowledged, cancelled or closed the open incident elsewhere.

        Returns:
            The incident as decided; None where it is not the open one, or that state may not follow.
        """
        incident = self._incident
        if incident is None or incident.id != incident_id or state not in MAY_FOLLOW[incident.state]:
            return None
        if state in OPEN:
            self._incident = replace(incident, state=state, at_s=self.now_s, reason=BY_A_PERSON)
            return self._incident
        self._hold(incident)
        return self._end(state, self.now_s, BY_A_PERSON)

    def finish(self) -> list[Incident]:
        """The inputs have ended: a pending incident is dropped, any other open one is closed."""
        incident = self._incident
        if incident is None:
            return []
        state = State.CANCELLED if incident.state is State.PENDING else State.CLOSED
        return [self._end(state, self.now_s, "end of the inputs")]

    def _hold(self, incident: Incident) -> None:
        """The incident ends while its senses may still speak of the same event."""
        self._ended |= dict.fromkeys(incident.senses, self.now_s)
        self._held |= dict.fromkeys(incident.senses, self.now_s)
        self._recent = [piece for piece in self._recent if piece.sense not in self._ended]

    def _weigh(self, evidence: Evidence) -> tuple[float, str]:
        """The highest probability that `evidence` gives, alone or with the other sense, and the numbers behind it."""
        threshold = f"{self.rules.threshold:.2f}"
        best = evidence.probability
        reason = f"{evidence.label} {best:.2f}, threshold {threshold}"
        for other in self._near(evidence):
            if other.sense is evidence.sense:
                continue
            combined = together(evidence.probability, other.probability)
            if combined > best:
                best = combined
                pair = sorted((evidence, other), key=lambda piece: piece.sense)
                numbers = " and ".join(f"{piece.label} {piece.probability:.2f}" for piece in pair)
                reason = f"{numbers} together {best:.2f}, threshold {threshold}"
        return best, reason

    def _decisive(self, gathered: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        """The evidence of the senses that reach the threshold alone; all of it where none does."""
        alone = {piece.sense for piece in gathered if piece.probability >= self.rules.threshold}
        return tuple(piece for piece in gathered if piece.sense in alone) if alone else gathered

    def _near(self, evidence: Evidence) -> list[Evidence]:
        """What counts together with `evidence`, itself included."""
        return [piece for piece in self._recent if abs(piece.at_s - evidence.at_s) <= self.rules.window_s]

    def _end(self, state: State, at_s: float, reason: str) -> Incident:
        assert self._incident is not None  # noqa: S101  # callers have checked
        ended = replace(self._incident, state=state, at_s=at_s, reason=reason)
        self._incident = None
        return ended


def _strongest(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """The strongest piece of each sense and label, the earliest among equals, in order of time."""
    best: dict[tuple[Sense, str], Evidence] = {}
    for piece in sorted(evidence, key=lambda piece: (-piece.probability, piece.at_s)):
        best.setdefault((piece.sense, piece.label), piece)
    return tuple(sorted(best.values(), key=lambda piece: (piece.at_s, piece.sense, piece.label)))
