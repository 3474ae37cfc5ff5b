"""Sounds out of packages of a private archive, with the real apt."""

import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from audio.corpus import CorpusError, read_corpus
from audio.package_sounds import OTHER_WEIGHT, SCREAM_WEIGHT, UNKNOWN, PackageSound, fetch, read_list

Archive = Callable[[str, dict[str, bytes]], None]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Adds a package with these files to an archive of its own, which apt is told to use."""
    home = tmp_path / "archive"
    for folder in ("packages", "etc", "state/lists/partial", "cache/archives/partial"):
        (home / folder).mkdir(parents=True)
    settings = {
        "Dir::State": home / "state",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": home / "cache",
        "Dir::Etc::SourceList": home / "etc" / "sources.list",
        "Dir::Etc::SourceParts": home / "etc",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
    }
    (home / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    (home / "etc" / "sources.list").write_text(f"deb [trusted=yes] file:{home}/packages ./\n")
    (home / "packages" / "Packages").write_text("")
    monkeypatch.setenv("APT_CONFIG", str(home / "apt.conf"))

    def add(package: str, files: dict[str, bytes]) -> None:
        tree = home / package
        about = f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: sounds\n"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(about)
        for name, content in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)
        file = home / "packages" / f"{package}_1_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, file], check=True, capture_output=True)
        content = file.read_bytes()
        facts = f"Filename: ./{file.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n\n"
        with (home / "packages" / "Packages").open("a") as packages:
            packages.write(about + facts)
        subprocess.run(["apt-get", "update", "--quiet"], check=True, capture_output=True)

    return add


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, inside in files.items():
            archive.writestr(name, inside)
    return content.getvalue()


def test_sounds_come_out_of_packages_and_out_of_archives_in_them(archive: Archive, tmp_path: Path) -> None:
    archive("duel", {"usr/share/duel/die.wav": b"aah", "usr/share/duel/grunt.wav": b"uh", "usr/share/duel/x.wav": b""})
    archive("arena", {"usr/share/arena/pak0.pk3": _zip({"sound/wind.ogg": b"whoosh", "maps/a.map": b""})})
    sounds = [
        PackageSound("duel", "usr/share/duel/die.wav", "scream"),
        PackageSound("arena", "usr/share/arena/pak0.pk3!sound/wind.ogg", "ambient"),
        PackageSound("duel", "usr/share/duel/grunt.wav", UNKNOWN),
    ]
    clips = read_corpus(fetch(sounds, tmp_path / "sounds"))
    assert [(clip.path.read_bytes(), clip.label, clip.source, clip.weight) for clip in clips] == [
        (b"aah", "scream", "duel", SCREAM_WEIGHT),
        (b"whoosh", "ambient", "arena", OTHER_WEIGHT),
        (b"uh", "ambient", "duel", 0.0),
    ]
    kept = sorted(path.name for path in (tmp_path / "sounds").rglob("*") if path.is_file())
    assert kept == ["die.wav", "grunt.wav", "manifest.csv", "wind.ogg"]


def test_what_was_taken_out_is_not_fetched_again(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive("duel", {"usr/share/duel/die.wav": b"aah"})
    sounds = [PackageSound("duel", "usr/share/duel/die.wav", "scream")]
    fetch(sounds, tmp_path / "sounds")
    monkeypatch.setenv("APT_CONFIG", "/dev/null/none")  # apt would fail
    assert len(read_corpus(fetch(sounds, tmp_path / "sounds"))) == 1


def test_what_cannot_be_had_is_said_in_one_line(archive: Archive, tmp_path: Path) -> None:
    archive("duel", {"usr/share/duel/die.wav": b"aah", "usr/share/duel/pak.pk3": _zip({"a.wav": b""})})
    for path, told in (
        ("usr/share/duel/gone.wav", r"duel_1_all\.deb lacks 1 of 1 sounds: usr/share/duel/gone\.wav"),
        ("usr/share/duel/pak.pk3!b.wav", r"lacks 1 of 1 sounds: usr/share/duel/pak\.pk3!b\.wav"),
        ("usr/share/duel/die.wav!b.wav", r"duel_1_all\.deb: usr/share/duel/die\.wav is no ZIP file"),
    ):
        with pytest.raises(CorpusError, match=told):
            fetch([PackageSound("duel", path, "scream")], tmp_path / "sounds")
    with pytest.raises(CorpusError, match=r"nowhere: apt-get cannot download it: .*nowhere"):
        fetch([PackageSound("nowhere", "a.wav", "scream")], tmp_path / "sounds")
    assert not [path for path in (tmp_path / "sounds").rglob("*") if path.is_file()]


def test_elsewhere_than_on_debian_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "audio.package_sounds", "--out", str(tmp_path / "sounds")]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "the sounds come out of Debian's packages: run this on Debian"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("row", ["duel,,scream", "duel,a.wav", "duel,a.wav,shout"])
def test_a_list_that_is_wrong_names_its_line(tmp_path: Path, row: str) -> None:
    (tmp_path / "sounds.csv").write_text(f"package,path,label\nduel,a.wav,scream\n{row}\n")
    with pytest.raises(CorpusError, match=r"sounds\.csv:3: needs a package, a path and a label"):
        read_list(tmp_path / "sounds.csv")


def test_the_list_of_the_project_names_every_sound_once() -> None:
    sounds = read_list()
    assert len({(sound.package, sound.path) for sound in sounds}) == len(sounds)
    assert {sound.label for sound in sounds} == {"scream", "conversation", "ambient", UNKNOWN}
