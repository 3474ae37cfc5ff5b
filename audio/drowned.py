"""Whole recordings in other sound: from these a second opinion learns that there is a scream in noise, too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio.augment import mix
from audio.blocks import SAMPLE_RATE
from audio.examples import Sound

COPIES = 3
"""So often each scream is put into other sound; anything else is once."""
LEAD_S, TAIL_S = 1.0, 0.5
"""Other sound before and after."""
LONGEST_S = 8.0
"""No more of a recording is taken."""
LEAST_S = 2.0
"""What is behind is as long at least."""
SNRS_DB = 0.0, 20.0
"""Lowest and highest ratio of front and back."""
PEAK = 0.5
"""Of full scale."""


@dataclass(frozen=True, slots=True)
class Drowned:
    """A recording in other sound.

    Attributes:
        front: its place among all.
        back: place of the recording of the other sound.
        snr_db: how far it is above that.
        turn: sample of the other sound that comes first.
    """

    front: int
    back: int
    snr_db: float
    turn: int


def choose(sounds: Sequence[Sound], seed: int = 0) -> list[Drowned]:
    """What is drowned, and in what; nothing where there is no ambient recording of some length.

    Args:
        sounds: of which those with sure labels are taken that count for anything.
        seed: of the dice.
    """
    rng = np.random.default_rng(seed)
    taken = int(LONGEST_S * SAMPLE_RATE)
    counted = [sound.clip.sure and sound.clip.weight > 0 and sound.samples[:taken].any() for sound in sounds]
    sure = [place for place, counts in enumerate(counted) if counts]
    screams = [place for place in sure if sounds[place].clip.label == "scream"]
    others = [place for place in sure if sounds[place].clip.label != "scream"]
    least = int(LEAST_S * SAMPLE_RATE)
    backs = [p for p in others if sounds[p].clip.label == "ambient" and len(sounds[p].samples) >= least]
    if not backs:
        return []
    drowned = []
    for front in (*screams * COPIES, *others):
        back = backs[int(rng.integers(len(backs)))]
        turn = int(rng.integers(len(sounds[back].samples)))
        drowned.append(Drowned(front, back, float(rng.uniform(*SNRS_DB)), turn))
    return drowned


def sound_of(sounds: Sequence[Sound], drowned: Drowned) -> Sound:
    """What it sounds like."""
    front = sounds[drowned.front]
    lead, tail = int(LEAD_S * SAMPLE_RATE), int(TAIL_S * SAMPLE_RATE)
    taken = min(len(front.samples), int(LONGEST_S * SAMPLE_RATE))
    whole = front.part(-lead, lead + taken + tail)
    back = np.resize(np.roll(sounds[drowned.back].samples, -drowned.turn), len(whole)) / np.float32(32768)
    mixed = mix(whole, np.asarray(back, np.float32), drowned.snr_db)
    return Sound(front.clip, np.round(mixed * (PEAK / np.abs(mixed).max()) * 32767).astype(np.int16))
