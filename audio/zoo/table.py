"""All members of the zoo."""

from audio.zoo import (
    cnn_lstm,
    consensus,
    dense,
    logistic_regression,
    mel_cnn,
    random_forest,
    segment_cnn,
    smote_forest,
    stft_cnn,
    svm,
    yamnet,
)
from audio.zoo.member import Member

ZOO: dict[str, Member] = {
    each.MEMBER.name: each.MEMBER
    for each in (
        logistic_regression,
        svm,
        random_forest,
        smote_forest,
        dense,
        stft_cnn,
        mel_cnn,
        cnn_lstm,
        segment_cnn,
        yamnet,
        consensus,
    )
}
