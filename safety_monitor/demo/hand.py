"""Draws a hand that a hand detector takes for a hand: rounded cones along its bones, lit, with a depth buffer."""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shade = NDArray[np.float32]
Values = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]

SKIN: Shade = np.array([214.0, 160.0, 134.0], dtype=np.float32)
SLEEVE: Shade = np.array([58.0, 74.0, 104.0], dtype=np.float32)
LIGHT: Shade = np.array([-0.343, -0.524, 0.78], dtype=np.float32)

FINGER_RADII = (
    (1, (0.19, 0.135, 0.108, 0.08)),
    (5, (0.125, 0.106, 0.092, 0.072)),
    (9, (0.128, 0.110, 0.094, 0.074)),
    (13, (0.122, 0.104, 0.090, 0.071)),
    (17, (0.115, 0.091, 0.078, 0.063)),
)
"""First landmark of each finger, and the flesh around its four landmarks in palm lengths."""


@dataclass(slots=True)
class _Canvas:
    """The nearest surface so far: depth towards the viewer, its normals, and whether it is sleeve."""

    left: int
    top: int
    depth: Shade
    normal: Shade
    sleeve: NDArray[np.bool_]


@dataclass(slots=True)
class _Solids:
    """What the hand is made of, in pixels: balls (centre, radius) and cones between two balls."""

    balls: list[tuple[Array, float, bool]] = field(default_factory=list)
    cones: list[tuple[Array, float, Array, float, bool]] = field(default_factory=list)

    def chain(self, points: list[Array], radii: list[float], *, sleeve: bool = False) -> None:
        self.balls += [(point, radius, sleeve) for point, radius in zip(points, radii, strict=True)]
        for i in range(len(points) - 1):
            self.cones.append((points[i], radii[i], points[i + 1], radii[i + 1], sleeve))


def draw_hand(landmarks: Array, background: Picture) -> Picture:
    """Draw one hand over a picture.

    The surface is the nearest of rounded cones (a cone between two balls) along the hand's bones, seen along z
    without perspective, with the creases of the palm drawn on it.

    Args:
        landmarks: shape (21, 3) in MediaPipe's order, of a hand that shows its palm; in pixels, x to the
            right, y down, z towards the viewer.
        background: uint8 of shape (height, width, 3), RGB; left as it is.

    Returns:
        A new picture of the same shape; what lies outside of it is cut off.
    """
    height, width = background.shape[:2]
    palm = float(np.linalg.norm(landmarks[9] - landmarks[0]))
    solids = _flesh(landmarks, palm)
    centres = np.array([ball[0][:2] for ball in solids.balls])
    radii = np.array([ball[1] for ball in solids.balls])[:, None]
    left, top = np.maximum(np.floor((centres - radii).min(axis=0)) - 4, 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil((centres + radii).max(axis=0)) + 4, (width, height)).astype(int).tolist()
    picture = background.copy()
    if left >= right or top >= bottom:
        return picture
    shape = (bottom - top, right - left)
    canvas = _Canvas(
        left,
        top,
        np.full(shape, -np.inf, dtype=np.float32),
        np.zeros((3, *shape), dtype=np.float32),
        np.zeros(shape, dtype=bool),
    )
    for centre, radius, sleeve in solids.balls:
        _enter_ball(canvas, centre, radius, sleeve)
    for start, start_radius, end, end_radius, sleeve in solids.cones:
        _enter_cone(canvas, start, start_radius, end, end_radius, sleeve)
    creases = _creases(canvas, landmarks, palm)
    region = np.s_[top:bottom, left:right]
    picture[region] = _shade(canvas, creases, palm, picture[region])
    return picture


def _axes(points: Array, palm: float) -> tuple[Array, Array]:
    """Unit vectors across the palm towards the thumb's side and out of the palm, which the viewer sees."""
    along = (points[9] - points[0]) / palm
    across = points[5] - points[17]
    across = across - along * float(across @ along)
    across /= np.linalg.norm(across)
    out = np.cross(along, across)
    return across, out if out[2] > 0 else -out


