"""The hand model file of MediaPipe, `hand_landmarker.task`: put together once, kept in a cache folder, checked.

MediaPipe's wheels since 1.0 carry no models. The older wheel, a file that the package index serves by name and version,
holds the same two networks; a `.task` file is nothing but a stored (uncompressed) zip of them. The wheel is only
downloaded and read as a zip, never installed. Every file is checked by its SHA-256 before it is believed.

`python -m models.hand_landmarker` prints the path, downloading first where the file is not there yet.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import platformdirs

from models.atomic_file import write_whole
from models.card import ModelError

TASK_NAME = "hand_landmarker.task"
WHEEL = "mediapipe==0.10.21"
WHEEL_TARGET = ("--python-version", "311", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64")
PARTS = (
    (
        "hand_detector.tflite",
        "mediapipe/modules/palm_detection/palm_detection_full.tflite",
        "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    ),
    (
        "hand_landmarks_detector.tflite",
        "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
        "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    ),
)
"""Name in the task file, path in the wheel, SHA-256 of the content."""
DAMAGED = (OSError, KeyError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What the zip module raises for one damage or another."""
ALIGNMENT = 64
"""Bytes; MediaPipe maps aligned entries without a copy."""
DOWNLOAD_LIMIT_S = 300


def cache_dir() -> Path:
    """Where the file is kept: `SAFETY_MONITOR_CACHE`, or else the user's cache folder."""
    override = os.environ.get("SAFETY_MONITOR_CACHE")
    return Path(override).expanduser() if override else platformdirs.user_cache_path("safety-monitor")


def default_path() -> Path:
    """Where `ensure` keeps the file; it need not exist yet."""
    return cache_dir() / TASK_NAME


def check(path: Path) -> None:
    """See whether a `.task` file can be used: a zip that holds both networks, undamaged.

    Other releases of the official file have other networks; those pass as long as the zip's own checksums hold.

    Raises:
        ModelError: the file is missing, damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as task:
            names = set(task.namelist())
            broken = task.testzip()
    except FileNotFoundError:
        raise ModelError(
            f"{path}: not a usable hand model file: it is not there; {sys.executable} -m models.hand_landmarker gets it"
        ) from None
    except DAMAGED as error:
        raise ModelError(f"{path}: not a usable hand model file: {error or 'it is cut off'}") from None
    missing = [name for name, _, _ in PARTS if name not in names]
    if missing or broken:
        raise ModelError(f"{path}: not a usable hand model file: {broken or missing[0]} is missing or damaged")


def is_complete(path: Path) -> bool:
    """Whether `path` holds exactly the two networks that this module pins."""
    try:
        with zipfile.ZipFile(path) as task:
            return all(hashlib.sha256(task.read(name)).hexdigest() == digest for name, _, digest in PARTS)
    except DAMAGED:
        return False


def assemble(wheel: Path, path: Path) -> None:
    """Write the `.task` file from the older wheel; all of it or nothing.

    Raises:
        ModelError: the wheel lacks a network, or one is not the pinned one.
    """
    contents: list[tuple[str, bytes]] = []
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, source, digest in PARTS:
                data = archive.read(source)
                if hashlib.sha256(data).hexdigest() != digest:
                    raise ModelError(f"{wheel.name}: {source} is not the expected file (SHA-256 differs)")
                contents.append((name, data))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel}: not the expected wheel: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as task:
        for entry, data in contents:
            _store_aligned(task, file.tell(), entry, data)
    write_whole(path, file.getvalue(), mode=0o644)


def _store_aligned(task: zipfile.ZipFile, offset: int, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    header = 30 + len(name.encode())
    padding = -(offset + header) % ALIGNMENT
    if 0 < padding < 4:
        padding += ALIGNMENT
    if padding:
        # An extra field of a private kind, as Android's zipalign writes it: kind, length, zeros.
        info.extra = b"\x35\xd9" + (padding - 4).to_bytes(2, "little") + bytes(padding - 4)
    task.writestr(info, data)


def ensure(folder: Path | None = None) -> Path:
    """The path of the hand model file, put together first where it is missing or damaged.

    Args:
        folder: where it is kept; by default `cache_dir()`.

    Raises:
        ModelError: it is not there and cannot be downloaded; one line that says what to do.
    """
    path = (folder or cache_dir()) / TASK_NAME
    if is_complete(path):
        return path
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", *WHEEL_TARGET, "--dest", scratch, WHEEL]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S, check=False)
            reason = (done.stderr.strip().splitlines() or ["pip ended without a word"])[-1] if done.returncode else ""
        except subprocess.TimeoutExpired:
            reason = f"no answer within {DOWNLOAD_LIMIT_S} s"
        wheels = list(Path(scratch).glob("*.whl"))
        if reason or not wheels:
            raise ModelError(
                f"the hand model cannot be downloaded ({reason or 'no wheel came'}): connect to the internet once and "
                f"repeat the set-up, or give the path of an official {TASK_NAME} in the settings"
            )
        assemble(wheels[0], path)
    return path


def main() -> int:
    """Put the file in place and print its path; exit status 1 and one line where that cannot be done."""
    try:
        print(ensure())
    except (ModelError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
