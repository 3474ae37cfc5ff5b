"""Recordings that cannot be used, all of them at once: nobody mends a collection one start at a time."""

from collections.abc import Sequence

from audio.blocks import SoundError
from audio.corpus import Clip, CorpusError, some
from audio.recording import read_clip


def unusable(clips: Sequence[Clip], first: SoundError) -> CorpusError:
    """What is wrong with every recording that cannot be decoded, once there is one.

    Args:
        clips: all recordings.
        first: what was wrong with the one that was met.
    """
    troubles = []
    for clip in clips:
        try:
            read_clip(clip.path)
        except SoundError as error:
            # Decoding names a file by its name alone, of which there may be one in every folder.
            why = str(error).removeprefix(f"{clip.path.name}: ").removeprefix(f"{clip.path}: ")
            troubles.append(f"{clip.path}: {why}")
    troubles = troubles or [str(first)]  # it may be readable by now
    return CorpusError(f"{len(troubles)} of {len(clips)} recordings cannot be used: {some(troubles, 5)}")
