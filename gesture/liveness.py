"""Whether a camera that gives pictures can see: signs of one that works and is blind all the same.

A glance a second is enough: `glance` makes a few numbers of a picture, `look` judges them against what this camera
usually shows. Both are pure. The first views count as right: a camera that is turned away before the start is not
noticed.
"""

import zlib
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from gesture.capture import Image

WIDTH = 320
"""Pixels of the smaller picture in which edges are looked for."""
VIEW = (32, 24)
DARK, LIT_SHARE = 40, 0.02
"""A picture in which less than this share is brighter than this is black."""
BURNT, BURNT_SHARE = 250, 0.6
"""A picture in which more than this share is brighter than this is over-exposed."""
FEATURELESS = 1.5
"""Grey levels: a picture whose edges are weaker than this shows nothing but its cover."""
BLURRED = 0.45
"""Share of its usual sharpness below which a camera is out of focus."""
ALIKE, UNLIKE, UNRELATED = 0.7, 0.35, 0.1
"""Correlations: of pictures of one view, of two views, and of pictures that have nothing to do with each other."""
LEARNT = 30
"""Glances from which on it is known what is usual."""
SHARPNESS_SHARE = 1 / 120
"""How much of its sharpness a glance adds to what is usual."""
ADOPTED = 3600
"""Glances after which a new view is one of the usual ones."""
VIEWS = 4
"""Usual views that are remembered: day, night, lamps on, shutters down."""


class SightFault(StrEnum):
    """What is wrong with pictures."""

    FROZEN = "frozen"
    """The same picture again, to the last bit."""
    BLACK = "black"
    """Too dark for a hand; a dark room and a lens under black tape look the same."""
    OVEREXPOSED = "overexposed"
    COVERED = "covered"
    """No edge anywhere, though it is not dark."""
    BLURRED = "blurred"
    MOVED = "moved"
    """Another view, and it stays."""
    TORN = "torn"
    """Pictures that have nothing to do with each other: what is decoded is not what the camera sees."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A picture in a few numbers.

    Attributes:
        check: equal for equal pictures only.
        lit: share of it that is not dark.
        burnt: share of it that is at full brightness.
        detail: strength of its coarse edges, grey levels.
        sharpness: fine edges in relation to coarse ones; falls when the picture goes out of focus.
        view: float32 of shape (24, 32), its coarse edges, mean 0 and length 1: what it shows, in whatever light.
    """

    check: int
    lit: float
    burnt: float
    detail: float
    sharpness: float
    view: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a camera usually shows.

    Attributes:
        glances: so far.
        last: the newest one.
        sharpness: the usual one.
        views: the usual ones.
        other: a view that is none of these, as it was when it came.
        other_glances: how long it has been there.
    """

    glances: int = 0
    last: Glance | None = None
    sharpness: float = 0.0
    views: tuple[NDArray[np.float32], ...] = ()
    other: NDArray[np.float32] | None = None
    other_glances: int = 0


def glance(image: Image) -> Glance:
    """Make a few numbers of a picture, uint8 of shape (height, width, 3); about a millisecond."""
    height, width = image.shape[:2]
    step = max(width // WIDTH, 1)
    check = zlib.crc32(image[::step, ::step].tobytes())
    size = (WIDTH, max(round(height * WIDTH / width), 1))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    # From here on a quarter of the pixels is enough.
    small = cv2.resize(soft, (size[0] // 4, max(size[1] // 4, 1)), interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(small, (0, 0), 1.0) - cv2.GaussianBlur(small, (0, 0), 4.0)
    fine = soft - cv2.GaussianBlur(soft, (0, 0), 2.0)
    detail = float(coarse.std())
    view = cv2.resize(coarse, VIEW, interpolation=cv2.INTER_AREA)
    view = view - view.mean()
    return Glance(
        check=check,
        lit=float((grey > DARK).mean()),
        burnt=float((grey >= BURNT).mean()),
        detail=detail,
        sharpness=float(fine.std()) / max(detail, 1e-3),
        view=(view / max(float(np.linalg.norm(view)), 1e-6)).astype(np.float32),
    )


def look(scene: Scene, seen: Glance) -> tuple[Scene, SightFault | None]:
    """What is usual now, and what is wrong with this glance, if anything is.

    One glance says little: only what all glances of many seconds say is a fault.

    Args:
        scene: what is usual.
        seen: the next glance, a second or so after the last one.
    """
    last = scene.last
    scene = replace(scene, last=seen)
    if seen.lit < LIT_SHARE:
        return scene, SightFault.BLACK
    if last is not None and seen.check == last.check:
        return scene, SightFault.FROZEN
    if seen.burnt > BURNT_SHARE:
        return scene, SightFault.OVEREXPOSED
    if seen.detail < FEATURELESS:
        return scene, SightFault.COVERED
    if last is not None and last.detail >= FEATURELESS and likeness(seen.view, last.view) < UNRELATED:
        return scene, SightFault.TORN
    if scene.glances >= LEARNT and seen.sharpness < BLURRED * scene.sharpness:
        return scene, SightFault.BLURRED
    return _compare(scene, seen)


def _compare(scene: Scene, seen: Glance) -> tuple[Scene, SightFault | None]:
    """Learn of a good picture, and see whether it shows what is usual."""
    if scene.glances < LEARNT:
        share = 1 / (scene.glances + 1)
        views: tuple[NDArray[np.float32], ...] = (seen.view,)
    else:
        share, views = SHARPNESS_SHARE, scene.views
    sharpness = scene.sharpness + share * (seen.sharpness - scene.sharpness)
    scene = replace(scene, glances=scene.glances + 1, sharpness=sharpness, views=views)
    best = max(range(len(views)), key=lambda number: likeness(seen.view, views[number]))
    if likeness(seen.view, views[best]) >= UNLIKE:
        return replace(scene, other=None, other_glances=0), None
    if scene.other is None or likeness(seen.view, scene.other) < ALIKE:
        return replace(scene, other=seen.view, other_glances=1), None  # something moves
    scene = replace(scene, other_glances=scene.other_glances + 1)
    if scene.other_glances > ADOPTED:
        return replace(scene, views=(seen.view, *views)[:VIEWS], other=None, other_glances=0), None
    return scene, SightFault.MOVED


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Correlation of two views, -1..1."""
    return float(np.vdot(one, other))
