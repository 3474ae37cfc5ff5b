import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio import live, microphone
from audio.blocks import BLOCK_SAMPLES, SAMPLE_RATE, SMALLEST_GAP_S, Block, Samples, SoundError
from audio.capture import open_sound
from audio.live import open_pushed
from audio.microphone import list_devices
from audio.recording import read_clip
from tests.recordings import SOUND_CODECS, plain, tone, write_media
from tests.rtsp_server import PACKET, rtsp_server
from tests.sound_server import SoundServer, sound_server
from tests.stream_server import Send, stream_server

A_TONE = 0.5 / np.sqrt(2)
"""Level of `tone`, RMS."""
AT_MOST_AHEAD_S = live.AHEAD_S + SMALLEST_GAP_S
"""A live clock that began with a late block runs ahead by so much at most."""


def frequency(samples: Samples) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


def level(samples: Samples) -> float:
    """RMS of the middle, where no coder fades in or out."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(np.sqrt(np.mean(middle.astype(np.float64) ** 2)))


def ahead_s(block: Block, start: float) -> float:
    """By how much its last sample lies in the future."""
    return block.at_s + len(block.samples) / SAMPLE_RATE - (time.monotonic() - start)


def listen(src: str | Path) -> list[Block]:
    return list(open_sound(str(src), fast=True))


def joined(blocks: list[Block]) -> Samples:
    return np.concatenate([block.samples for block in blocks])


# -- what is decoded rightly -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", SOUND_CODECS)
def test_every_kind_of_file_is_heard(tmp_path: Path, ending: str) -> None:
    samples = joined(listen(write_media(tmp_path / f"tone{ending}", sound=tone(48_000, 2.0))))
    assert len(samples) / SAMPLE_RATE == pytest.approx(2.0, abs=0.06)
    assert frequency(samples) == pytest.approx(440, abs=1)
    assert level(samples) == pytest.approx(A_TONE, rel=0.06)  # LAME takes 5 % off


def test_vorbis_is_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.ogg", tone(44_100), 44_100)
    samples = read_clip(tmp_path / "tone.ogg")
    assert frequency(samples) == pytest.approx(440, abs=1)
    assert level(samples) == pytest.approx(A_TONE, rel=0.03)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_rate_and_sample_format_is_heard(tmp_path: Path, rate: int, subtype: str) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(rate, 0.5), rate, subtype=subtype)
    samples = read_clip(path)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(0.5 * SAMPLE_RATE, abs=2)
    assert frequency(samples) == pytest.approx(440, abs=2)
    assert level(samples) == pytest.approx(A_TONE, rel=0.02)


def test_samples_at_our_rate_arrive_untouched(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    noise = np.random.default_rng(0).uniform(-1, 1, 5_000).astype(np.float32)
    soundfile.write(path, noise, SAMPLE_RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_clip(path), noise)


def test_what_is_above_hearing_at_our_rate_does_not_fold_down(tmp_path: Path) -> None:
    path = tmp_path / "high.wav"
    soundfile.write(path, tone(48_000, hertz=11_000), 48_000)
    assert level(read_clip(path)) < 0.001


@pytest.mark.parametrize(("channels", "heard"), [(1, 1), (2, 2), (4, 4), (6, 5), (8, 7)])
def test_channels_are_mixed_down_without_the_low_frequency_one(tmp_path: Path, channels: int, heard: int) -> None:
    sound = np.zeros((SAMPLE_RATE, channels), np.float32)
    sound[:, 0] = tone(SAMPLE_RATE)
    if heard < channels:
        sound[:, 3] = tone(SAMPLE_RATE, hertz=60.0)
    soundfile.write(tmp_path / "room.wav", sound, SAMPLE_RATE, format="WAVEX" if channels > 2 else "WAV")
    samples = read_clip(tmp_path / "room.wav")
    assert level(samples) == pytest.approx(A_TONE / heard, rel=0.02)
    assert frequency(samples) == pytest.approx(440, abs=1)


def test_samples_that_are_no_numbers_become_silence(tmp_path: Path) -> None:
    sound = tone(SAMPLE_RATE)
    broken = sound.copy()
    broken[100:110], broken[200], broken[300] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "nan.wav", broken, SAMPLE_RATE, subtype="FLOAT")
    samples = read_clip(tmp_path / "nan.wav")
    assert np.isfinite(samples).all()
    kept = np.isfinite(broken)
    np.testing.assert_array_equal(samples[kept], sound[kept])
    assert not samples[~kept].any()


def test_samples_far_out_of_range_are_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", tone(48_000) * np.float32(1e30), 48_000, subtype="FLOAT")
    samples = read_clip(tmp_path / "loud.wav")
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() < 1.5


# -- blocks and their clock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_blocks_are_short_and_follow_each_other(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(rate, 1.23), rate)
    blocks = listen(tmp_path / "tone.wav")
    assert {len(block.samples) for block in blocks[:-1]} == {BLOCK_SAMPLES}
    begins = np.cumsum([0, *(len(block.samples) for block in blocks[:-1])]) / SAMPLE_RATE
    assert [block.at_s for block in blocks] == pytest.approx(list(begins))
    assert joined(blocks).dtype == np.float32


def test_fast_or_in_real_time_is_the_same_and_real_time_takes_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(44_100, 0.3), 44_100)
    began = time.monotonic()
    paced = list(open_sound(str(tmp_path / "tone.wav")))
    assert time.monotonic() - began >= 0.3
    for one, other in zip(paced, listen(tmp_path / "tone.wav"), strict=True):
        assert one.at_s == other.at_s
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_file_waits_for_the_start_it_is_given(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(SAMPLE_RATE, 0.1), SAMPLE_RATE)
    start = time.monotonic() + 0.2
    blocks = list(open_sound(str(tmp_path / "tone.wav"), start=start))
    assert time.monotonic() >= start + 0.1
    assert blocks[0].at_s == 0.0


def test_closing_ends_an_iteration_that_waits(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(3600 * 8_000, np.float32), 8_000)
    source = open_sound(str(tmp_path / "long.wav"))
    assert (source.live, source.dropped, source.name) == (False, 0, "long.wav")
    taken: list[Block] = []
    first = threading.Event()

    def take() -> None:
        for block in source:
            taken.append(block)
            first.set()

    reader = threading.Thread(target=take, daemon=True)
    reader.start()
    assert first.wait(60)
    source.close()
    source.close()
    reader.join(60)
    assert not reader.is_alive()


def test_sound_that_begins_later_than_the_picture_keeps_its_time(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "late.mkv", sound=tone(48_000, 2.0), sound_at_s=[(0.5, 2.0)], images=[plain(9, 9, 9)] * 20
    )
    assert listen(path)[0].at_s == pytest.approx(0.5, abs=0.02)


def test_a_short_hole_becomes_silence(tmp_path: Path) -> None:
    blocks = listen(write_media(tmp_path / "hole.wav.mkv", sound=tone(48_000, 3.0), sound_at_s=[(0, 1), (1.5, 3)]))
    samples = joined(blocks)
    assert len(samples) / SAMPLE_RATE == pytest.approx(3.0, abs=0.05)
    assert np.abs(samples[int(1.1 * SAMPLE_RATE) : int(1.4 * SAMPLE_RATE)]).max() < 0.01
    assert level(samples[int(1.7 * SAMPLE_RATE) : int(2.9 * SAMPLE_RATE)]) == pytest.approx(A_TONE, rel=0.03)


def test_after_a_long_hole_the_clock_jumps(tmp_path: Path) -> None:
    blocks = listen(write_media(tmp_path / "hole.mkv", sound=tone(48_000, 9.0), sound_at_s=[(0, 1), (8, 9)]))
    assert len(joined(blocks)) / SAMPLE_RATE == pytest.approx(2.0, abs=0.1)
    (jump,) = [(one, other) for one, other in itertools.pairwise(blocks) if other.at_s - one.at_s > 0.06]
    assert jump[0].at_s == pytest.approx(1.0, abs=0.1)
    assert jump[1].at_s == pytest.approx(8.0, abs=0.1)


# -- what is broken --------------------------------------------------------------------------------------------------


def no_samples(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    return path


def with_text(path: Path) -> Path:
    path.write_text("This is a text and nothing else.\n" * 100)
    return path


def with_noise(path: Path) -> Path:
    path.write_bytes(np.random.default_rng(1).bytes(50_000))
    return path


def cut(path: Path, part: float = 0.5) -> Path:
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * part)])
    return path


def bad_file(kind: str, folder: Path) -> Path:
    match kind:
        case "missing":
            return folder / "missing.wav"
        case "folder":
            return folder
        case "empty":
            (folder / "empty.wav").touch()
            return folder / "empty.wav"
        case "no samples":
            return no_samples(folder / "none.wav")
        case "text":
            return with_text(folder / "text.wav")
        case "noise":
            return with_noise(folder / "noise.mp3")
        case "truncated":
            return cut(write_media(folder / "cut.mp4", sound=tone(48_000, 3.0), images=[plain(9, 9, 9)] * 30))
        case "silent film":
            return write_media(folder / "film.mp4", images=[plain(9, 9, 9)] * 5)
        case _:
            os.mkfifo(folder / "pipe.wav")
            return folder / "pipe.wav"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("empty", "not a recording"),
        ("no samples", "holds no sound"),
        ("text", "not a recording"),
        ("noise", "holds no sound|not a recording"),
        ("truncated", "cut off or damaged"),
        ("silent film", "no sound track"),
        ("pipe", "not a regular file"),
    ],
)
def test_a_file_that_cannot_be_heard_is_refused_in_one_line(tmp_path: Path, kind: str, says: str) -> None:
    path = bad_file(kind, tmp_path)
    for read in (lambda: open_sound(str(path)), lambda: read_clip(path)):
        with pytest.raises(SoundError, match=says) as refusal:
            read()
        assert path.name in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".mp3", ".mkv", ".avi"])
def test_a_file_cut_short_is_heard_up_to_there(tmp_path: Path, ending: str) -> None:
    path = cut(write_media(tmp_path / f"cut{ending}", sound=tone(48_000, 4.0)))
    samples = joined(listen(path))
    assert 1.0 < len(samples) / SAMPLE_RATE < 3.0
    assert frequency(samples) == pytest.approx(440, abs=1)


def test_a_film_cut_short_says_how_much_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = {"movflags": "faststart"}  # what says where everything lies comes first
    path = cut(write_media(tmp_path / "film.mp4", sound=tone(48_000, 6.0), options=options), 0.6)
    samples = joined(listen(path))
    assert 1.0 < len(samples) / SAMPLE_RATE < 5.0
    assert "the recording should last 6.0 s" in caplog.text


def test_damage_in_the_middle_costs_only_that_part(tmp_path: Path) -> None:
    path = write_media(tmp_path / "damaged.mp3", sound=tone(48_000, 4.0))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(2).bytes(400)
    path.write_bytes(data)
    blocks = listen(path)
    assert blocks[-1].at_s == pytest.approx(4.0, abs=0.2)
    assert level(joined(blocks)[-SAMPLE_RATE:]) == pytest.approx(A_TONE, rel=0.05)


# -- streams ---------------------------------------------------------------------------------------------------------


def endless_wav(samples: Samples) -> Iterator[bytes]:
    """Mono 16 kHz with no end, as web radios and intercoms send it: the header says the greatest length there is."""
    yield b"RIFF\xff\xff\xff\xffWAVEfmt " + (16).to_bytes(4, "little")
    yield b"\x01\x00\x01\x00" + (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    yield b"data\xff\xff\xff\xff"
    pcm = (samples * 32767).astype("<i2").tobytes()
    for begin in itertools.count(0, 1600):  # 50 ms
        yield (pcm + pcm)[begin % len(pcm) :][:1600]


def test_a_stream_is_live_and_its_end_is_an_error() -> None:
    stop = threading.Event()

    def answer(send: Send) -> None:
        for piece in endless_wav(tone(SAMPLE_RATE, 1.0)):
            send(piece)
            if stop.wait(0.05):
                return

    with stream_server(answer, "audio/wav") as address:
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


# -- devices ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def room(sound_system: SoundServer, monkeypatch: pytest.MonkeyPatch) -> SoundServer:
    """A sound system that this process uses."""
    for name, value in sound_system.environment.items():
        monkeypatch.setenv(name, value)
    return sound_system


def test_a_microphone_hears_the_room(room: SoundServer) -> None:
    start = time.monotonic()
    with closing(open_sound("default", start=start)) as source:
        assert source.live
        blocks = iter(source)
        first = next(blocks)
        assert first.at_s >= 0.0
        assert ahead_s(first, start) <= 0.0
        with room.playing(tone(SAMPLE_RATE, 60.0, hertz=1_000.0)):
            heard: list[Block] = []
            # On a busy machine the player stumbles now and then: a second without a gap is waited for.
            while len(heard) < 20:
                block = next(blocks)
                assert ahead_s(block, start) <= AT_MOST_AHEAD_S
                heard = [*heard, block] if level(block.samples) == pytest.approx(A_TONE, rel=0.02) else []
                assert block.at_s < 50.0, "nothing like the tone is heard"
        assert frequency(joined(heard)) == pytest.approx(1_000, abs=2)


@pytest.mark.parametrize("src", ["pulse", "PUL", "0"])
def test_a_microphone_is_found_by_its_number_its_name_or_a_part_of_it(room: SoundServer, src: str) -> None:
    with closing(open_sound(src)) as source:
        assert source.name in ("pulse", "default")
        assert len(next(iter(source)).samples) == BLOCK_SAMPLES


def test_a_late_reader_loses_the_oldest_sound_and_is_told(room: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "KEPT_ITEMS", 4)
    source = open_sound("default")
    blocks = iter(source)
    first = next(blocks)
    while source.dropped < 30:  # 1.5 s
        threading.Event().wait(0.05)
    assert next(blocks).at_s > first.at_s + 1.4
    source.close()


LISTENER = """
import sys
from audio.blocks import SoundError
from audio.capture import open_sound
blocks = iter(open_sound("default"))
next(blocks)
print("hearing", flush=True)
try:
    for block in blocks:
        pass
