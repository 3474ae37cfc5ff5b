"""The camera's picture with what was seen in it, made only when somebody asks for it, and once for all who do."""

import threading
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from audio.spectrogram import spectrogram
from gesture.detector import HandReading
from safety_monitor.live import LiveView, Picture
from safety_monitor.web.texts import label

WIDTH = 640
QUALITY = 75
REDRAW_S = 0.45
COLUMNS = 400
QUIETEST_DB, LOUDEST_DB = -95.0, -15.0
BONES = (
    (0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (5, 9), (9, 10), (10, 11), (11, 12),
    (9, 13), (13, 14), (14, 15), (15, 16), (13, 17), (0, 17), (17, 18), (18, 19), (19, 20),
)  # fmt: skip
"""MediaPipe's landmarks that are joined."""


class Pictures:
    """The newest picture as a JPEG file."""

    def __init__(self, view: LiveView) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._number = 0
        self._jpeg = b""
        self._drawn_at = float("-inf")
        self._drawn = b""

    def spectrogram(self) -> bytes:
        """The last seconds of sound as a PNG file, made twice a second at most; black while there is no sound."""
        now = time.monotonic()
        with self._lock:
            if now - self._drawn_at >= REDRAW_S:
                self._drawn_at = now
                levels = spectrogram(self._view.sounds, COLUMNS)
                self._drawn = drawn(levels if len(levels) else np.full((1, 1), QUIETEST_DB, np.float32))
            return self._drawn

    def newest(self) -> bytes:
        """The file; empty while there is no picture."""
        picture = self._view.picture
        if picture is None:
            return b""
        with self._lock:
            if picture.number > self._number:
                self._jpeg = encoded(picture)
                self._number = picture.number
            return self._jpeg


def encoded(picture: Picture) -> bytes:
    """A picture with the hands drawn into it, as a JPEG file."""
    height, width = picture.frame.image.shape[:2]
    size = (min(width, WIDTH), round(height * min(width, WIDTH) / width))
    image: NDArray[np.uint8] = cv2.resize(picture.frame.image, size, interpolation=cv2.INTER_AREA)[..., ::-1].copy()  # type: ignore[assignment]
    for hand in picture.hands:
        _draw(image, hand)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def drawn(levels: NDArray[np.float32]) -> bytes:
    """A spectrogram of shape (columns, rows), at least one of each, as a PNG file, brighter where it is louder."""
    shades = np.clip((levels.T[::-1] - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB), 0.0, 1.0) * 255
    colors = cv2.applyColorMap(shades.astype(np.uint8), cv2.COLORMAP_MAGMA)
    return cv2.imencode(".png", colors)[1].tobytes()


def _draw(image: NDArray[np.uint8], hand: HandReading) -> None:
    height, width = image.shape[:2]
    points = [(round(float(x) * width), round(float(y) * height)) for x, y in hand.landmarks[:, :2]]
    for thickness, color in ((5, (20, 20, 20)), (2, (80, 220, 255))):
        for start, end in BONES:
            cv2.line(image, points[start], points[end], color, thickness, cv2.LINE_AA)
    for point in points:
        cv2.circle(image, point, 4, (20, 20, 20), -1, cv2.LINE_AA)
        cv2.circle(image, point, 3, (255, 255, 255), -1, cv2.LINE_AA)
    text = " / ".join(label(name) for name in (hand.sign, hand.movement) if name not in (None, "none"))
    if text:
        (across, up), down = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 1)
        left = min(max(min(x for x, _ in points), 8), max(width - across - 8, 8))
        line = max(min(y for _, y in points) - 18, up + 10)
        cv2.rectangle(image, (left - 6, line - up - 6), (left + across + 6, line + down + 4), (30, 30, 30), -1)
        cv2.putText(image, text, (left, line), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 1, cv2.LINE_AA)
