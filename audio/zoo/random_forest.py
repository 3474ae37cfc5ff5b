"""Random forest on 34 statistics, classes weighted."""

from typing import Any

from audio.zoo.member import Kind, Member
from audio.zoo.svm import STATISTICS


def build(seed: int) -> Any:
    """The unfitted estimator."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        RandomForestClassifier(200, min_samples_leaf=2, class_weight="balanced_subsample", random_state=seed)
    )


MEMBER = Member("random-forest", "Random forest on 34 features", Kind.ESTIMATOR, STATISTICS, build)
