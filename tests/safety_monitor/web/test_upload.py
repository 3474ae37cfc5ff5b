"""What an upload is, told by its first bytes; its name is only shown."""

import pytest

from safety_monitor.web.upload import HEAD, shown_name, suffix_of


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", ".wav"),
        (b"fLaC\x00\x00\x00\x22", ".flac"),
        (b"OggS\x00\x02", ".ogg"),
        (b"ID3\x04\x00", ".mp3"),
        (b"\xff\xfb\x90\x00", ".mp3"),
        (b"\xff\xf1\x50\x80", ".aac"),
        (b"\x00\x00\x00\x20ftypM4A \x00", ".m4a"),
        (b"\x00\x00\x00\x20ftypisom", ".mp4"),
        (b"\x1aE\xdf\xa3\x01", ".webm"),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", ".png"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", ".webp"),
        (b"#EXTM3U\n#EXT-X-", None),
        (b"ffconcat version", None),
        (b"<svg xmlns=", None),
        (b"PK\x03\x04", None),
        (b"GIF89a", None),
        (b"", None),
        (b"RIFF", None),
    ],
)
def test_kinds_are_told_by_their_first_bytes(head: bytes, suffix: str | None) -> None:
    assert suffix_of(head[:HEAD]) == suffix


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("scream.wav", "scream.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\anna\\a.wav", "a.wav"),
        ("/", "recording"),
        ("", "recording"),
        (None, "recording"),
        ("a\x00b\n\x1b[31m.wav", "a�b��[31m.wav"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_are_harmless_and_short(name: str | None, shown: str) -> None:
    assert shown_name(name) == shown
