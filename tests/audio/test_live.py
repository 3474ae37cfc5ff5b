import io
import itertools
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from audio import live, microphone
from audio.blocks import BLOCK_SAMPLES, SAMPLE_RATE, Block, Chunk, SoundError
from audio.capture import open_sound
from audio.live import Arrival, Live, open_pushed
from media import container
from media.inbox import Inbox
from tests.heard import A_TONE, AT_MOST_AHEAD_S, ahead_s, frequency, joined, level
from tests.hls_server import hls_server
from tests.recordings import tone, write_media
from tests.rtsp_server import PACKET, rtsp_server
from tests.stream_server import Send, endless_sound, stream_server


def test_a_stream_is_live_and_its_end_is_an_error() -> None:
    stop = threading.Event()

    with stream_server(endless_sound(tone(SAMPLE_RATE, 1.0), stop), "audio/wav") as address:
        start = time.monotonic()
        source = open_sound(address.replace("//", "//user:secret@") + "?token=secret", start=start)
        assert source.live
        assert source.name == address
        blocks = []
        coming = iter(source)
        for block in itertools.islice(coming, 20):
            assert ahead_s(block, start) <= AT_MOST_AHEAD_S
            blocks.append(block)
        assert frequency(joined(blocks)) == pytest.approx(440, abs=2)
        stop.set()
        with pytest.raises(SoundError, match=source.name):
            list(coming)


def test_an_intercom_is_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.au", tone(8_000), 8_000, subtype="ULAW")
    ulaw = (tmp_path / "tone.au").read_bytes()[-8_000:]
    packets = [ulaw[begin : begin + PACKET] for begin in range(0, len(ulaw), PACKET)]
    stop = threading.Event()
    with rtsp_server(itertools.cycle(packets), stop) as address:
        start = time.monotonic()
        source = open_sound(address.replace("//", "//user:secret@"), start=start)
        assert source.live
        assert source.name == address
        coming = iter(source)
        blocks = list(itertools.islice(coming, 20))
        assert ahead_s(blocks[-1], start) <= AT_MOST_AHEAD_S
        assert frequency(joined(blocks)) == pytest.approx(440, abs=2)
        assert level(joined(blocks)) == pytest.approx(A_TONE, rel=0.05)
        stop.set()
        with pytest.raises(SoundError, match=address):
            list(coming)


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp"])
def test_a_dead_address_is_refused_without_its_password(scheme: str) -> None:
    with pytest.raises(SoundError, match=r"127\.0\.0\.1:9/door: cannot be opened: Connection refused") as refusal:
        open_sound(f"{scheme}://user:secret@127.0.0.1:9/door?key=secret")
    for part in ("user", "secret", "key"):
        assert part not in str(refusal.value)


@pytest.mark.parametrize("address", ["http://", "rtsp://", "http://[::1"])
def test_half_an_address_is_refused(address: str) -> None:
    with pytest.raises(SoundError, match="not a complete address"):
        open_sound(address)


def page(send: Send) -> None:
    send(b"<html>Please log in</html>")


def test_an_address_that_sends_a_page_is_refused() -> None:
    with (
        stream_server(page, "text/html") as address,
        pytest.raises(SoundError, match="nothing that can be read"),
    ):
        open_sound(address)


def test_pushed_sound_comes_at_the_station_s_rate_and_no_faster_than_time() -> None:
    source, push = open_pushed("phone", 48_000)
    half_a_second = np.full(24_000, 0.5, np.float32)
    for _ in range(20):
        push(half_a_second)
    threading.Timer(0.3, source.close).start()
    heard = np.concatenate([block.samples for block in source])
    assert len(heard) == pytest.approx(8_000, abs=800)
    assert np.median(heard) == pytest.approx(0.5, abs=0.01)
    assert source.dropped == 19


@dataclass
class Clock:
    """A clock that is set by hand, in place of the module `time`."""

    now: float = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("comes_after_all", "missing_s"), [(True, 0.0), (False, 0.6)], ids=["late", "lost"])
def test_sound_that_is_late_on_a_busy_machine_is_not_taken_for_lost(
    monkeypatch: pytest.MonkeyPatch, comes_after_all: bool, missing_s: float
) -> None:
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    monkeypatch.setattr(live, "STREAM_LAG_S", microphone.DEVICE_LAG_S)
    monkeypatch.setattr(live, "PUSHED_ITEMS", 200)
    source, push = open_pushed("busy", SAMPLE_RATE, start=clock.now)
    given = 0

    def come(count: int, every_s: float) -> None:
        nonlocal given
        for _ in range(count):
            clock.now += every_s
            push(np.full(BLOCK_SAMPLES, 0.5, np.float32))
            given += 1

    come(20, 0.05)
    clock.now += 0.6
    if comes_after_all:
        come(12, 0.0)
    come(40, 0.05)
    blocks = list(itertools.islice(source, given + round(missing_s / 0.05)))
    assert source.dropped == 0
    assert sum(float(block.samples.sum()) for block in blocks) == pytest.approx(given * BLOCK_SAMPLES * 0.5)
    assert blocks[-1].at_s + 0.05 == pytest.approx(clock.now - 1_000.0, abs=0.01)


