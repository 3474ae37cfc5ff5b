"""Support vector machine with a radial kernel on 34 statistics, classes weighted."""

from typing import Any

from audio.zoo.front_end import statistics
from audio.zoo.member import Features, Kind, Member, seconds

STATISTICS = Features("statistics", seconds(2), statistics)


def build(seed: int) -> Any:
    """The unfitted estimator."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=10, class_weight="balanced", random_state=seed))


MEMBER = Member("svm", "SVM (RBF) on 34 features", Kind.ESTIMATOR, STATISTICS, build)
