import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs scikit-learn: pip install -e '.[train]'")

from audio.machine import constant_line, learn_hard, learn_line, learn_machine


def test_a_machine_learns_a_border_that_no_line_follows_and_its_own_sums_are_those_of_scikit_learn() -> None:
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    inputs = rng.normal(0, 1, (600, 2)).astype(np.float32)
    inside = np.square(inputs).sum(axis=1) < 1
    weights = rng.uniform(0.2, 3, 600).astype(np.float32)
    machine = learn_machine(inputs, inside, weights, 2.0)
    fresh = rng.normal(0, 1, (400, 2)).astype(np.float32)
    assert ((machine(fresh) > 0) == (np.square(fresh).sum(axis=1) < 1)).mean() > 0.95
    theirs = SVC(C=2.0, gamma=0.5, class_weight="balanced").fit(machine.scale(inputs), inside, sample_weight=weights)
    assert machine(fresh) == pytest.approx(theirs.decision_function(machine.scale(fresh)), abs=1e-3)


def test_a_line_parts_two_kinds_of_which_one_is_rare() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(0, 1, (2000, 5)).astype(np.float32) * 10 + 50
    inputs[:100, 2] += 40
    true = np.arange(2000) < 100
    line = learn_line(inputs, true, np.ones(2000, np.float32))
    assert (line(inputs)[true] > 0).mean() > 0.9
    assert (line(inputs)[~true] < 0).mean() > 0.9


def test_a_far_value_of_one_number_does_not_outweigh_all_others() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(0, 1, (500, 4)).astype(np.float32)
    line = learn_line(inputs, inputs[:, 0] > 0, np.ones(500, np.float32))
    odd = np.asarray([[2, 0, 0, 1e6], [-2, 0, 0, 1e6]], np.float32)
    assert line(odd)[0] > 0 > line(odd)[1]


def test_a_constant_line_says_the_same_of_everything() -> None:
    line = constant_line(3, -5.0)
    assert line(np.random.default_rng(0).normal(0, 9, (4, 3)).astype(np.float32)).tolist() == [-5.0] * 4


def test_what_is_nearly_a_scream_is_told_again_until_it_is_none() -> None:
    rng = np.random.default_rng(2)
    screams, others = rng.normal(0, 1, (40, 6)), rng.normal(3, 1, (400, 6))
    near = rng.normal(0, 1, (4, 6))  # as screams are, and none
    inputs = np.concatenate([screams, others, near]).astype(np.float32)
    truth = np.arange(len(inputs)) < 40
    weights = np.ones(len(inputs), np.float32)
    once, hard = (learn(inputs, truth, weights, 5.0) for learn in (learn_machine, learn_hard))
    assert hard(inputs[-4:]).max() < once(inputs[-4:]).max()
    assert hard(inputs[-4:]).max() < 0
    assert (hard(inputs[:40]) > 0).mean() > 0.8
