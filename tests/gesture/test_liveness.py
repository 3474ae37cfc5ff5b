"""A camera that gives pictures and sees nothing is told from dark clothes, people who pass, and lamps."""

from collections.abc import Callable
from itertools import count

import cv2
import numpy as np
import pytest

from gesture.capture import Image
from gesture.liveness import ADOPTED, LEARNT, Scene, SightFault, glance, look

RNG = np.random.default_rng(0)
Look = Callable[[Image], Image]


def room(seed: int) -> Image:
    """A picture with edges of all sizes, as rooms have."""
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), 120, np.uint8)
    for _ in range(60):
        x, y = int(rng.integers(0, 320)), int(rng.integers(0, 240))
        width, height = int(rng.integers(8, 90)), int(rng.integers(8, 90))
        shade = [int(value) for value in rng.integers(20, 235, 3)]
        cv2.rectangle(image, (x, y), (x + width, y + height), shade, -1)
    return image


ROOM, OTHER_ROOM = room(1), room(2)


def noisy(image: Image) -> Image:
    """As a camera gives it: no two pictures are equal."""
    return (image + RNG.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)


def blurred(image: Image, sigma: float) -> Image:
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8)


def with_a_person(image: Image, number: int) -> Image:
    """Somebody goes through the picture."""
    x = number * 12 % 320
    changed = image.copy()
    changed[40:, x : x + 70] = (30, 30, 90)
    return changed


def seen(scene: Scene, images: list[Image]) -> tuple[Scene, list[SightFault | None]]:
    faults = []
    for image in images:
        scene, fault = look(scene, glance(image))
        faults.append(fault)
    return scene, faults


@pytest.fixture(scope="module")
def usual() -> Scene:
    scene, faults = seen(Scene(), [noisy(ROOM) for _ in range(LEARNT + 1)])
    assert set(faults) == {None}
    return scene


NUMBERS = count()


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: noisy((ROOM * 0.02).astype(np.uint8)), SightFault.BLACK),
        (lambda: np.zeros_like(ROOM), SightFault.BLACK),
        (lambda: ROOM, SightFault.FROZEN),
        (lambda: noisy(np.full_like(ROOM, 253)), SightFault.OVEREXPOSED),
        (lambda: noisy(np.full_like(ROOM, 90)), SightFault.COVERED),
        (lambda: noisy(blurred(ROOM, 90)), SightFault.COVERED),
        (lambda: noisy(blurred(ROOM, 5)), SightFault.BLURRED),
        (lambda: noisy(OTHER_ROOM), SightFault.MOVED),
        (lambda: noisy(room(next(NUMBERS) + 10)), SightFault.TORN),
        (lambda: noisy(ROOM), None),
        (lambda: noisy((ROOM * 0.4).astype(np.uint8)), None),
        (lambda: noisy(np.clip(ROOM * 1.5, 0, 255).astype(np.uint8)), None),
        (lambda: noisy(with_a_person(ROOM, next(NUMBERS))), None),
    ],
)
def test_what_is_wrong_with_what_a_camera_shows(
    usual: Scene, make: Callable[[], Image], fault: SightFault | None
) -> None:
    _, faults = seen(usual, [make() for _ in range(6)])
    assert set(faults[3:]) == {fault}


def test_a_camera_that_is_turned_back_is_well_again(usual: Scene) -> None:
    scene, faults = seen(usual, [noisy(OTHER_ROOM) for _ in range(4)])
    assert faults[-1] is SightFault.MOVED
    _, faults = seen(scene, [noisy(ROOM) for _ in range(3)])
    assert faults[-1] is None


def test_a_view_that_stays_becomes_usual_beside_the_one_before(usual: Scene) -> None:
    scene, _ = seen(usual, [noisy(OTHER_ROOM) for _ in range(3)])
    other = [glance(noisy(OTHER_ROOM)), glance(noisy(OTHER_ROOM))]
    for number in range(ADOPTED):
        scene, fault = look(scene, other[number % 2])
    assert fault is None
    for image in (ROOM, OTHER_ROOM):
        _, faults = seen(scene, [noisy(image) for _ in range(3)])
        assert faults[-1] is None
