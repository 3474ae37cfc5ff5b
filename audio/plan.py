"""What decides about the training of the scream model besides the recordings."""

from dataclasses import dataclass

FALSE_CLIPS = 0.016
"""The operating point: the threshold lets through so many of the other recordings, of sources never learned from."""
OPINION_SHARE = 5.0
"""Weight of the second opinion on whole recordings."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides about a training besides the recordings.

    Attributes:
        parts: how many parts of `examples.PART` examples are composed of what is judged.
        further_parts: and how many of recordings by which nothing is judged.
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
