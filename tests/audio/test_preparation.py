"""What a training keeps in its cache is taken again only for the very same recordings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio.blocks import SAMPLE_RATE
from audio.corpus import read_corpus
from audio.examples import fingerprint
from audio.preparation import read_sounds


def write(path: Path, level: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(SAMPLE_RATE, level), SAMPLE_RATE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data" / "scream" / "0001.wav", 0.5)
    write(tmp_path / "data" / "ambient" / "0001.wav", 0.1)
    return tmp_path / "data"


def test_a_recording_that_was_made_anew_is_heard_anew(data: Path, tmp_path: Path) -> None:
    levels = []
    for level in (0.5, 0.25):
        write(data / "scream" / "0001.wav", level)  # as long as before
        scream, _ = read_sounds(read_corpus(data), tmp_path, jobs=1)
        levels.append(scream.samples[SAMPLE_RATE // 2] / 32767)
    assert levels == pytest.approx([0.5, 0.25], abs=0.01)


def test_what_is_made_of_recordings_depends_on_what_is_said_of_them(data: Path) -> None:
    clips = read_corpus(data)
    first, *others = clips
    changed = (
        replace(first, source="elsewhere"),
        replace(first, group="anna"),
        replace(first, weight=3.0),
        replace(first, note="weak label"),
    )
    prints = {fingerprint((each, *others)) for each in (first, *changed)}
    assert len(prints) == 5
    assert fingerprint(clips) == fingerprint(read_corpus(data))
