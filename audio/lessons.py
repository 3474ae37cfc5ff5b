"""What heads learn from: windows of recordings as they are, and composed ones."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.corpus import SCREAM, Clip, labels_of
from audio.detector import RECENT_OVERVIEW, RECENT_WINDOWS, overview
from audio.drowned import Drowned
from audio.preparation import Windows, listen

Array = NDArray[np.float32]

OF_A_SCREAM = 3
"""A head learns from so many windows of a scream."""
APART = 2
"""Windows between two of a scream."""
AUDIBLE = -4.0
"""A composed scream that the trunk believes in less, as the teacher's logit, is too faint to learn from."""
COMPOSED = 0.3
"""Weight of a composed window, to a machine, beside those of the recordings as they are."""
UNSURE = 0.4
"""Weight of recordings whose label is weak or disputed."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Which windows of a recording without a scream are learned from.

    Attributes:
        like_screams: so many that are most like one.
        others: so many of all.
        least: none of a recording without a window that the trunk believes in that much, as the teacher's logit of a
            scream: of what is nothing like one there is enough.
    """

    like_screams: int
    others: int
    least: float = -np.inf


OF_THE_CORPUS, OF_FURTHER = Picked(8, 3), Picked(2, 1, -8.5)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What heads learn from: n windows.

    Attributes:
        traits: float32 of shape (n, k): a description, then what the trunk heard.
        labels: int8 of shape (n,).
        weights: float32 of shape (n,).
        sources: int16 of shape (n, 2), see `Examples.sources`.
    """

    traits: Array
    labels: NDArray[np.int8]
    weights: Array
    sources: NDArray[np.int16]

    def then(self, others: "Lessons") -> "Lessons":
        """These and others."""
        both = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return Lessons(*(np.concatenate(each) for each in both))

    def only(self, chosen: NDArray[Any]) -> "Lessons":
        """Those at these places."""
        return Lessons(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def without(self, sources: Sequence[int]) -> "Lessons":
        """Those that hold nothing of these sources (places in the list of sources)."""
        return self.only(np.flatnonzero(~np.isin(self.sources, list(sources)).any(axis=1)))

    def behind(self, count: int) -> "Lessons":
        """These, their sources behind so many others in a list of all."""
        moved = np.where(self.sources < 0, self.sources, self.sources + count)
        return replace(self, sources=moved.astype(np.int16))


def sources_of(clips: Sequence[Clip]) -> list[str]:
    """The sources of recordings, in the order in which lessons number them."""
    return sorted({clip.source for clip in clips})


def _alone(clips: Sequence[Clip]) -> NDArray[np.int16]:
    """The places of the source of each recording, with nothing behind it, of shape (recordings, 2)."""
    sources = sources_of(clips)
    return np.asarray([(sources.index(clip.source), -1) for clip in clips], np.int16)


def trust(clip: Clip) -> float:
    """How much a recording counts."""
    return clip.weight * (1.0 if clip.sure else UNSURE)


def as_recorded(clips: Sequence[Clip], judged: Windows, traits: Array, picked: Picked) -> Lessons:
    """Windows of the recordings as they are: those most like a scream, and of others any besides.

    Args:
        clips: the recordings.
        judged: all their windows.
        traits: of these.
        picked: which are taken.
    """
    rng = np.random.default_rng(0)
    chosen: list[int] = []
    for place, (first, last) in enumerate(pairwise(np.searchsorted(judged.clips, np.arange(len(clips) + 1)))):
        there = np.flatnonzero(~judged.quiet[first:last]) + first
        by_likeness = there[np.argsort(-traits[there, -1], kind="stable")]
        if clips[place].label == "scream":
            chosen += sorted(_apart_from_each_other(by_likeness))
        elif len(there) and traits[by_likeness[0], -1] >= picked.least:
            some = rng.choice(there, min(picked.others, len(there)), replace=False)
            chosen += np.union1d(by_likeness[: picked.like_screams], some).tolist()
    where = judged.clips[chosen]
    lessons = Lessons(
        traits[chosen],
        labels_of(clips).astype(np.int8)[where],
        np.asarray([trust(clip) for clip in clips], np.float32)[where],
        _alone(clips)[where],
    )
    return lessons.only(lessons.weights > 0)


def _apart_from_each_other(places: NDArray[np.intp]) -> list[int]:
    """The first `OF_A_SCREAM` of the places that are `APART` at least from each other."""
    picked: list[int] = []
    for place in places.tolist():
        if len(picked) < OF_A_SCREAM and all(abs(place - other) >= APART for other in picked):
            picked.append(place)
    return picked


def as_composed(trunk: Path, parts: Sequence[Path], cache: Path) -> Lessons:
    """The windows that were composed."""
    heard = listen(
        trunk, (np.load(part)["images"] for part in parts), cache, f"heard-{parts[0].parent.name}-{len(parts)}"
    )
    facts, labels, weights, sources = (
        np.concatenate([np.load(part)[name] for part in parts]) for name in ("facts", "labels", "weights", "sources")
    )
    lessons = Lessons(np.concatenate([facts, heard], axis=1), labels, weights, sources)
    return lessons.only(np.flatnonzero(weights > 0))


def telling(composed: Lessons, most_screams: int, most_others: int) -> Lessons:
    """At most so many composed windows of each kind: screams in noise and from afar, and what is none there.

    Made-up screams are left out: a machine that learns from them finds fewer real ones.
    """
    screams = composed.labels == SCREAM
    audible = screams & (composed.sources[:, 0] >= 0) & (composed.traits[:, -1] > AUDIBLE)
    rng = np.random.default_rng(0)
    some = [
        rng.choice(there, min(most, len(there)), replace=False)
        for there, most in ((np.flatnonzero(audible), most_screams), (np.flatnonzero(~screams), most_others))
    ]
    chosen = composed.only(np.concatenate(some))
    return replace(chosen, weights=chosen.weights * np.float32(COMPOSED))


def as_overviews(clips: Sequence[Clip], overviews: Array) -> Lessons:
    """Recordings as they are, each by its overview, of shape (recordings, k)."""
    weights = np.asarray([trust(clip) for clip in clips], np.float32)
    return Lessons(overviews, labels_of(clips).astype(np.int8), weights, _alone(clips)).only(weights > 0)


def as_drowned(clips: Sequence[Clip], drowned: Sequence[Drowned], overviews: Array) -> Lessons:
    """Recordings in other sound, each by its overview, of shape (drowned, k)."""
    pairs = np.asarray([(each.front, each.back) for each in drowned], np.intp)
    labels = labels_of(clips).astype(np.int8)[pairs[:, 0]]
    weights = np.asarray([COMPOSED * clip.weight for clip in clips], np.float32)[pairs[:, 0]]
    return Lessons(overviews, labels, weights, _alone(clips)[pairs, 0])


def overviews_of(traits: Array, judged: Windows, count: int, most: int) -> Array:
    """The overview of each of `count` recordings, of at most so many windows; zeros where it holds nothing."""
    starts = np.searchsorted(judged.clips, np.arange(count + 1))
    result = np.zeros((count, traits.shape[1]), np.float32)
    for place, (first, last) in enumerate(pairwise(starts)):
        loud = ~judged.quiet[first:last]
        if loud.any():
            result[place] = overview(traits[first:last][loud], most)
    return result


def newest_overviews(traits: Array, clips: NDArray[np.int32], quiet: NDArray[np.bool_]) -> Array:
    """At each window the overview of the newest ones, as the running detector has it; zeros where nothing is heard.

    Args:
        traits: of n windows, (n, k).
        clips: the recording that each is of, in order, (n,).
        quiet: in which there is nothing to be heard, (n,).
    """
    result = np.zeros_like(traits)
    first = np.searchsorted(clips, clips)
    for window in range(len(traits)):
        there = np.s_[max(int(first[window]), window + 1 - RECENT_WINDOWS) : window + 1]
        if not quiet[there].all():
            result[window] = overview(traits[there][~quiet[there]], RECENT_OVERVIEW)
    return result
