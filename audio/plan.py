"""What decides about the training of the scream model besides the recordings."""

from dataclasses import dataclass

FALSE_CLIPS = 0.0115
"""The operating point: the threshold lets through so many of the other recordings, of sources never learned from."""
OPINION_SHARE, RECENT_SHARE = 8.0, 4.0
"""Weight of the second opinion on whole recordings, and of that on the newest windows."""
KNOWN_SHARE, OPINION_KNOWN_SHARE = 0.15, 0.3
"""Weight of the teacher's logit of a scream beside the distance of a machine: in a head, in the second opinion on a
recording. The teacher hears screaming in groans and shouts, too; that counts less for a recording than for a room at
night, and in the second opinion on the newest windows, which speaks against just these, nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides about a training besides the recordings.

    Attributes:
        parts: how many parts of `examples.PART` examples are composed of what is judged.
        further_parts: and how many of further recordings, by which only false alarms are counted.
        folds: into how many the sources are dealt.
        screams: its machine learns from at most so many composed screams.
        others: and from at most so many other composed windows.
    """

    parts: int = 30
    further_parts: int = 15
    folds: int = 6
    screams: int = 3000
    others: int = 5000


DEFAULT = Plan()
