"""Sequences of hands made up from real poses, to measure and to test what the sequence of frames is judged for.

A script names signs and how long each is held; the hand passes from pose to pose as landmarks do when they are
interpolated, sways, jitters, and is lost for a frame now and then. Every pose of a script is of one person where that
person has shown it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gesture.augment import blend, shake, turn
from gesture.features import upright
from gesture.hands import Hand
from gesture.tables import HandTable, square_rows

Points = NDArray[np.float32]

ASPECT = 0.75


@dataclass(frozen=True, slots=True)
class Script:
    """What a hand does.

    Attributes:
        name: for the table.
        signs: the poses, one after the other.
        second: poses of the other hand, in view at the same time; empty for one hand.
        help: whether this is the Signal for Help.
        closing: index in `signs` of the closed hand that completes it.
    """

    name: str
    signs: tuple[str, ...]
    second: tuple[str, ...] = ()
    help: bool = False
    closing: int = -1


SCRIPTS = (
    Script("signal for help", ("open_palm", "thumb_tucked", "fist"), help=True, closing=2),
    Script("after a victory", ("victory", "open_palm", "thumb_tucked", "fist", "open_palm"), help=True, closing=3),
    Script("after a fist", ("fist", "open_palm", "thumb_tucked", "fist"), help=True, closing=3),
    Script(
        "made twice", ("open_palm", "thumb_tucked", "fist", "open_palm", "thumb_tucked", "fist"), help=True, closing=2
    ),
    Script("fist", ("fist",)),
    Script("open and close", ("open_palm", "fist", "open_palm", "fist", "open_palm", "fist")),
    Script("tuck opens again", ("open_palm", "thumb_tucked", "open_palm", "thumb_tucked", "open_palm", "fist")),
    Script("counting to four", ("pointer", "victory", "none", "thumb_tucked", "fist")),
    Script("counting to five", ("pointer", "victory", "none", "thumb_tucked", "open_palm", "fist")),
    Script("counting down", ("open_palm", "thumb_tucked", "none", "victory", "pointer", "fist")),
    Script("pointing", ("open_palm", "pointer", "fist", "pointer", "open_palm", "victory", "fist")),
    Script("two hands", ("open_palm", "thumb_tucked", "thumb_tucked", "open_palm"), ("open_palm", *("fist",) * 3)),
    Script("signing", ("none", "fist", "none", "open_palm", "ok", "none", "fist", "none", "thumb_tucked", "none")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Take:
    """One rehearsal of a script.

    Attributes:
        frames: time in seconds and the hands of each frame.
        closed_s: when the closing pose was reached; None where the script is not the Signal for Help.
    """

    frames: tuple[tuple[float, tuple[Hand, ...]], ...]
    closed_s: float | None


@dataclass(frozen=True, slots=True)
class Cast:
    """The poses that rehearsals are made from.

    Attributes:
        points: float32 of shape (n, 21, 3), right hands in one unit.
        label, person: n texts each.
        session: n texts; tells the many poses of "none" apart.
    """

    points: Points
    label: NDArray[np.str_]
    person: NDArray[np.str_]
    session: NDArray[np.str_]

    @staticmethod
    def of(table: HandTable) -> "Cast":
        """All hands of a table."""
        return Cast(square_rows(table), table.label, table.person, table.session)

    def pose(self, sign: str, person: str, rng: np.random.Generator) -> Points:
        """A hand of `person` that shows `sign`, or of somebody else where that person never does; (21, 3)."""
        every = np.flatnonzero(self.label == sign)
        theirs = every[self.person[every] == person]
        return np.asarray(self.points[rng.choice(theirs if len(theirs) else every)], np.float32)


def rehearse(cast: Cast, script: Script, rate: float, rng: np.random.Generator, *, irregular: bool = False) -> Take:
    """One take of a script at about `rate` frames a second, by one person drawn at random."""
    everyone = np.unique(cast.person[np.isin(cast.label, ("thumb_tucked",))])
    person = str(rng.choice(everyone))
    path, closed_s, seconds = _act(cast, script.signs, person, script.closing if script.help else None, rng)
    hands = [(path, 0.32 if script.second else 0.5)]
    if script.second:
        hands.append((_act(cast, script.second, person, None, rng)[0], 0.7))
    times = np.arange(0, seconds, 1 / rate)
    if irregular:
        times = np.sort(times + rng.uniform(-0.4, 0.4, len(times)) / rate)
        times = np.unique(np.maximum(times, 0).round(4))
    frames = []
    setting = [_Setting.drawn(place, rng) for _, place in hands]
    for at_s in times:
        seen = [
            setting[i].hand(sample(at_s), at_s, "right" if i == 0 else "left", rng)
            for i, (sample, _) in enumerate(hands)
            if rng.random() > 0.03
        ]
        frames.append((float(at_s), tuple(seen)))
    return Take(tuple(frames), closed_s)


@dataclass(frozen=True, slots=True)
class _Keyframes:
    poses: tuple[Points, ...]
    starts: tuple[float, ...]  # when each pose is reached
    ends: tuple[float, ...]  # when it is left

    def __call__(self, at_s: float) -> Points:
        for i, pose in enumerate(self.poses):
            if at_s <= self.ends[i] or i + 1 == len(self.poses):
                return pose
            if at_s < self.starts[i + 1]:
                share = (at_s - self.ends[i]) / (self.starts[i + 1] - self.ends[i])
                return np.asarray(blend(pose[None], self.poses[i + 1][None], np.array([share], np.float32))[0])
        raise AssertionError("a script has at least one pose")


def _act(
    cast: Cast, signs: Sequence[str], person: str, closing: int | None, rng: np.random.Generator
) -> tuple[_Keyframes, float | None, float]:
    poses, starts, ends = [], [], []
    at_s = 0.0
    for sign in signs:
        poses.append(cast.pose(sign, person, rng))
        starts.append(at_s)
        at_s += float(rng.uniform(0.45, 1.3))
        ends.append(at_s)
        at_s += float(rng.uniform(0.15, 0.45))
    closed_s = None if closing is None else starts[closing]
    return _Keyframes(tuple(poses), tuple(starts), tuple(ends)), closed_s, ends[-1] + 0.6


@dataclass(frozen=True, slots=True)
class _Setting:
    place: tuple[float, float]
    size: float
    angles: tuple[float, float, float]
    sway: tuple[float, float]
    jitter: float

    @staticmethod
    def drawn(x: float, rng: np.random.Generator) -> "_Setting":
        roll, pitch, yaw = np.deg2rad([rng.uniform(-45, 45), rng.normal(0, 10), rng.normal(0, 10)])
        sway = rng.uniform(0, 0.03, 2)
        return _Setting(
            (x, float(rng.uniform(0.4, 0.7))),
            float(rng.uniform(0.04, 0.12)),
            (float(roll), float(pitch), float(yaw)),
            (float(sway[0]), float(sway[1])),
            float(rng.uniform(0.003, 0.015)),
        )

    def hand(self, pose: Points, at_s: float, handedness: str, rng: np.random.Generator) -> Hand:
        points = upright(pose[None])[0]
        angles = [np.full(1, angle + np.deg2rad(4) * np.sin(1.3 * at_s), np.float32) for angle in self.angles]
        points = shake(turn(points, angles[0], angles[1], angles[2]), np.full(1, self.jitter, np.float32), rng)[0]
        points = points * np.float32(self.size) * np.array([-1 if handedness == "left" else 1, 1, 1], np.float32)
        points[:, 0] += self.place[0] + self.sway[0] * np.sin(0.9 * at_s)
        points[:, 1] += (self.place[1] + self.sway[1] * np.sin(1.1 * at_s)) * ASPECT
        points[:, 1] /= ASPECT
        return Hand(points.astype(np.float32), handedness, 0.95)
