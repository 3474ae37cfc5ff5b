from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.corpus import LABELS, Clip
from audio.detector import RECENT_OVERVIEW, RECENT_WINDOWS, overview
from audio.drowned import Drowned
from audio.lessons import (
    AUDIBLE,
    COMPOSED,
    OF_FURTHER,
    OF_THE_CORPUS,
    Lessons,
    as_drowned,
    as_overviews,
    as_recorded,
    newest_overviews,
    overviews_of,
    telling,
)
from audio.preparation import Windows

SCREAM, CONVERSATION, AMBIENT = (LABELS.index(label) for label in ("scream", "conversation", "ambient"))


def _windows(clips: list[int], quiet: list[int]) -> Windows:
    count = len(clips)
    silent = np.zeros(count, bool)
    silent[quiet] = True
    pictures, facts = np.zeros((count, 1, 1), np.float16), np.zeros((count, 1), np.float32)
    return Windows("windows", pictures, facts, np.asarray(clips, np.int32), silent)


def _likeness(values: list[float]) -> NDArray[np.float32]:
    """Traits of windows: their place, and how much like a scream they are."""
    return np.asarray(list(enumerate(values)), np.float32)


def test_of_a_scream_its_clearest_windows_are_learned_apart_from_each_other_and_none_that_is_silent() -> None:
    clips = [Clip(Path("a.wav"), "scream", "here", "a")]
    traits = _likeness([0, 5, 6, 4, 9, 1, 3, 2])
    lessons = as_recorded(clips, _windows([0] * 8, quiet=[4]), traits, OF_THE_CORPUS)
    assert lessons.traits[:, 0].tolist() == [0, 2, 6]
    assert set(lessons.labels) == {SCREAM}


def test_of_anything_else_what_is_most_like_a_scream_is_learned_and_any_besides() -> None:
    clips = [Clip(Path("a.wav"), "ambient", "here", "a"), Clip(Path("b.wav"), "conversation", "there", "b", weight=3)]
    traits = _likeness([*range(50), *range(50)])
    lessons = as_recorded(clips, _windows([0] * 50 + [1] * 50, quiet=[]), traits, OF_THE_CORPUS)
    first, second = lessons.labels == AMBIENT, lessons.labels == CONVERSATION
    assert set(range(42, 50)) <= set(lessons.traits[first, 0])
    assert first.sum() <= 11
    assert set(lessons.weights[second]) == {3.0}
    assert lessons.without([1]).labels.tolist() == [AMBIENT] * int(first.sum())


def test_a_clip_that_counts_nothing_teaches_nothing() -> None:
    clips = [Clip(Path("a.wav"), "scream", "here", "a", weight=0)]
    assert len(as_recorded(clips, _windows([0] * 4, quiet=[]), _likeness([1, 2, 3, 4]), OF_THE_CORPUS).labels) == 0


def test_of_further_recordings_less_is_learned_and_nothing_of_what_is_nothing_like_a_scream() -> None:
    clips = [Clip(Path(f"{name}.wav"), label, "here", name) for name, label in (("a", "scream"), ("b", "ambient"))]
    clips.append(Clip(Path("c.wav"), "ambient", "there", "c"))
    likeness = [-20.0] * 10 + [float(place) for place in range(-17, -7)] + [OF_FURTHER.least - 0.1] * 10
    lessons = as_recorded(clips, _windows([0] * 10 + [1] * 10 + [2] * 10, quiet=[]), _likeness(likeness), OF_FURTHER)
    screams, others = lessons.labels == SCREAM, lessons.labels == AMBIENT
    assert screams.sum() == 3
    assert {18, 19} <= set(lessons.traits[others, 0])
    assert 2 <= others.sum() <= 3
    behind = lessons.behind(2)
    assert len(behind.without([0, 1]).labels) == len(lessons.labels)
    assert len(behind.without([2]).labels) == 0


def test_composed_screams_that_are_made_up_or_cannot_be_heard_are_left_out() -> None:
    real, made_up = (0, 1), (-1, 1)
    composed = Lessons(
        _likeness([AUDIBLE + 1, AUDIBLE - 1, AUDIBLE + 1, AUDIBLE - 1, AUDIBLE + 1]),
        np.asarray([SCREAM, SCREAM, SCREAM, AMBIENT, CONVERSATION], np.int8),
        np.ones(5, np.float32),
        np.asarray([real, real, made_up, made_up, real], np.int16),
    )
    chosen = telling(composed, 10, 10)
    assert sorted(chosen.traits[:, 0].tolist()) == [0, 3, 4]
    assert set(chosen.weights.tolist()) == {np.float32(COMPOSED)}
    assert len(telling(composed, 10, 1).labels) == 2


def test_the_newest_windows_are_those_of_the_last_seconds_of_the_same_recording_that_hold_something() -> None:
    rng = np.random.default_rng(0)
    clips, traits = np.repeat(np.arange(3, dtype=np.int32), 20), rng.normal(0, 1, (60, 5)).astype(np.float32)
    quiet = rng.random(60) < 0.3
    quiet[20:23] = True
    found = newest_overviews(traits, clips, quiet)
    for clip in range(3):
        for window in np.flatnonzero(clips == clip).tolist():
            there = range(max(20 * clip, window + 1 - RECENT_WINDOWS), window + 1)
            loud = [traits[place] for place in there if not quiet[place]]
            wanted = overview(np.stack(loud), RECENT_OVERVIEW) if loud else np.zeros(5)
            assert found[window] == pytest.approx(wanted)


def test_what_holds_a_trace_of_a_source_is_left_out_whole_and_drowned() -> None:
    clips = [Clip(Path(f"{name}.wav"), label, name, name) for name, label in (("a", "scream"), ("b", "ambient"))]
    clips.append(Clip(Path("c.wav"), "conversation", "c", "c", weight=0))
    whole = as_overviews(clips, np.asarray([[1], [2], [3]], np.float32))
    assert whole.traits.tolist() == [[1], [2]]
    assert whole.without([0]).labels.tolist() == [AMBIENT]
    both = [Drowned(0, 1, 10.0, 0), Drowned(1, 1, 10.0, 0)]
    drowned = as_drowned(clips, both, np.asarray([[4], [5]], np.float32))
    assert drowned.labels.tolist() == [SCREAM, AMBIENT]
    weighty = [replace(clips[0], weight=4.0), clips[1]]
    assert as_drowned(weighty, both, drowned.traits).weights.tolist() == [
        pytest.approx(4 * COMPOSED),
        drowned.weights[1],
    ]
    assert drowned.without([0]).labels.tolist() == [AMBIENT]
    assert drowned.without([1]).labels.tolist() == []


def test_the_overview_of_a_recording_is_of_what_can_be_heard_in_it() -> None:
    traits = _likeness([1, 9, 2, 3, 5, 4])
    found = overviews_of(traits, _windows([0, 0, 0, 0, 1, 2], quiet=[1, 4]), 3, 2)
    assert found.tolist() == [[2.5, 2.5], [0, 0], [5, 4]]