def _flesh(points: Array, palm: float) -> _Solids:
    """Balls and cones around the landmarks."""
    across, out = _axes(points, palm)
    along = (points[9] - points[0]) / palm
    solids = _Solids()
    for first, radii in FINGER_RADII:
        solids.chain([points[first + i] for i in range(4)], [palm * radius for radius in radii])
    heel = points[0] + 0.06 * palm * along
    knuckles = [points[5], points[9], points[13], points[17]]
    rays = []
    for i in range(10):
        place = 3 * i / 9
        finger = min(int(place), 2)
        rays.append(knuckles[finger] + (place - finger) * (knuckles[finger + 1] - knuckles[finger]))
    for i, knuckle in enumerate(rays):
        solids.cones.append((heel + (0.17 - 0.036 * i) * palm * across, 0.165 * palm, knuckle, 0.118 * palm, False))
    solids.chain(knuckles, [0.12 * palm] * 4)
    # The two balls of the palm: one below the thumb, one on the little finger's side.
    thenar = points[1] + 0.35 * (points[2] - points[1])
    solids.chain(
        [heel + 0.10 * palm * across, thenar + 0.04 * palm * out, points[2]], [0.17 * palm, 0.2 * palm, 0.13 * palm]
    )
    outer = heel - 0.17 * palm * across
    solids.chain([outer, outer + 0.45 * (points[17] - outer) + 0.03 * palm * out], [0.16 * palm, 0.165 * palm])
    # The web between thumb and index.
    for share in (0.35, 0.7):
        solids.cones.append(
            (thenar, 0.15 * palm, points[2] + share * (points[5] - points[2]) - 0.04 * palm * out, 0.085 * palm, False)
        )
    cuff = points[0] - 0.8 * palm * along
    elbow = points[0] - 3.0 * palm * along
    for shift in (-0.13, -0.045, 0.045, 0.13):
        aside = shift * palm * across
        solids.chain([heel + aside, cuff + 1.15 * aside], [0.165 * palm, 0.2 * palm])
        solids.chain([cuff + 1.3 * aside, elbow + 2.2 * aside], [0.26 * palm, 0.36 * palm], sleeve=True)
    return solids


def _window(canvas: _Canvas, low: Array, high: Array) -> tuple[tuple[slice, slice], Shade, Shade] | None:
    """The part of the canvas between two corners and its pixels' coordinates; None where it is off the canvas."""
    x0, y0 = np.maximum(np.floor(low[:2]).astype(int) - (canvas.left, canvas.top), 0).tolist()
    limit = (canvas.depth.shape[1], canvas.depth.shape[0])
    x1, y1 = np.minimum(np.ceil(high[:2]).astype(int) + 1 - (canvas.left, canvas.top), limit).tolist()
    if x0 >= x1 or y0 >= y1:
        return None
    x = np.arange(x0 + canvas.left, x1 + canvas.left, dtype=np.float32)[None, :]
    y = np.arange(y0 + canvas.top, y1 + canvas.top, dtype=np.float32)[:, None]
    return np.s_[y0:y1, x0:x1], x, y


def _enter(
    canvas: _Canvas,
    window: tuple[slice, slice],
    z: Values,
    normal: tuple[Values, Values, Values],
    seen: NDArray[np.bool_],
    sleeve: bool,
) -> None:
    """Keep what is seen of a surface and nearer than all before."""
    seen &= z > canvas.depth[window]
    np.copyto(canvas.depth[window], z, where=seen)
    for plane, value in zip(canvas.normal, normal, strict=True):
        np.copyto(plane[window], value, where=seen)
    np.copyto(canvas.sleeve[window], sleeve, where=seen)


def _enter_ball(canvas: _Canvas, centre: Array, radius: float, sleeve: bool) -> None:
    found = _window(canvas, centre - radius, centre + radius)
    if found is None:
        return
    window, x, y = found
    dx, dy = np.broadcast_arrays(x - np.float32(centre[0]), y - np.float32(centre[1]))
    square = np.float32(radius**2) - dx**2 - dy**2
    dz = np.sqrt(np.maximum(square, 0))
    r = np.float32(radius)
    _enter(canvas, window, np.float32(centre[2]) + dz, (dx / r, dy / r, dz / r), square > 0, sleeve)


def _enter_cone(
    canvas: _Canvas, start: Array, start_radius: float, end: Array, end_radius: float, sleeve: bool
) -> None:
    """The side of a cone: every pixel's q with |q|² - s² = (r + slope·s)², s = q·axis, is a quadratic in q's z."""
    length = float(np.linalg.norm(end - start))
    widest = max(start_radius, end_radius)
    found = _window(canvas, np.minimum(start, end) - widest, np.maximum(start, end) + widest)
    if length < 1e-6 or found is None:
        return
    window, x, y = found
    ax, ay, az = (float(v) for v in (end - start) / length)
    slope = (end_radius - start_radius) / length
    spread = 1 + slope**2
    a = 1 - spread * az**2
    if a < 1e-3:
        return  # seen end on: its balls cover it
    dx, dy = x - np.float32(start[0]), y - np.float32(start[1])
    flat = dx * ax + dy * ay
    b = flat * (-spread * az) - start_radius * slope * az
    c = dx**2 + dy**2 - flat * (spread * flat + 2 * start_radius * slope) - start_radius**2
    root = b**2 - a * c
    z = (np.sqrt(np.maximum(root, 0)) - b) / a
    s = flat + z * az
    seen = (root > 0) & (s > 0) & (s < length)
    around = np.maximum(start_radius + slope * s, 1e-3)
    normal = ((dx - s * ax) / around, (dy - s * ay) / around, (z - s * az) / around)
    _enter(canvas, window, z + np.float32(start[2]), normal, seen, sleeve)


