"""From scores to probabilities and thresholds, by the scores of recordings whose sources were left out."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio.detector import OPERATING_POINT, Persistence, log_odds, strongest_second

Array = NDArray[np.float32]


def strongest(odds: Array, clips: NDArray[np.int32], count: int) -> Array:
    """Mean log-odds of the strongest second of each of `count` recordings."""
    starts = np.searchsorted(clips, np.arange(count + 1))
    return np.asarray([strongest_second(odds[a:b]) for a, b in pairwise(starts)], np.float32)


def running(odds: Array, opinions: Array, clips: NDArray[np.int32], persistence: Persistence) -> Array:
    """Log-odds at each window of recordings, as the running detector adds windows up: float32 of shape (n,).

    Args:
        odds: of each window, (n,).
        opinions: the second opinion on the newest windows there, (n,).
        clips: the recording of each window, in order, (n,).
        persistence: how windows add up.
    """
    result = np.empty(len(odds), np.float32)
    total, current = -persistence.limit, -1
    limited = np.clip(odds, -persistence.limit, persistence.limit).tolist()
    for place, (value, opinion, clip) in enumerate(zip(limited, opinions.tolist(), clips.tolist(), strict=True)):
        if clip != current:
            total, current = -persistence.limit, clip
        total = persistence.add(total, value)
        result[place] = persistence.with_opinion(total, opinion)
    return result


def highest(odds: Array, clips: NDArray[np.int32], count: int) -> Array:
    """The highest of the log-odds of each of `count` recordings, all of which have windows."""
    return np.asarray(np.maximum.reduceat(odds, np.searchsorted(clips, np.arange(count))), np.float32)


def threshold_at(scores: Array, rate: float) -> float:
    """The threshold that lets through at most `rate` of these scores."""
    ordered = np.sort(scores)[::-1]
    allowed = int(rate * len(ordered))
    return float((ordered[max(allowed - 1, 0)] + ordered[allowed]) / 2) if allowed else float(ordered[0])


def temperature(odds: Array, truth: NDArray[np.bool_]) -> float:
    """The scale of log-odds at which their likelihood is greatest (temperature scaling, Guo et al. 2017).

    Both classes count alike: how often people scream in a room is not what the corpus tells.
    """
    weights = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())
    return _likeliest_slope(odds, truth, weights, 0.0)


def steepness(beyond: Array, truth: NDArray[np.bool_]) -> float:
    """The slope of log-odds beyond a threshold at which probabilities fit best that are `OPERATING_POINT` there.

    Recordings count as they are, unlike in `temperature`: a probability of that height is rare among what is no scream.
    """
    return _likeliest_slope(beyond, truth, np.ones(len(truth)), log_odds(OPERATING_POINT))


def _likeliest_slope(odds: Array, truth: NDArray[np.bool_], weights: NDArray[np.float64], offset: float) -> float:
    slopes = np.geomspace(0.1, 3.0, 60)
    against = np.where(truth, -1.0, 1.0)
    losses = [float((weights * np.logaddexp(0, against * (slope * odds + offset))).sum()) for slope in slopes]
    return float(slopes[int(np.argmin(losses))])


def log_odds_line(distances: Array, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset that make log-odds of the distances from a border (Platt 1999).

    Both classes count alike, as in `temperature`.
    """
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e3, class_weight="balanced").fit(distances[:, None], truth)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