def test_sound_that_is_sent_in_pieces_is_heard_at_its_own_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "READ_LIMIT_S", 0.5)  # a piece lasts longer than others may say nothing
    pieces = {"hls_time": "1", "hls_list_size": "0"}
    with hls_server(write_media(tmp_path / "live.m3u8", sound=tone(48_000, 6.0), options=pieces)) as address:
        start = time.monotonic()
        source = open_sound(address, start=start)
        heard = [(block, time.monotonic() - start) for block in itertools.islice(source, 60)]
        assert source.late_s > 0.5
        source.close()
    assert frequency(joined(block for block, _ in heard)) == pytest.approx(440, abs=2)
    waits_s = [came_s - block.at_s for block, came_s in heard[20:]]  # at first nobody knows how late it comes
    assert min(waits_s) > 0.5


HOUR_S = 3_600.0
CHUNK_S = BLOCK_SAMPLES / SAMPLE_RATE


def heard_of(stamps_s: Iterable[float], arrivals_s: Iterable[float]) -> tuple[list[Block], Live]:
    """What a stream gives that sends chunks with such time stamps, which come so long after it is opened."""
    inbox: Inbox[Arrival] = Inbox(10**6)
    for stamp_s, at_s in zip(stamps_s, arrivals_s, strict=True):
        inbox.put(Arrival(Chunk(np.full(BLOCK_SAMPLES, 0.5, np.float32), SAMPLE_RATE, stamp_s), 1_000.0 + at_s))
    inbox.end(SoundError("over"))
    source = Live("stream", inbox, 1_000.0, 5.0, live.STREAM_LAG_S, lambda: None, rate_over_s=live.STREAM_RATE_OVER_S)
    heard: list[Block] = []
    with pytest.raises(SoundError, match="over"):
        heard.extend(source)
    return heard, source


@pytest.mark.parametrize("jump_s", [HOUR_S, 30.0, 5.0, -5.0, -30.0, -HOUR_S])
def test_a_stream_whose_clock_is_set_is_heard_on_in_time(jump_s: float) -> None:
    """As a camera that stamps sound by its clock does it in spring, in autumn, and when it finds a time server."""
    stamps_s = [10_000.0 + number * CHUNK_S + (jump_s if number >= 600 else 0.0) for number in range(1_200)]
    heard, source = heard_of(stamps_s, [(number + 1) * CHUNK_S for number in range(1_200)])
    assert source.dropped == 0
    assert [block.at_s for block in heard] == pytest.approx([number * CHUNK_S for number in range(1_200)])


@pytest.mark.parametrize("stamped_by_a_right_clock", [True, False])
@pytest.mark.parametrize("slower", [-0.001, 0.001])
def test_a_stream_that_is_made_by_a_slower_or_faster_clock_stays_in_time(
    slower: float, stamped_by_a_right_clock: bool
) -> None:
    made_s = [number * CHUNK_S * (1 + slower) for number in range(40_000)]
    stamps_s = made_s if stamped_by_a_right_clock else [number * CHUNK_S for number in range(40_000)]
    heard, source = heard_of(stamps_s, [at_s + CHUNK_S for at_s in made_s])
    assert heard[-1].at_s == pytest.approx(made_s[-1], abs=0.5)
    assert source.late_s < 0.5
    assert len(heard) == pytest.approx(40_000, rel=0.002)


def test_an_intercom_whose_clock_is_set_back_is_heard_on_in_time() -> None:
    stop = threading.Event()

    def stamp(number: int) -> int:
        return number * PACKET - (round(HOUR_S) * 8_000 if number > 50 else 0)

    with rtsp_server(itertools.repeat(b"\xff" * PACKET, 400), stop, stamp) as address:
        start = time.monotonic()
        for block in itertools.islice(open_sound(address, start=start), 60):
            assert ahead_s(block, start) <= AT_MOST_AHEAD_S
        stop.set()


def aac(rate: int, seconds: float) -> bytes:
    """A tone of 440 Hz as ADTS, whose pieces can stand one behind the other."""
    file = io.BytesIO()
    with av.open(file, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        samples = tone(rate, seconds).astype(np.float32)
        for begin in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def test_a_stream_that_changes_its_rate_is_heard_on() -> None:
    pieces = [aac(16_000, 1.5), aac(44_100, 1.5), aac(16_000, 1.5)]

    def answer(send: Send) -> None:
        for piece in pieces:
            for begin in range(0, len(piece), len(piece) // 15):
                send(piece[begin : begin + len(piece) // 15])
                time.sleep(0.1)

    with stream_server(answer, "audio/aac", "/stream.aac") as address:
        heard: list[Block] = []
        with suppress(SoundError):
            heard.extend(open_sound(address))
    loud = [level(block.samples) > A_TONE / 2 for block in heard]
    assert sum(loud) / 20 > 2.5  # of 4.5 s, less what came in a rush at first
    assert heard[-1].at_s - heard[0].at_s < 5.0  # its own clock would say more


@pytest.mark.parametrize("factor", [3.0, 0.6])
def test_a_stream_that_is_not_at_the_rate_that_it_says_is_an_error(
    monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    monkeypatch.setattr(live, "STREAM_RATE_OVER_S", 0.5)

    answer = endless_sound(tone(SAMPLE_RATE, 1.0), threading.Event(), factor)
    with (
        stream_server(answer, "audio/wav") as address,
        pytest.raises(SoundError, match="more or less sound than time passes"),
    ):
        list(open_sound(address))
