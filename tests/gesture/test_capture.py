import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gesture.capture import CameraError, Frame, Image, list_cameras, open_camera
from media import container
from tests.hls_server import hls_server
from tests.recordings import plain, tone, write_media
from tests.stream_server import Answer, Send, jpeg, part, pictures, stream_server
from tests.waiting import until

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)
PIECES = {"hls_time": "1", "hls_list_size": "0"}
EXIF_ORIENTATION = 0x0112


def look(src: str | Path, fps: float | None = None) -> list[Frame]:
    return list(open_camera(str(src), fast=True, fps=fps))


def write_picture(path: Path, image: Pixels) -> Path:
    """`image` as OpenCV orders it: blue, green, red, and perhaps alpha."""
    assert cv2.imwrite(str(path), image)
    return path


def marked(width: int = 64, height: int = 32) -> Image:
    """Red above, blue below, so that it is seen which side is up."""
    return np.concatenate([plain(*RED, width, height // 2), plain(*BLUE, width, height - height // 2)])


# -- videos ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".avi"])
def test_every_frame_of_a_video_is_seen(tmp_path: Path, ending: str) -> None:
    path = write_media(tmp_path / f"film{ending}", images=[plain(*RED)] * 5 + [plain(*BLUE)] * 5, sound=tone(48_000))
    frames = look(path)
    assert len(frames) == 10
    for frame in frames:
        assert frame.image.shape == (48, 64, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
    assert frames[0].image.mean(axis=(0, 1)) == pytest.approx(RED, abs=12)
    assert frames[-1].image.mean(axis=(0, 1)) == pytest.approx(BLUE, abs=12)
    assert frames[0].at_s == 0.0
    assert frames[-1].at_s == pytest.approx(0.9, abs=0.11)


@pytest.mark.parametrize(("width", "height"), [(2, 2), (66, 50), (642, 478), (1920, 1080)])
def test_sizes_are_kept(tmp_path: Path, width: int, height: int) -> None:
    (frame, *_) = look(write_media(tmp_path / "film.mp4", images=[plain(*GREEN, width, height)] * 2))
    assert frame.image.shape == (height, width, 3)
    assert frame.image.mean(axis=(0, 1)) == pytest.approx(GREEN, abs=12)


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    write_picture(tmp_path / "odd.png", plain(*GREEN, 31, 17)[..., ::-1])
    assert look(tmp_path / "odd.png")[0].image.shape == (17, 31, 3)


def test_frames_come_at_their_own_times(tmp_path: Path) -> None:
    at_s = [0.0, 0.033, 0.5, 0.51, 3.0]
    frames = look(write_media(tmp_path / "film.mkv", images=[plain(*RED)] * 5, image_at_s=at_s))
    assert [frame.at_s for frame in frames] == pytest.approx(at_s, abs=0.002)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_video_is_turned_as_it_was_held(tmp_path: Path, turn: int) -> None:
    upright = marked()
    lying = np.ascontiguousarray(np.rot90(upright, -turn // 90))
    write_media(tmp_path / "phone.mp4", images=[lying] * 3, rotation=turn)
    (frame, *_) = look(tmp_path / "phone.mp4")
    assert frame.image.shape == upright.shape
    assert frame.image[4].mean(axis=0) == pytest.approx(RED, abs=25)
    assert frame.image[-4].mean(axis=0) == pytest.approx(BLUE, abs=25)


def test_fast_or_in_real_time_is_the_same_and_real_time_takes_it(tmp_path: Path) -> None:
    path = write_media(tmp_path / "film.mp4", images=[plain(*RED), plain(*GREEN), plain(*BLUE)])
    began = time.monotonic()
    paced = list(open_camera(str(path)))
    assert time.monotonic() - began >= 0.2
    for one, other in zip(paced, look(path), strict=True):
        assert one.at_s == other.at_s
        np.testing.assert_array_equal(one.image, other.image)


def test_closing_ends_an_iteration_that_waits(tmp_path: Path) -> None:
    path = write_media(tmp_path / "film.mkv", images=[plain(*RED)] * 2, image_at_s=[0.0, 3600.0])
    source = open_camera(str(path))
    assert (source.live, source.dropped, source.name) == (False, 0, "film.mkv")
    first = threading.Event()

    def watch() -> None:
        for _ in source:
            first.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert first.wait(60)
    source.close()
    source.close()
    watcher.join(60)
    assert not watcher.is_alive()


def test_a_video_cut_short_is_seen_up_to_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = write_media(tmp_path / "film.mkv", images=images)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 <= len(look(path)) < 30


# -- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".jpg", ".jpeg", ".PNG", ".bmp", ".webp", ".tif"])
def test_a_picture_is_one_frame(tmp_path: Path, ending: str) -> None:
    path = write_picture(tmp_path / f"hand{ending}", plain(*RED)[..., ::-1])
    (frame,) = look(path)
    assert frame.at_s == 0.0
    assert frame.image.flags.c_contiguous
    assert frame.image.mean(axis=(0, 1)) == pytest.approx(RED, abs=6)


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        ("grey", np.full((48, 64), 100, np.uint8)),
        ("grey 16 bit", np.full((48, 64), 100 * 257, np.uint16)),
        ("16 bit", np.full((48, 64, 3), 100 * 257, np.uint16)),
        ("alpha", np.full((48, 64, 4), (100, 100, 100, 0), np.uint8)),
        ("alpha 16 bit", np.full((48, 64, 4), 100 * 257, np.uint16)),
    ],
)
def test_unusual_pictures_are_seen(tmp_path: Path, kind: str, image: Pixels) -> None:
    (frame,) = look(write_picture(tmp_path / f"{kind}.png", image))
    assert frame.image.shape == (48, 64, 3)
    assert frame.image.dtype == np.uint8
    assert frame.image.mean() == pytest.approx(100, abs=1)


def test_a_print_shop_picture_is_seen(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (64, 48), RED).convert("CMYK").save(tmp_path / "print.jpg")
    (frame,) = look(tmp_path / "print.jpg")
    assert frame.image.mean(axis=(0, 1)) == pytest.approx(RED, abs=12)


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (6, 1), (3, 2), (8, 3)])
def test_a_picture_is_turned_as_it_was_held(tmp_path: Path, orientation: int, turn: int) -> None:
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    image.fromarray(np.rot90(marked(), turn)).save(tmp_path / "phone.jpg", exif=exif)
    (frame,) = look(tmp_path / "phone.jpg")
    assert frame.image.shape == (32, 64, 3)
    assert frame.image[4].mean(axis=0) == pytest.approx(RED, abs=25)


def test_a_folder_plays_its_pictures_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, colour in (("b.png", GREEN), ("a.jpg", RED), ("c.bmp", BLUE)):
        write_picture(tmp_path / name, plain(*colour)[..., ::-1])
    (tmp_path / "notes.txt").write_text("not a picture")
    frames = look(tmp_path)
    assert [frame.at_s for frame in frames] == pytest.approx([0.0, 0.1, 0.2])
    for frame, colour in zip(frames, (RED, GREEN, BLUE), strict=True):
        assert frame.image.mean(axis=(0, 1)) == pytest.approx(colour, abs=6)
    assert [frame.at_s for frame in look(tmp_path, fps=4)] == pytest.approx([0.0, 0.25, 0.5])


def test_of_a_folder_what_is_hidden_is_no_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".Trashes").mkdir()
    (tmp_path / "day").mkdir()
    for name in ("a.png", ".Trashes/b.png", "day/c.png"):
        write_picture(tmp_path / name, plain(*RED))
    (tmp_path / "._a.png").write_bytes(b"what a Mac leaves beside a.png")
    assert [frame.at_s for frame in look(tmp_path)] == pytest.approx([0.0, 0.1])
    assert not caplog.records


def test_a_broken_picture_of_a_folder_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.png", "c.png"):
        write_picture(tmp_path / name, plain(*RED))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    assert [frame.at_s for frame in look(tmp_path)] == pytest.approx([0.0, 0.2])
    assert len(caplog.records) == 1
    assert "b.png: not a picture that can be read" in caplog.text


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_folder_needs_a_possible_speed(tmp_path: Path, fps: float) -> None:
    write_picture(tmp_path / "a.png", plain(*RED))
    with pytest.raises(CameraError, match="pictures a second above 0"):
        open_camera(str(tmp_path), fps=fps)


# -- what is broken --------------------------------------------------------------------------------------------------


def missing(folder: Path) -> Path:
    return folder / "missing.mp4"


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def empty_picture(folder: Path) -> Path:
    (folder / "empty.jpg").touch()
    return folder / "empty.jpg"


def noise(folder: Path) -> Path:
    (folder / "noise.jpg").write_bytes(np.random.default_rng(0).bytes(5_000))
    return folder / "noise.jpg"


def text(folder: Path) -> Path:
    (folder / "text.mkv").write_text("This is a text and nothing else.\n" * 100)
    return folder / "text.mkv"


def sound_only(folder: Path) -> Path:
    return write_media(folder / "tone.mp4", sound=tone(48_000))


def truncated(folder: Path) -> Path:
    path = write_media(folder / "cut.mp4", images=[plain(*RED)] * 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def folder_of_nothing(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


def folder_of_noise(folder: Path) -> Path:
    noise(folder)
    empty_picture(folder)
    return folder


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (missing, "no such file"),
        (empty, "not a recording"),
        (empty_picture, "not a picture"),
        (noise, "not a picture"),
        (text, "not a recording"),
        (sound_only, "no moving pictures"),
        (truncated, "cut off or damaged"),
        (folder_of_nothing, "holds no pictures"),
        (folder_of_noise, "none of its 2 pictures"),
    ],
)
def test_what_cannot_be_seen_is_refused_in_one_line(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    path = make(tmp_path)
    with pytest.raises(CameraError, match=says) as refusal:
        open_camera(str(path))
    assert path.name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_camera_that_is_not_there_is_refused() -> None:
    for src in ("97", "no such camera"):
        with pytest.raises(CameraError, match=f"{src}: no .*(connect one|there are)") as refusal:
            open_camera(src)
        assert "\n" not in str(refusal.value)
    assert all(camera.number >= 0 and camera.name for camera in list_cameras())


# -- streams ---------------------------------------------------------------------------------------------------------


def changing() -> Iterator[Image]:
    """Pictures of which none is like the one before."""
    for number in itertools.count():
        yield plain(number * 20 % 256, 100, 100, 160, 120)


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Ends the answers of the test's servers."""
    event = threading.Event()
    yield event
    event.set()


def test_a_network_camera_is_live(stop: threading.Event) -> None:
    with stream_server(pictures(changing(), 25, stop)) as address:
        start = time.monotonic()
        source = open_camera(address.replace("//", "//user:secret@") + "?token=secret", start=start)
        assert source.live
        assert source.name == address
        frames = list(itertools.islice(source, 10))
        assert frames[-1].at_s <= time.monotonic() - start
        for one, other in itertools.pairwise(frames):
            assert one.at_s < other.at_s
            assert one.image.shape == (120, 160, 3)
            assert abs(int(one.image[0, 0, 0]) - int(other.image[0, 0, 0])) > 10
        source.close()


def test_a_slow_reader_gets_the_newest_picture_and_is_told_of_the_others(stop: threading.Event) -> None:
    with stream_server(pictures(changing(), 25, stop)) as address:
        start = time.monotonic()
        source = open_camera(address, start=start)
        frames = iter(source)
        next(frames)
        while source.dropped < 20:
            stop.wait(0.05)
        seen = time.monotonic() - start
        assert next(frames).at_s > seen - 0.5
        source.close()


def test_a_camera_that_sends_pieces_is_seen_picture_by_picture_and_says_how_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "READ_LIMIT_S", 0.5)  # a piece lasts longer than others may say nothing
    fps, piece = 12, 12
    film = list(itertools.islice(changing(), 10 * piece))
    with hls_server(write_media(tmp_path / "live.m3u8", images=film, fps=fps, options=PIECES)) as address:
        start = time.monotonic()
        source = open_camera(address.replace("//", "//user:secret@"), start=start)
        assert source.live
        assert source.name == address
        coming = iter(source)
        until_s = next(coming).at_s + 3.0
        frames = list(itertools.takewhile(lambda frame: frame.at_s < until_s, coming))
        assert time.monotonic() - start >= frames[-1].at_s + 0.5
        assert source.late_s > 0.5
        source.close()
    assert len(frames) > 2.0 * fps
    steps_s = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(frames)]
    assert np.median(steps_s) == pytest.approx(1 / fps, abs=0.01)


