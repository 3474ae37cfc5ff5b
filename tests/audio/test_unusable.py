from pathlib import Path

import numpy as np
import soundfile

from audio.blocks import SAMPLE_RATE, SoundError
from audio.corpus import Clip
from audio.unusable import unusable


def test_recordings_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    files = [tmp_path / folder / "0001.wav" for folder in ("hall", "kitchen", "yard")]
    for file in files:
        file.parent.mkdir()
    soundfile.write(files[0], np.zeros(0), SAMPLE_RATE)
    soundfile.write(files[1], np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    files[2].write_text("no sound at all")
    clips = [Clip(file, "ambient", "here", "all") for file in files]
    text = str(unusable(clips, SoundError("")))
    assert text.startswith(f"2 of 3 recordings cannot be used: {files[0]}: holds no sound that can be decoded; ")
    assert text.count(str(files[2])) == 1
