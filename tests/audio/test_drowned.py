from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio.blocks import SAMPLE_RATE
from audio.corpus import Clip
from audio.drowned import COPIES, LEAD_S, PEAK, SNRS_DB, Drowned, choose, sound_of
from audio.examples import Sound


def _sound(name: str, label: str, seconds: float, *, level: int = 8000, note: str = "") -> Sound:
    samples = np.random.default_rng(len(name)).integers(-level, level + 1, int(seconds * SAMPLE_RATE))
    return Sound(Clip(Path(f"{name}.wav"), label, name, name, note=note), samples.astype(np.int16))


SOUNDS = [
    _sound("scream", "scream", 0.7),
    _sound("talk", "conversation", 3.0),
    _sound("street", "ambient", 4.0),
    _sound("click", "ambient", 0.2),
]


def test_every_scream_is_drowned_in_ambient_sound_of_some_length_and_so_is_everything_else() -> None:
    drowned = choose(SOUNDS)
    assert [each.front for each in drowned].count(0) == COPIES
    assert {each.front for each in drowned} == {0, 1, 2, 3}
    assert {each.back for each in drowned} == {2}
    assert all(SNRS_DB[0] <= each.snr_db <= SNRS_DB[1] for each in drowned)
    assert choose(SOUNDS) == drowned


def test_without_ambient_sound_nothing_is_drowned() -> None:
    assert choose(SOUNDS[:2]) == []


def test_a_recording_that_counts_nothing_is_not_drowned_and_drowns_none() -> None:
    scream, _, street, _ = (Sound(replace(each.clip, weight=0), each.samples) for each in SOUNDS)
    assert {each.front for each in choose([scream, *SOUNDS[1:]])} == {1, 2, 3}
    assert choose([*SOUNDS[:2], street]) == []


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_the_other_sound_is_there_before_and_so_much_fainter(snr_db: float) -> None:
    found = sound_of(SOUNDS, Drowned(0, 2, snr_db, 1000)).samples / 32767
    lead = int(LEAD_S * SAMPLE_RATE)
    before, while_it_lasts = (np.sqrt(np.square(part).mean()) for part in (found[:lead], found[lead : lead + 10_000]))
    assert np.abs(found).max() == pytest.approx(PEAK, abs=1e-3)
    assert 10 * np.log10(while_it_lasts**2 / before**2 - 1) == pytest.approx(snr_db, abs=1.0)


def test_where_in_the_other_sound_it_begins_is_told() -> None:
    silent = Sound(SOUNDS[0].clip, np.zeros(11_200, np.int16))
    found = sound_of([silent, *SOUNDS[1:]], Drowned(0, 2, 0.0, 1000)).samples.astype(float)
    wanted = SOUNDS[2].samples[1000 : 1000 + len(found)].astype(float)
    assert np.corrcoef(found, wanted)[0, 1] > 0.999


def test_of_what_is_silent_for_long_nothing_is_learned() -> None:
    late = np.concatenate([np.zeros(9 * SAMPLE_RATE), np.full(800, 9000)]).astype(np.int16)
    assert {each.front for each in choose([*SOUNDS, Sound(SOUNDS[0].clip, late)])} == {0, 1, 2, 3}