def test_the_last_piece_of_a_camera_that_has_died_is_not_shown_as_if_it_were_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "PIECES_READ_LIMIT_S", 2.0)
    film = list(itertools.islice(changing(), 12))
    with hls_server(write_media(tmp_path / "live.m3u8", images=film, fps=12, options=PIECES)) as address:
        frames: list[Frame] = []
        with pytest.raises(CameraError, match=address):
            frames.extend(open_camera(address))
        assert not frames


def freezing(stop: threading.Event) -> Answer:
    def answer(send: Send) -> None:
        for image in itertools.islice(changing(), 10):
            send(part(jpeg(image)))
            stop.wait(0.02)
        stop.wait(60)

    return answer


def breaking_off(stop: threading.Event) -> Answer:
    def answer(send: Send) -> None:
        for image in itertools.islice(changing(), 10):
            send(part(jpeg(image)))
            stop.wait(0.02)
        send(part(jpeg(plain(*RED)))[:100])

    return answer


def half_garbage(stop: threading.Event) -> Answer:
    rng = np.random.default_rng(0)

    def answer(send: Send) -> None:
        for number, image in enumerate(itertools.islice(changing(), 60)):
            send(part(rng.bytes(2_000) if number % 3 == 1 else jpeg(image)))
            stop.wait(0.02)

    return answer


