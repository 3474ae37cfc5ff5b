"""What kind of recording an upload is, told by its first bytes: neither its name nor its declared type is believed."""

import re

HEAD = 16
"""Bytes that `suffix_of` needs."""
KINDS = "WAV, MP3, FLAC, OGG, M4A, MP4, MOV, WebM, AAC, JPEG, PNG or WebP"

_SIGNATURES = (
    (re.compile(rb"RIFF....WAVE", re.DOTALL), ".wav"),
    (re.compile(rb"RF64....WAVE", re.DOTALL), ".wav"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), ".webp"),
    (re.compile(rb"fLaC"), ".flac"),
    (re.compile(rb"OggS"), ".ogg"),
    (re.compile(rb"....ftypM4A", re.DOTALL), ".m4a"),
    (re.compile(rb"....ftypqt", re.DOTALL), ".mov"),
    (re.compile(rb"....ftyp", re.DOTALL), ".mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), ".webm"),
    (re.compile(rb"\xff\xd8\xff"), ".jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ".png"),
    (re.compile(rb"ID3"), ".mp3"),
    (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), ".aac"),
    (re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]"), ".mp3"),
)


def suffix_of(head: bytes) -> str | None:
    """The file name's ending that fits the first `HEAD` bytes; None if they are of no kind that is taken."""
    return next((suffix for pattern, suffix in _SIGNATURES if pattern.match(head)), None)


def shown_name(name: str | None) -> str:
    """An upload's name, harmless and short, to be shown and never to be opened."""
    last = re.split(r"[/\\]", name or "")[-1]
    return "".join(letter if letter.isprintable() else "�" for letter in last)[:100] or "recording"
