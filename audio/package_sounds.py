"""Recordings out of Debian's packages, beside those that are given: screams of other people, and what is none.

`data/sounds.csv` names them with their labels. The packages come from the archive that the machine's apt uses; of each
nothing but the named sounds is kept, in a folder that `audio.corpus.read_corpus` reads. Nothing is installed.
"""

import argparse
import csv
import logging
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from audio.corpus import LABELS, MANIFEST, SCREAM, CorpusError, rows_of, some

log = logging.getLogger(__name__)

LIST = Path(__file__).parent.parent / "data" / "sounds.csv"
UNKNOWN = "unknown"
"""Of a sound that may be a scream or not: it weighs nothing, only what a teacher makes of it counts."""
INSIDE = "!"
"""In a path: what follows is inside the archive before it, which is a ZIP file."""
SCREAM_WEIGHT, OTHER_WEIGHT = 0.6, 0.15
"""Nobody has listened to them: labels go by names and folders. Of others there are many."""
WRITTEN = {UNKNOWN: ("ambient", 0.0)} | {
    label: (label, SCREAM_WEIGHT if label == LABELS[SCREAM] else OTHER_WEIGHT) for label in LABELS
}
"""Label and weight in the manifest, by the label in the list."""
NOTE = "label by its name"


@dataclass(frozen=True, slots=True)
class PackageSound:
    """A sound in a package.

    Attributes:
        package: name of the Debian package.
        path: in the package, see `INSIDE`.
        label: one of `audio.corpus.LABELS`, or `UNKNOWN`.
    """

    package: str
    path: str
    label: str

    @property
    def kept_as(self) -> str:
        """Its path in the folder of sounds."""
        return f"{self.package}/{self.path.replace(INSIDE, '/')}"


def read_list(path: Path = LIST) -> tuple[PackageSound, ...]:
    """The sounds that are named.

    Raises:
        CorpusError: it cannot be read, or has a line without a package, a path and a label.
    """
    rows = rows_of(path)
    for line, row in rows:
        if not row.get("package") or not row.get("path") or row.get("label") not in WRITTEN:
            raise CorpusError(f"{path}:{line}: needs a package, a path and a label out of {', '.join(WRITTEN)}")
    return tuple(PackageSound(row["package"], row["path"], row["label"]) for _, row in rows)


def fetch(sounds: Sequence[PackageSound], folder: Path) -> Path:
    """Take the sounds out of their packages, except those of packages that were taken before.

    Args:
        sounds: which.
        folder: where they are kept, each in a folder of its package.

    Returns:
        the manifest, which names them all.

    Raises:
        CorpusError: a package cannot be had, or lacks one of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packages = sorted({sound.package for sound in sounds})
    for number, package in enumerate(packages, start=1):
        mine = [sound for sound in sounds if sound.package == package]
        if all((folder / sound.kept_as).is_file() for sound in mine):
            continue
        log.info("package %d of %d: %s", number, len(packages), package)
        with TemporaryDirectory(dir=folder) as scratch:
            take_out(download(package, Path(scratch)), mine, Path(scratch) / "sounds")
            shutil.rmtree(folder / package, ignore_errors=True)
            (Path(scratch) / "sounds" / package).rename(folder / package)
    return _write_manifest(sounds, folder)


def download(package: str, folder: Path) -> Path:
    """The package's file, from the archive that the machine's apt uses.

    Raises:
        CorpusError: apt is missing, does not know the package, or does not get it.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise CorpusError("the sounds come out of Debian's packages: run this on Debian")
    told = subprocess.run(
        ["apt-get", "download", "--quiet", package], cwd=folder, capture_output=True, text=True, check=False
    )
    found = sorted(folder.glob("*.deb"))
    if told.returncode or not found:
        reason = next((line for line in told.stderr.splitlines() if line.startswith("E:")), "E: nothing came")
        raise CorpusError(f"{package}: apt-get cannot download it: {reason[3:]}; does `apt-get update` work?")
    return found[0]


def take_out(package: Path, sounds: Sequence[PackageSound], folder: Path) -> None:
    """Write these sounds of a package into a folder, see `PackageSound.kept_as`.

    Raises:
        CorpusError: some of them are not in it.
    """
    wanted: dict[str, list[PackageSound]] = {}
    for sound in sounds:
        wanted.setdefault(sound.path.partition(INSIDE)[0], []).append(sound)
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacking,
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar,
    ):
        for member in tar:
            name = str(PurePosixPath(member.name))
            if name in wanted and member.isreg() and (content := tar.extractfile(member)) is not None:
                try:
                    _keep(content, wanted.pop(name), folder)
                except zipfile.BadZipFile:
                    raise CorpusError(f"{package.name}: {name} is no ZIP file") from None
    lacking = [sound.path for sound in sounds if not (folder / sound.kept_as).is_file()]
    if lacking:
        raise CorpusError(f"{package.name} lacks {len(lacking)} of {len(sounds)} sounds: {some(lacking)}")


def _keep(content: IO[bytes], sounds: Sequence[PackageSound], folder: Path) -> None:
    """Write what a file of a package holds: a sound, or sounds in an archive."""
    if INSIDE not in sounds[0].path:
        _write(content, folder / sounds[0].kept_as)
        return
    with TemporaryFile() as seekable, zipfile.ZipFile(_copied(content, seekable)) as archive:
        names = set(archive.namelist())
        for sound in sounds:
            name = sound.path.partition(INSIDE)[2]
            if name in names:
                with archive.open(name) as inside:
                    _write(inside, folder / sound.kept_as)


def _copied(content: IO[bytes], file: IO[bytes]) -> IO[bytes]:
    shutil.copyfileobj(content, file)
    return file


def _write(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(content, file)


def _write_manifest(sounds: Sequence[PackageSound], folder: Path) -> Path:
    manifest = folder / MANIFEST
    with manifest.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "source", "note", "weight"])
        for sound in sounds:
            label, weight = WRITTEN[sound.label]
            rows.writerow([sound.kept_as, label, sound.package, NOTE, weight])
    return manifest


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(".cache/hearing/package-sounds"))
    given = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        sounds = read_list()
        print(f"{len(sounds)} sounds: {fetch(sounds, given.out)}")
    except (CorpusError, OSError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
