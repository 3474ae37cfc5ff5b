import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio.augment import synthetic_scream
from audio.blocks import SAMPLE_RATE
from audio.features import (
    DESCRIPTION,
    FRAME,
    HOP,
    MEL_BANDS,
    WINDOW,
    Frames,
    describe,
    frame_count,
    frames,
    picture,
    silence,
)

Samples = NDArray[np.float32]


def scream(seconds: float = 1.5, peak: float = 0.5, seed: int = 1) -> Samples:
    sound = synthetic_scream(np.random.default_rng(seed), seconds)
    return np.asarray(sound / np.abs(sound).max() * peak, np.float32)


def piecewise(samples: Samples, cuts: list[int]) -> Frames:
    """Frames of a stream that arrives in pieces, each piece worked on as soon as it is there."""
    result, rest = silence(0), np.zeros(0, np.float32)
    for piece in np.split(samples, sorted(cuts)):
        rest = np.concatenate([rest, piece])
        fresh = frames(rest)
        rest = rest[len(fresh) * HOP :]
        result = result.then(fresh)
    return result


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 24_000), max_size=12))
def test_a_stream_cut_anywhere_has_the_frames_of_the_whole(cuts: list[int]) -> None:
    samples = scream()
    whole, cut = frames(samples), piecewise(samples, cuts)
    assert len(cut) == len(whole) == frame_count(len(samples))
    np.testing.assert_allclose(cut.mel, whole.mel, atol=1e-4)
    np.testing.assert_allclose(cut.voice, whole.voice, atol=1e-4)
    np.testing.assert_allclose(cut.envelope, whole.envelope, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "count"), [(0, 0), (FRAME - 1, 0), (FRAME, 1), (FRAME + HOP - 1, 1), (FRAME + HOP, 2)]
)
def test_only_whole_frames_count(samples: int, count: int) -> None:
    assert frame_count(samples) == count
    assert len(frames(np.zeros(samples, np.float32))) == count


@pytest.mark.parametrize("peak_dbfs", [-50, -30, -10, 0])
def test_level_changes_neither_picture_nor_description(peak_dbfs: float) -> None:
    window = frames(scream(peak=0.1))[:WINDOW]
    other = frames(scream(peak=10 ** (peak_dbfs / 20)))[:WINDOW]
    np.testing.assert_allclose(picture(other), picture(window), atol=1e-2)
    np.testing.assert_allclose(describe(other), describe(window), atol=5e-2)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(SAMPLE_RATE, np.float32),
        np.ones(SAMPLE_RATE, np.float32),
        np.eye(1, SAMPLE_RATE, 8000, dtype=np.float32)[0],
        np.sign(np.sin(np.arange(SAMPLE_RATE, dtype=np.float32))),
    ],
    ids=["silence", "direct current", "one click", "square wave"],
)
def test_odd_sounds_give_finite_numbers(samples: Samples) -> None:
    window = frames(samples)[:WINDOW]
    assert picture(window).shape == (WINDOW, MEL_BANDS)
    assert describe(window).shape == (DESCRIPTION,)
    assert np.isfinite(picture(window)).all()
    assert np.isfinite(describe(window)).all()


@pytest.mark.parametrize("hertz", [250, 500, 1000, 1500])
def test_pitch_of_a_voice_with_harmonics(hertz: float) -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 6))
    window = frames(np.asarray(tone, np.float32) * 0.1)
    octaves = float(np.median(window.voice[:, 1]))
    assert 100 * 2**octaves == pytest.approx(hertz, rel=0.08)
    assert np.median(window.voice[:, 0]) > 0.5


def test_the_picture_spans_80_db_below_the_loudest_point() -> None:
    image = picture(frames(scream())[:WINDOW])
    assert image.max() == pytest.approx(1.0)
    assert image.min() >= -1.0
