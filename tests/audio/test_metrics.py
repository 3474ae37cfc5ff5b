from pathlib import Path

import numpy as np
import pytest

from audio.corpus import LABELS
from audio.metrics import classification, figures, rate, shown


def test_figures_of_a_known_ranking() -> None:
    scores = np.asarray([0.9, 0.8, 0.3, *np.linspace(0, 0.5, 100)], np.float32)
    truth = np.asarray([True] * 3 + [False] * 100)
    found = figures(scores, truth, rates=(0.0, 0.5))
    assert (found.screams, found.others) == (3, 100)
    assert found.recall == {0.0: pytest.approx(2 / 3), 0.5: 1.0}
    assert found.auc == pytest.approx((1 + 1 + 0.6) / 3, abs=0.01)


@pytest.mark.parametrize(
    ("others", "stated"),
    [(7, (None, None)), (99, (None, None)), (100, (0.5, None)), (999, (0.5, None)), (1000, (0.5, 0.5))],
)
def test_recall_is_stated_where_at_least_one_recording_may_be_false(
    others: int, stated: tuple[float | None, float | None]
) -> None:
    scores = np.asarray([0.9, 0.1, *np.linspace(0.2, 0.8, others)], np.float32)
    found = figures(scores, np.arange(others + 2) < 2)
    assert (found.stated(0.01), found.stated(0.001)) == stated
    assert tuple(found.report()["recall"].values()) == stated
    assert shown(found.stated(0.001)) == ("–" if stated[1] is None else "0.50")


def test_chance_is_one_half() -> None:
    assert figures(np.zeros(20, np.float32), np.arange(20) < 10).auc == pytest.approx(0.5)


def test_labels_are_counted_as_they_were_taken(tmp_path: Path) -> None:
    scream, conversation, ambient = LABELS
    truth = [scream] * 4 + [conversation] * 4 + [ambient] * 2
    guesses = [scream, scream, scream, ambient, conversation, conversation, scream, conversation, ambient, ambient]
    chances = np.asarray([[guess == label for label in LABELS] for guess in guesses], np.float32)
    found = classification(truth, guesses, chances)
    assert found["accuracy"] == 0.8
    assert found["confusion"] == [[3, 0, 1], [1, 3, 0], [0, 0, 2]]
    cell = found["labels"][scream]
    assert (cell["count"], cell["precision"], cell["recall"], cell["f1"]) == (4, 0.75, 0.75, 0.75)
    assert cell["mcc"] == pytest.approx((3 * 5 - 1 * 1) / 24)
    assert cell["auc"] == pytest.approx((0.75 + 5 / 6) / 2)
    assert classification([scream], [scream], chances[:1])["labels"][scream]["auc"] is None
    assert classification([], [], chances[:0]) == {"count": 0}


@pytest.mark.parametrize(
    ("alarms", "hours", "at_most"), [(0, 1.0, 2.996), (0, 15.0, 0.1997), (1, 1.0, 4.744), (10, 10.0, 1.696)]
)
def test_the_rate_of_alarms_is_bounded(alarms: int, hours: float, at_most: float) -> None:
    """The tables of Garwood (1936): 95 % one-sided bounds of a Poisson mean are 3.00, 4.74 … 16.96."""
    found = rate(alarms, hours)
    assert found["per_hour"] == alarms / hours
    assert found["at_most_per_hour"] == pytest.approx(at_most, abs=1e-3)
    assert rate(0, 0.0)["at_most_per_hour"] is None
