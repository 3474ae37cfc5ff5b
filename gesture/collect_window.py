"""The window of the collection mode: the picture with what is seen in it, what is logged, and which keys do what."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gesture.capture import Frame
from gesture.collect import Collector
from gesture.features import FINGERS, WRIST

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Line = tuple[str, Colour]

WINDOW = "safety-monitor collect"
NARROWEST, WIDEST, TALLEST = 640, 960, 540
"""Pixels; narrower pictures are shown larger, so that the lines fit, larger ones smaller, so that they fit a screen."""
TRAIL = 16
"""Frames for which the way of the index tip is shown."""
WHITE, GREY, GREEN, AMBER = (255, 255, 255), (170, 170, 170), (120, 220, 120), (255, 190, 80)
GROUND = 32
TYPING_MS = 100
"""So long a letter is waited for at a time."""
FONT, SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.55
LINE, MARGIN = 22, 10
KEYS = (
    "0-9 choose a label and log a row", "A logs by itself", "U takes the last row back", "P pauses", "L new label",
    "K hands", "H movements", "N nothing", "Q ends",
)  # fmt: skip


def in_window(collector: Collector, frames: Iterable[Frame]) -> None:
    """Show every frame in a window and take keys from it, until the frames or the user come to an end."""
    cv2.namedWindow(WINDOW, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)  # without a bar of buttons of OpenCV's own
    try:
        for frame in frames:
            collector.see(frame)
            _show(frame.image, collector, 1)
            # The picture rests while a label is typed: of letters that come between two frames only the last is told.
            while collector.panel.naming is not None and _is_open():
                _show(frame.image, collector, TYPING_MS)
            if collector.panel.done or not _is_open():
                return
    finally:
        cv2.destroyAllWindows()


def _show(image: Image, collector: Collector, wait_ms: int) -> None:
    """Show a frame, and take the key that is pressed then."""
    cv2.imshow(WINDOW, draw(image, collector))
    key = key_of(cv2.waitKeyEx(wait_ms))
    if key is not None:
        collector.key(key)


def _is_open() -> bool:
    return cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) >= 1


def key_of(code: int) -> str | None:
    """The sign of a key by its code of `cv2.waitKeyEx`; None where no key was pressed, or one without a sign.

    Arrows and the like have codes beyond 255, whose last byte is that of a letter; accented letters negative ones.
    """
    sign = code & 0xFF if code < 0 else code & 0xFFFF  # above these some systems tell of Shift and Num Lock
    return chr(sign) if code != -1 and sign <= 0xFF else None


def draw(image: Image, collector: Collector) -> Image:
    """What the window shows: the picture, mirrored as people expect, above it what is logged, below it the keys.

    Args:
        image: uint8 of shape (height, width, 3), RGB.
        collector: has just seen it.

    Returns:
        uint8 of shape (height, width, 3), BGR, larger than the picture.
    """
    picture = _with_hands(image, collector)
    width = picture.shape[1]
    panel = collector.panel
    logs = panel.mode and panel.label and not panel.paused and panel.naming is None
    above = [
        *_lines([collector.state()], width, GREEN if logs else AMBER),
        *_lines(collector.choices(), width),
        *_lines([f"seen: {collector.seen()}"], width),
        *_lines(collector.message.split(" "), width, AMBER if collector.message == collector.trouble else WHITE, " "),
    ]
    return np.concatenate([_strip(above, width), picture, _strip(_lines(KEYS, width, GREY), width)])


def _with_hands(image: Image, collector: Collector) -> Image:
    """The picture, mirrored and in the size in which it is shown, with landmarks and trails; BGR."""
    height, width = image.shape[:2]
    scale = min(max(1.0, NARROWEST / width), WIDEST / width, TALLEST / height)
    mirrored = np.ascontiguousarray(image[:, ::-1, ::-1])
    picture = cv2.resize(mirrored, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale != 1 else mirrored
    height, width = picture.shape[:2]

    def place(x: float, y: float) -> tuple[int, int]:
        """The pixel of a point in 0..1 of the picture that is not mirrored."""
        return int((1 - x) * width), int(y * height)

    for reading in collector.readings:
        joints = [place(x, y) for x, y, _ in reading.landmarks.tolist()]
        for finger in FINGERS:
            line = np.array([joints[joint] for joint in (WRIST, *finger)], np.int32)
            cv2.polylines(picture, [line], isClosed=False, color=GREEN[::-1], thickness=2)
        for joint in joints:
            cv2.circle(picture, joint, 4, WHITE, -1)
        trail = collector.histories[reading.hand].places[-TRAIL:, :2]  # in picture widths
        for number, (x, y) in enumerate(trail.tolist()):
            cv2.circle(picture, place(x, y * width / height), 1 + number // 3, AMBER[::-1], 2)
    return np.asarray(picture, np.uint8)


def _lines(pieces: Sequence[str], width: int, colour: Colour = WHITE, gap: str = "   ") -> list[Line]:
    """Pieces in as few lines as fit the width, at least one; what is too long by itself is a line that is cut off."""
    lines = [""]
    for piece in pieces:
        longer = f"{lines[-1]}{gap}{piece}" if lines[-1] else piece
        (across, _), _ = cv2.getTextSize(longer, FONT, SCALE, 1)
        if lines[-1] and across > width - 2 * MARGIN:
            lines.append(piece)
        else:
            lines[-1] = longer
    return [(line, colour) for line in lines]


def _strip(lines: Sequence[Line], width: int) -> Image:
    """Lines on a dark ground; BGR."""
    strip = np.full((LINE * len(lines) + MARGIN, width, 3), GROUND, np.uint8)
    for number, (line, colour) in enumerate(lines):
        place = MARGIN, LINE * (number + 1) - MARGIN // 4
        cv2.putText(strip, line, place, FONT, SCALE, colour[::-1], 1, cv2.LINE_AA)
    return strip
