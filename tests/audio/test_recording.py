import itertools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio.blocks import BLOCK_SAMPLES, SAMPLE_RATE, Block, SoundError
from audio.capture import open_sound
from audio.recording import read_clip
from tests.heard import A_TONE, frequency, joined, level
from tests.recordings import SOUND_CODECS, plain, tone, write_media


def listen(src: str | Path) -> list[Block]:
    return list(open_sound(str(src), fast=True))


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
    soundfile.write(path, np.zeros(0), 16_000)
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


@pytest.mark.parametrize("ending", [".wav", ".WAV", ".opus"])
def test_a_recording_that_is_missing_is_taken_for_no_device(tmp_path: Path, ending: str) -> None:
    with pytest.raises(SoundError, match=r"no such file$"):
        open_sound(str(tmp_path / f"missing{ending}"))


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
