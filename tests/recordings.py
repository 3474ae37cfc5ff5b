"""Recordings made by the tests themselves, so that it is known what is in them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from safety_monitor.demo import scene

Samples = NDArray[np.float32]
Image = NDArray[np.uint8]

SOUND_CODECS = {
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".ogg": "libopus",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".mp4": "aac",
    ".mkv": "libopus",
    ".webm": "libopus",
    ".avi": "libmp3lame",
    ".m3u8": "aac",
    ".ts": "aac",
}
PICTURE_CODECS = {".webm": "libvpx", ".avi": "mpeg4"}


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0, peak: float = 0.5) -> Samples:
    """A sine."""
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def plain(red: int, green: int, blue: int, width: int = 64, height: int = 48) -> Image:
    """A picture of one colour."""
    return np.full((height, width, 3), (red, green, blue), np.uint8)


def write_media(
    path: Path,
    *,
    sound: Samples | None = None,
    sound_at_s: Sequence[tuple[float, float]] = ((0.0, float("inf")),),
    images: Sequence[Image] = (),
    image_at_s: Sequence[float] | None = None,
    rate: int = 48_000,
    fps: int = 10,
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a recording of the kind that its name ends with.

    Args:
        path: where.
        sound: mono samples.
        sound_at_s: the stretches of `sound`, begin and end in seconds, that are kept, each at its own time.
        images: pictures.
        image_at_s: when each is seen; None: at `fps`.
        rate: samples a second.
        fps: pictures a second.
        rotation: by how many degrees counterclockwise a player shall turn the pictures.
        options: of the container.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        voice = container.add_stream(SOUND_CODECS[path.suffix], rate=rate, layout="mono") if sound is not None else None
        view = None
        if len(images):
            view = container.add_stream(PICTURE_CODECS.get(path.suffix, "libx264"), rate=fps)
            assert isinstance(view, VideoStream)
            view.height, view.width = images[0].shape[:2]
            view.pix_fmt = "yuv420p"
            if path.suffix == ".m3u8":
                view.codec_context.gop_size = fps  # a piece can begin every second
            if rotation:
                view.set_display_rotation(rotation)
            view.codec_context.time_base = Fraction(1, 1000) if image_at_s else Fraction(1, fps)
        if isinstance(view, VideoStream):
            _write_images(container, view, images, image_at_s)
        if isinstance(voice, AudioStream) and sound is not None:
            _write_sound(container, voice, sound, sound_at_s, rate)
    return path


def write_scene(path: Path, *stretches_s: tuple[float, float]) -> Path:
    """Write these stretches of the demo scene, begin and end in seconds, one after the other."""
    heard = scene.sound()
    parts = [heard[round(begin * SAMPLE_RATE) : round(end * SAMPLE_RATE)] for begin, end in stretches_s]
    numbers = [n for begin, end in stretches_s for n in range(round(begin * scene.FPS), round(end * scene.FPS))]
    return write_media(
        path,
        sound=np.concatenate(parts),
        rate=SAMPLE_RATE,
        images=[scene.picture_at(number) for number in numbers],
        fps=round(scene.FPS),
    )


def _write_images(
    container: OutputContainer, view: VideoStream, images: Sequence[Image], at_s: Sequence[float] | None
) -> None:
    for index, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, "rgb24")
        frame.pts = index if at_s is None else round(at_s[index] * 1000)
        frame.time_base = view.codec_context.time_base
        container.mux(view.encode(frame))
    container.mux(view.encode(None))


def _write_sound(
    container: OutputContainer,
    voice: AudioStream,
    sound: Samples,
    stretches: Sequence[tuple[float, float]],
    rate: int,
) -> None:
    if voice.format.name in ("flt", "fltp"):
        form, samples = "flt", sound
    else:
        form, samples = "s16", (sound * 32767).astype(np.int16)
    size = voice.codec_context.frame_size or 1024
    for begin_s, end_s in stretches:
        begin, end = round(begin_s * rate), round(min(end_s, len(samples) / rate) * rate)
        for first in range(begin, end, size):
            frame = av.AudioFrame.from_ndarray(samples[None, first : min(first + size, end)], form, "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            container.mux(voice.encode(frame))
    container.mux(voice.encode(None))
