"""What makes much of few examples: a support vector machine, which tells screams from the rest, and a line.

Networks that learn from many composed examples lose plain cases over made-up hard ones; these do not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

CUT = 5.0
"""Standard deviations from the mean beyond which an input counts no more."""
ROUNDS, LOUDER, NEARLY = 3, 5.0, -0.5
"""So often hard cases are told again, so many times louder, and beyond this distance from the border they are hard."""
RIDGE = 5e-4
"""What a mistake costs a line: most of its inputs say the same twice."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Inputs as those that learn want them: about 0, about 1 apart, and never far out.

    Attributes:
        mean: of the inputs learned from, float32 of shape (k,).
        spread: their standard deviation.
    """

    mean: Array
    spread: Array

    def __call__(self, inputs: Array) -> Array:
        """Float32 of shape (n, k)."""
        return np.asarray(np.clip((inputs - self.mean) / self.spread, -CUT, CUT), np.float32)


@dataclass(frozen=True, slots=True)
class Machine:
    """A support vector machine with a radial basis function (Cortes and Vapnik 1995).

    Attributes:
        scale: of its inputs.
        vectors: those it learned from that lie at the border, scaled, float32 of shape (m, k).
        strengths: how much each of them speaks for a scream, float32 of shape (m,).
        offset: what is added.
        gamma: how fast an input becomes unlike a vector.
    """

    scale: Scale
    vectors: Array
    strengths: Array
    offset: float
    gamma: float

    def __call__(self, inputs: Array) -> Array:
        """How far on the side of a scream each of the inputs (n, k) lies: float32 of shape (n,)."""
        x = self.scale(inputs)
        distance = np.square(x).sum(axis=1)[:, None] + np.square(self.vectors).sum(axis=1) - 2 * x @ self.vectors.T
        return np.asarray(np.exp(-self.gamma * distance) @ self.strengths + self.offset, np.float32)


@dataclass(frozen=True, slots=True)
class Border:
    """What lies between screams and the rest: a machine tells, and the teacher, as the trunk took over its opinion.

    Attributes:
        machine: learned from labels; the last of its inputs is the teacher's logit of a scream.
        known_share: weight of that logit beside the machine's distance.
    """

    machine: Machine
    known_share: float

    def __call__(self, inputs: Array) -> Array:
        """How far on the side of a scream each of the inputs (n, k) lies: float32 of shape (n,)."""
        return np.asarray(self.machine(inputs) + self.known_share * inputs[:, -1], np.float32)


@dataclass(frozen=True, slots=True)
class Line:
    """Logistic regression.

    Attributes:
        scale: of its inputs.
        slope: float32 of shape (k,).
        offset: what is added.
    """

    scale: Scale
    slope: Array
    offset: float

    def __call__(self, inputs: Array) -> Array:
        """Log-odds of each of the inputs (n, k): float32 of shape (n,)."""
        return np.asarray(self.scale(inputs) @ self.slope + self.offset, np.float32)


def scale_of(inputs: Array) -> Scale:
    """The scale of inputs (n, k) that something is to learn from."""
    return Scale(inputs.mean(axis=0), inputs.std(axis=0) + np.float32(1e-2))


def learn_machine(inputs: Array, screams: NDArray[np.bool_], weights: Array, penalty: float) -> Machine:
    """A machine that tells screams from the rest; both sides count alike.

    Args:
        inputs: float32 of shape (n, k).
        screams: bool of shape (n,), both kinds in it.
        weights: float32 of shape (n,), how much each counts, above 0.
        penalty: what a mistake costs (C): the higher, the closer the border follows every input.
    """
    from sklearn.svm import SVC

    scale = scale_of(inputs)
    gamma = 1.0 / inputs.shape[1]
    learned = SVC(C=penalty, gamma=gamma, class_weight="balanced").fit(scale(inputs), screams, sample_weight=weights)
    vectors, strengths = learned.support_vectors_, learned.dual_coef_[0]
    return Machine(scale, vectors.astype(np.float32), strengths.astype(np.float32), float(learned.intercept_[0]), gamma)


def learn_hard(inputs: Array, screams: NDArray[np.bool_], weights: Array, penalty: float) -> Machine:
    """A machine that was told again and again of what it still takes for a scream, or nearly so, though it is none.

    Args:
        inputs: float32 of shape (n, k).
        screams: bool of shape (n,), both kinds in it.
        weights: float32 of shape (n,), how much each counts, above 0.
        penalty: see `learn_machine`.
    """
    machine = learn_machine(inputs, screams, weights, penalty)
    for _ in range(ROUNDS):
        hard = ~screams & (machine(inputs) > NEARLY)
        weights = np.where(hard, weights * np.float32(LOUDER), weights)
        machine = learn_machine(inputs, screams, weights, penalty)
    return machine


def learn_line(inputs: Array, true: NDArray[np.bool_], weights: Array) -> Line:
    """A line between two kinds, which count alike.

    Args:
        inputs: float32 of shape (n, k).
        true: bool of shape (n,), both kinds in it.
        weights: float32 of shape (n,), how much each counts, above 0.
    """
    from sklearn.linear_model import LogisticRegression

    scale = scale_of(inputs)
    learned = LogisticRegression(C=RIDGE, class_weight="balanced", max_iter=500)
    learned.fit(scale(inputs), true, sample_weight=weights)
    return Line(scale, learned.coef_[0].astype(np.float32), float(learned.intercept_[0]))


def constant_line(inputs: int, odds: float) -> Line:
    """The line that says the same of whatever it is given, of so many numbers."""
    nothing = np.zeros(inputs, np.float32)
    return Line(Scale(nothing, nothing + 1), nothing, odds)
