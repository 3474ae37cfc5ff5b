"""Which sign a hand shows: the one answer of the static classifier, for all hands of a frame at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.features import SIGN_FEATURES, sign_features, square
from gesture.hands import Hand
from models.runtime import TFLiteModel, open_classifier

Points = NDArray[np.float32]

DEFAULT_MODEL = "signs"
TASK = "signs"


@dataclass(frozen=True, slots=True)
class SignClassifier:
    """Static signs from landmarks; belongs to the thread that calls it.

    Attributes:
        model: sign features in, calibrated probabilities out.
        labels: in the order of the model's outputs.
    """

    model: TFLiteModel
    labels: tuple[str, ...]

    @staticmethod
    def load(name: str = DEFAULT_MODEL, home: Path | None = None) -> "SignClassifier":
        """The classifier of a model folder (see `models.registry.find`).

        Raises:
            ModelError: there is no such model, or it is damaged or made for something else.
        """
        model, card = open_classifier(name, task=TASK, features=SIGN_FEATURES, home=home)
        return SignClassifier(model, card.labels)

    def __call__(self, hands: Sequence[Hand], aspect: float) -> Points:
        """Probabilities of each hand, float32 of shape (hands, labels); each row sums to 1.

        Args:
            hands: any number of hands of one picture.
            aspect: the picture's height divided by its width.
        """
        if not hands:
            return np.zeros((0, len(self.labels)), np.float32)
        landmarks = np.array([hand.landmarks for hand in hands])
        features = sign_features(square(landmarks, [hand.handedness for hand in hands], aspect))
        return np.asarray(self.model(features)[0], np.float32)
