"""Random forest on means of MFCC, chroma, zero crossings and RMS; rare classes filled up by SMOTE."""

from typing import Any

from audio.zoo.front_end import tones_and_level
from audio.zoo.member import Features, Kind, Member, seconds


def build(seed: int) -> Any:
    """The unfitted estimator."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    return make_pipeline(RandomForestClassifier(200, min_samples_leaf=2, random_state=seed))


MEMBER = Member(
    "smote-forest",
    "Random forest with SMOTE on MFCC, chroma, ZCR, RMS",
    Kind.ESTIMATOR,
    Features("tones-and-level", seconds(2), tones_and_level),
    build,
    smote=True,
)
