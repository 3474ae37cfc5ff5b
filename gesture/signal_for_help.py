"""The Signal for Help as a sequence on one hand: palm shown, thumb tucked in, fingers closed over it.

Pure: probabilities and times in, a new state and a confidence out. One state belongs to one hand. Evidence of a pose
is its probability summed over time, so that ten and thirty frames a second mean the same and one misread frame means
little.

The Signal for Help is the one of the Canadian Women's Foundation (2020).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

NAME = "signal_for_help"
PALM, TUCKED, CLOSED = "open_palm", "thumb_tucked", "fist"
STAGES = (PALM, TUCKED, CLOSED)
"""Signs of which it is made, in their order."""
NONE = "none"
"""Label of a hand that shows none of the signs."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as the sign; all times in seconds.

    Attributes:
        palm_s: evidence (probability times seconds) of the open palm that starts the sign.
        tucked_s: evidence of the tucked thumb.
        closed_s: evidence of the closed hand that completes it.
        palm_gap_s: longest time between the last palm and the first tucked thumb.
        closing_gap_s: longest time between the last tucked thumb and the first closed hand.
        whole_s: longest time from the first tucked thumb to the closed hand.
        other_s: evidence of one other known sign that breaks the sequence off.
        longest_step_s: a frame speaks for no longer than this, however long the next one takes.
        after_s: how long a completed sign is told of after the hand has opened or gone.
        repeats: how often the sign must be made; 2 for places with much hand movement.
        repeat_within_s: longest time between two completions that count together.
    """

    palm_s: float = 0.12
    tucked_s: float = 0.18
    closed_s: float = 0.15
    palm_gap_s: float = 1.2
    closing_gap_s: float = 0.8
    whole_s: float = 8.0
    other_s: float = 0.45
    longest_step_s: float = 0.15
    after_s: float = 1.0
    repeats: int = 1
    repeat_within_s: float = 12.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one hand is with the sign.

    Attributes:
        stage: 0 nothing, 1 palm shown, 2 thumb tucked, 3 closed: complete.
        evidence: probability times seconds gathered by pose, towards the next stage or back to an earlier one.
        weights: mean probability of the pose of each stage reached, newest frames counting most.
        last_s: time of the frame before.
        seen_s: when the pose of the present stage was last seen.
        since_s: when the present stage began.
        others: evidence by other known sign since the present stage's pose was last seen.
        completed_s: times of completions that may still count together.
    """

    stage: int = 0
    evidence: Mapping[str, float] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    last_s: float | None = None
    seen_s: float = 0.0
    since_s: float = 0.0
    others: Mapping[str, float] = field(default_factory=dict)
    completed_s: tuple[float, ...] = ()


START = Progress()
DEFAULT = Limits()
LIKELY = 0.5
"""A pose counts as seen from this probability on."""
NEWEST = 0.2
"""How much a frame counts in the mean probability of its stage."""
GATHERING_S = 0.3
"""While the next pose gathers evidence, the present one counts as seen this long ago at most."""
COMPLETE = 0.80


def step(progress: Progress, probabilities: Mapping[str, float], at_s: float, limits: Limits = DEFAULT) -> Progress:
    """The state after one more frame of the hand.

    Args:
        progress: the state before; `START` for a hand just found.
        probabilities: of each static sign, by label; labels the sequence does not know are other signs.
        at_s: seconds; not before the frame before.
        limits: what counts as the sign.
    """
    before = at_s if progress.last_s is None else progress.last_s
    passed = min(max(at_s - before, 0.0), limits.longest_step_s)
    progress = _expire(progress, at_s, limits)
    seen = max(probabilities, key=probabilities.__getitem__, default=NONE)
    likely = probabilities.get(seen, 0.0) >= LIKELY
    evidence = {
        pose: progress.evidence.get(pose, 0.0) + passed * probabilities.get(pose, 0.0)
        if seen == pose and likely
        # What is not seen is forgotten at the same pace: one misread frame costs one frame.
        else max(progress.evidence.get(pose, 0.0) - passed, 0.0)
        for pose in STAGES
    }
    progress = replace(progress, last_s=at_s, evidence=evidence)
    if likely and seen in STAGES:
        return _known(progress, STAGES.index(seen) + 1, probabilities[seen], at_s, limits)
    if likely and seen != NONE and progress.stage in (1, 2):
        return _other(progress, seen, passed * probabilities[seen], limits)
    return progress


def _expire(progress: Progress, at_s: float, limits: Limits) -> Progress:
    late = at_s - progress.seen_s
    completed = tuple(time for time in progress.completed_s if at_s - time <= limits.repeat_within_s)
    over = (
        (progress.stage == 1 and late > limits.palm_gap_s)
        or (progress.stage == 2 and (late > limits.closing_gap_s or at_s - progress.since_s > limits.whole_s))
        or (progress.stage == 3 and late > limits.after_s)
    )
    if over:
        return replace(START, completed_s=completed, evidence=progress.evidence)
    return progress if completed == progress.completed_s else replace(progress, completed_s=completed)


def _known(progress: Progress, pose: int, probability: float, at_s: float, limits: Limits) -> Progress:
    """One of the three poses was seen with this probability: `pose` is 1 palm, 2 tucked, 3 closed."""
    gathered = progress.evidence[STAGES[pose - 1]]
    needed = (limits.palm_s, limits.tucked_s, limits.closed_s)[pose - 1]
    if pose == progress.stage:
        *earlier, mine = progress.weights
        mine += NEWEST * (probability - mine)
        return replace(progress, seen_s=at_s, others={}, weights=(*earlier, mine))
    if pose == 1 and gathered >= needed and progress.stage != 1:
        # A palm starts the sign, and starts it anew: a tuck that opens again was none.
        reached = replace(progress, stage=1, seen_s=at_s, since_s=at_s, weights=(probability,), others={})
    elif pose == progress.stage + 1 and progress.stage > 0:
        if gathered < needed:
            # On the way: the stage before must not run out meanwhile.
            return replace(progress, seen_s=max(progress.seen_s, at_s - GATHERING_S))
        weights = (*progress.weights, probability)
        reached = replace(progress, stage=pose, seen_s=at_s, since_s=at_s, weights=weights, others={})
    else:
        if pose == 3 and progress.stage == 1 and gathered >= needed:
            return replace(START, last_s=at_s, evidence=progress.evidence, completed_s=progress.completed_s)
        return progress
    if reached.stage == 3:
        reached = replace(reached, completed_s=(*reached.completed_s, at_s))
    return reached


def _other(progress: Progress, label: str, gained: float, limits: Limits) -> Progress:
    others = {**progress.others, label: progress.others.get(label, 0.0) + gained}
    # Counting down passes through several signs, a closing hand through none for long.
    several = sum(value >= limits.other_s / 4 for value in others.values()) > 1
    if several or others[label] >= limits.other_s:
        return replace(START, last_s=progress.last_s, completed_s=progress.completed_s)
    return replace(progress, others=others)


def confidence(progress: Progress, limits: Limits = DEFAULT) -> float:
    """Probability that the sign is under way or has just been completed; 0.80 and more only once it is complete."""
    if progress.stage < len(STAGES):
        return (0.0, 0.1, 0.45)[progress.stage]
    if len(progress.completed_s) < limits.repeats:
        return 0.6
    sure = sum(progress.weights) / len(progress.weights)
    return COMPLETE + (0.99 - COMPLETE) * max(sure - LIKELY, 0.0) / (1 - LIKELY)