def _creases(canvas: _Canvas, points: Array, palm: float) -> Shade:
    """How dark the folds of the skin are, 0..1, where the side of the palm is what the viewer sees."""
    across, out = _axes(points, palm)
    folds = np.zeros(canvas.depth.shape, dtype=np.float32)

    def fold(line: list[Array], strength: float) -> None:
        spots = np.array(line)
        found = _window(canvas, spots.min(axis=0) - 2, spots.max(axis=0) + 2)
        if found is None:
            return
        window, x, y = found
        mask = np.zeros((y.size, x.size), dtype=np.uint8)
        flat = np.round((spots[:, :2] - (x[0, 0], y[0, 0])) * 16).astype(np.int32)
        cv2.polylines(mask, [flat], False, 255, 1, cv2.LINE_AA, 4)
        seen = np.abs(canvas.depth[window] - spots[:, 2].mean()) < 0.12 * palm
        np.maximum(folds[window], mask * np.float32(strength / 255) * seen, out=folds[window])

    for first, radii in FINGER_RADII:
        for joint in range(1, 3) if first > 1 else range(2, 3):
            here, towards = points[first + joint], points[first + joint + 1] - points[first + joint - 1]
            side = np.cross(towards, out)
            size = float(np.linalg.norm(side))
            if size < 0.3 * float(np.linalg.norm(towards)):
                continue  # the joint is bent towards the viewer: its fold is closed
            radius = radii[joint] * palm
            middle = here + 0.9 * radius * np.cross(side / size, towards / np.linalg.norm(towards))
            fold([middle - 0.7 * radius * side / size, middle + 0.7 * radius * side / size], 0.8)
    along = (points[9] - points[0]) / palm
    origin = points[0] + 0.14 * palm * out

    def at(x: float, y: float) -> Array:
        spot: Array = origin + palm * (x * across + y * along)
        return spot

    fold([at(0.36, 0.70), at(0.22, 0.66), at(0.06, 0.52), at(0.0, 0.3), at(0.02, 0.1)], 0.9)
    fold([at(0.36, 0.70), at(0.16, 0.66), at(-0.1, 0.54), at(-0.34, 0.42)], 0.8)
    fold([at(0.12, 0.86), at(-0.04, 0.76), at(-0.24, 0.68), at(-0.44, 0.66)], 0.9)
    for knuckle in (5, 9, 13, 17):
        middle = points[knuckle] + 0.15 * palm * along + 0.11 * palm * out
        fold([middle - 0.09 * palm * across, middle + 0.09 * palm * across], 0.7)
    return _blur(folds, 0.012 * palm) * 1.5


def _shade(canvas: _Canvas, creases: Shade, palm: float, behind: Picture) -> Picture:
    """Light the surface and lay it over what is behind it."""
    covered = np.isfinite(canvas.depth)
    mask = covered.astype(np.float32)
    normal = np.ascontiguousarray(canvas.normal.transpose(1, 2, 0))
    # Flesh rounds off the seams between the cones: normals are averaged over a few hundredths of the palm.
    smooth = 0.4 * normal + 0.6 * _blur(normal, 0.055 * palm) / (_blur(mask, 0.055 * palm)[..., None] + 1e-6)
    smooth /= np.sqrt(np.einsum("yxc,yxc->yx", smooth, smooth))[..., None] + 1e-6
    solid = np.where(covered, canvas.depth, 0)
    around = _blur(solid, 0.09 * palm) / (_blur(mask, 0.09 * palm) + 1e-6)
    hollow = np.clip((around - solid) / (0.16 * palm), 0, 1) * mask
    light = 0.42 + 0.62 * np.maximum(smooth @ LIGHT, 0) + 0.10 * smooth[..., 2]
    light *= (1 - 0.42 * hollow) * (0.80 + 0.20 * np.clip(1.6 * normal[..., 2], 0, 1)) * (1 - 0.35 * creases)
    colour = np.where(canvas.sleeve[..., None], SLEEVE, SKIN) * light[..., None]
    # Skin in the shade is redder than skin in the light: blood shines through.
    colour *= 1 + (1 - light[..., None]) * np.array([0.10, -0.04, -0.08], dtype=np.float32)
    edge = (_blur(mask, 0.8) * mask)[..., None]
    laid: Picture = np.clip(behind * (1 - edge) + colour * edge, 0, 255).astype(np.uint8)
    return laid


def _blur(values: Shade, sigma: float) -> Shade:
    """Gaussian blur; a wide one at half the resolution, where nobody sees the difference."""
    height, width = values.shape[:2]
    if sigma < 3 or min(height, width) < 8:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma, 0.3)), dtype=np.float32)
    half = cv2.resize(values, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(half, (0, 0), sigma / 2), (width, height)), dtype=np.float32)
