"""Logistic regression on 34 statistics, classes weighted."""

from typing import Any

from audio.zoo.member import Kind, Member
from audio.zoo.svm import STATISTICS


def build(seed: int) -> Any:
    """The unfitted estimator."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000, random_state=seed)
    )


MEMBER = Member("logistic-regression", "Logistic regression on 34 features", Kind.ESTIMATOR, STATISTICS, build)