@pytest.mark.parametrize("kind", [freezing, breaking_off, half_garbage])
def test_a_stream_that_breaks_gives_what_it_has_and_then_an_error(
    kind: Callable[[threading.Event], Answer], stop: threading.Event
) -> None:
    with stream_server(kind(stop)) as address:
        frames: list[Frame] = []
        with pytest.raises(CameraError, match=address) as refusal:
            frames.extend(open_camera(address))
        assert frames
        assert "\n" not in str(refusal.value)


def test_a_camera_that_sends_only_sound_any_more_is_left(tmp_path: Path, stop: threading.Event) -> None:
    data = write_media(tmp_path / "live.ts", images=[plain(*RED)] * 20, sound=tone(48_000, 60.0)).read_bytes()
    size = 188 * 20
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]

    def answer(send: Send) -> None:
        for piece in itertools.chain(pieces, itertools.cycle(pieces[len(pieces) // 2 :])):
            send(piece)
            if stop.wait(0.02):
                return

    before = threading.enumerate()
    with stream_server(answer, "video/mp2t") as address:
        with pytest.raises(CameraError, match="no picture"):
            list(open_camera(address))
        until(lambda: "camera" not in {thread.name for thread in threading.enumerate() if thread not in before})


def silent(stop: threading.Event) -> Answer:
    def answer(_: Send) -> None:
        stop.wait(60)

    return answer


def sending(data: bytes) -> Callable[[threading.Event], Answer]:
    def answer(send: Send) -> None:
        send(data)

    return lambda _: answer


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (silent, "no answer within 5 s"),
        (sending(np.random.default_rng(0).bytes(100_000)), "can be read"),
        (sending(b"<html>Please log in</html>"), "can be read"),
    ],
)
def test_an_address_without_pictures_is_refused(
    kind: Callable[[threading.Event], Answer], says: str, stop: threading.Event
) -> None:
    with stream_server(kind(stop)) as address, pytest.raises(CameraError, match=says):
        open_camera(address)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_dead_address_is_refused_without_its_password(scheme: str) -> None:
    with pytest.raises(CameraError, match=r"127\.0\.0\.1:9/door: cannot be opened: Connection refused") as refusal:
        open_camera(f"{scheme}://user:secret@127.0.0.1:9/door?key=secret")
    assert "secret" not in str(refusal.value)
