"""How the sign and movement models are trained, as numbers."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class SignPlan:
    """How the sign model is trained.

    Attributes:
        epochs: passes; each draws `samples` hands anew.
        samples: hands of one pass.
        members: networks whose probabilities are averaged.
        seed: decides everything random.
        patience: a training that measures itself on hands left out stops after so many passes without progress.
    """

    epochs: int = 36
    samples: int = 12_000
    members: int = 3
    seed: int = 20
    patience: int = 4

    def short(self) -> "SignPlan":
        """The plan for trainings that only measure."""
        return replace(self, epochs=max(self.epochs // 2, 1), samples=max(self.samples // 2, 1), members=1)


@dataclass(frozen=True, slots=True)
class MotionPlan:
    """How the movement model is trained.

    Attributes:
        epochs: passes; each draws `samples` paths anew.
        samples: paths of one pass.
        made_up: paths made up for each label and span.
        members: networks whose probabilities are averaged.
        seed: decides everything random.
        patience: a training that measures itself on paths left out stops after so many passes without progress.
    """

    epochs: int = 30
    samples: int = 16_000
    made_up: int = 1_000
    members: int = 2
    seed: int = 20
    patience: int = 4

    def short(self) -> "MotionPlan":
        """The plan for trainings that only measure."""
        return replace(
            self,
            epochs=max(self.epochs // 3, 1),
            samples=max(self.samples // 2, 1),
            made_up=max(self.made_up // 4, 1),
            members=1,
        )