except SoundError as error:
    print(error, flush=True)
sys.stdin.readline()
source = open_sound("default")
print(len(next(iter(source)).samples), flush=True)
source.close()
"""


def test_a_sound_system_that_goes_ends_the_iteration_and_can_be_used_again(sound_system: SoundServer) -> None:
    # In a process of its own: the sound library may be left with a thread that never ends, and must still exit.
    environment = sound_system.environment
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        assert listener.stdout.readline() == "hearing\n"
        sound_system.process.kill()
        sound_system.process.wait()
        assert listener.stdout.readline().startswith("default: ")
        with sound_server(sound_system.folder):
            listener.stdin.write("\n")
            listener.stdin.flush()
            assert listener.stdout.readline() == f"{BLOCK_SAMPLES}\n"
            assert listener.wait(60) == 0


def test_a_sound_system_that_freezes_hangs_nobody_and_is_heard_again_once_it_thaws(
    sound_system: SoundServer,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FREEZER],
        env=sound_system.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        sound_system.process.send_signal(signal.SIGSTOP)
        listener.stdin.write("\n")
        listener.stdin.flush()
        for _ in range(2):  # the second time at once: what hangs is not begun again
            assert "has not answered" in listener.stdout.readline()
        sound_system.process.send_signal(signal.SIGCONT)
        assert listener.stdout.readline() == f"{BLOCK_SAMPLES}\n"
        assert listener.wait(60) == 0


FREEZER = """
import sys
import time
from audio import microphone
microphone.OPEN_LIMIT_S = 1.0
from audio.blocks import SoundError
from audio.capture import open_sound
from audio.microphone import SoundHungError
import sounddevice
print("ready", flush=True)
sys.stdin.readline()
for _ in range(2):
    try:
        open_sound("default")
    except SoundHungError as error:
        print(error, flush=True)
while True:
    try:
        source = open_sound("default")
        break
    except SoundError:
        time.sleep(0.2)
print(len(next(iter(source)).samples), flush=True)
source.close()
"""


def test_an_unknown_device_is_refused_and_those_that_are_there_are_named(room: SoundServer) -> None:
    names = {device.name for device in list_devices()}
    assert names == {"default", "pulse"}
    assert [device.name for device in list_devices() if device.default] == ["default"]
    for src in ("no such thing", "99"):
        with pytest.raises(SoundError, match=rf"{src}: no .*there are: .*pulse") as refusal:
            open_sound(src)
        assert "\n" not in str(refusal.value)


def test_without_any_device_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'nobody'}")
    if list_devices():
        pytest.skip("this machine has a sound device")
    with pytest.raises(SoundError, match="connect a microphone"):
        open_sound("default")


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
