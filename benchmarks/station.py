"""What a station costs with both senses live: `python -m benchmarks.station [--seconds 30] [--json]`.

A station as `safety-monitor run` makes it, in this process, hears an endless sound stream and sees a network camera of
this machine at 30 pictures a second: the demo scene, over and over. Measured:

- from the start of the command to the moment from which it hears and to armed, in a process of its own, with a camera
  and a microphone as above, and its resident memory then;
- the share of a core that each thread takes, and how much of all that is spent inside MediaPipe and the networks;
- how old a picture and a sound are when they have been judged;
- beside it, in the same process, the share that a bare MediaPipe loop takes at the same rate over the same pictures,
  and YAMNet at the station's rate of decisions where its file is given (`--yamnet`).
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.detector import DECISION
from audio.features import HOP
from audio.zoo.yamnet import WINDOW
from benchmarks.hearing import cost
from benchmarks.machine import described, processor_s, resident_mb
from gesture.hands import HandFinder
from models.hand_landmarker import default_path
from models.runtime import TFLiteModel
from safety_monitor.config.sources import load_settings
from safety_monitor.demo.scene import FPS, picture_at, sound
from safety_monitor.live import LiveView
from safety_monitor.running import make_station
from tests.stream_server import endless_sound, jpeg, part, stream_server
from tests.system.command import running

CAMERA_FPS = 30.0
SETTLE_S = 5.0
Image = NDArray[np.uint8]


def start_up() -> dict[str, float]:
    """Seconds from the command to hearing and to armed, and MB of resident memory then."""
    stop = threading.Event()
    pictures = [jpeg(picture_at(0))]
    silence = np.zeros(SAMPLE_RATE, np.float32)
    with (
        tempfile.TemporaryDirectory() as home,
        stream_server(camera(pictures, stop)) as eye,
        stream_server(endless_sound(silence, stop), "audio/x-wav", "/sound.wav") as ear,
    ):
        begun = time.perf_counter()
        with running(Path(home), "--camera", eye, "--mic", ear, environ=os.environ) as station:
            station.wait_for(lambda station: any(" audio: " in line for line in station.log))
            hears = time.perf_counter() - begun
            station.wait_until_armed()
            took = time.perf_counter() - begun
            time.sleep(2.0)
            stop.set()
            return {"hears_s": hears, "start_s": took, "memory_mb": resident_mb(station.process.pid)}


def camera(pictures: list[bytes], stop: threading.Event) -> Callable[[Callable[[bytes], object]], None]:
    """What a network camera sends: the pictures over and over at its rate."""

    def answer(send: Callable[[bytes], object]) -> None:
        begun, number = time.monotonic(), 0
        while not stop.wait(max(0.0, begun + number / CAMERA_FPS - time.monotonic())):
            send(part(pictures[number % len(pictures)]))
            number += 1

    return answer


def thread_seconds() -> dict[int, tuple[str, float]]:
    """Processor time of each thread of this process so far, by its number, with the name the system has for it."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            found[int(task.name)] = ((task / "comm").read_text().rstrip(), processor_s(task))
        except OSError:
            continue  # ended meanwhile
    return found


@contextmanager
def clocked(kind: type, method: str, spent: list[float]) -> Iterator[None]:
    """Add up the processor time of the calling thread inside a method."""
    real = getattr(kind, method)

    def measured(self: Any, *arguments: Any) -> Any:
        begun = time.thread_time()
        try:
            return real(self, *arguments)
        finally:
            spent[0] += time.thread_time() - begun

    setattr(kind, method, measured)
    try:
        yield
    finally:
        setattr(kind, method, real)


@contextmanager
def told_too(kind: type, method: str, tell: Callable[[Any], None]) -> Iterator[None]:
    """Let `tell` have the first argument of every call of a method, too."""
    real = getattr(kind, method)

    def telling(self: Any, first: Any, *others: Any) -> Any:
        tell(first)
        return real(self, first, *others)

    setattr(kind, method, telling)
    try:
        yield
    finally:
        setattr(kind, method, real)


def live(seconds: float) -> dict[str, Any]:
    """Shares of a core by thread, the share inside native inference, and the ages of what was judged."""
    stop = threading.Event()
    pictures = [jpeg(picture_at(number)) for number in range(int(12 * FPS), int(22 * FPS))]
    quiet = sound()[12 * SAMPLE_RATE : 28 * SAMPLE_RATE]
    in_hands, in_networks = [0.0], [0.0]
    sound_ages, picture_ages, start = list[float](), list[float](), [0.0]
    with (
        tempfile.TemporaryDirectory() as home,
        stream_server(camera(pictures, stop)) as seen,
        stream_server(endless_sound(quiet, stop), "audio/x-wav", "/sound.wav") as heard,
        clocked(HandFinder, "_detect", in_hands),
        clocked(TFLiteModel, "__call__", in_networks),
        told_too(LiveView, "heard", lambda reading: sound_ages.append(time.monotonic() - start[-1] - reading.at_s)),
        told_too(LiveView, "saw", lambda frame: picture_ages.append(time.monotonic() - start[-1] - frame.at_s)),
    ):
        environ = {
            "SAFETY_MONITOR_HOME": home,
            "SAFETY_MONITOR_CAMERA__SOURCE": seen,
            "SAFETY_MONITOR_MICROPHONE__SOURCE": heard,
            "SAFETY_MONITOR_ALARM__ENABLED": "false",
            "SAFETY_MONITOR_SPEECH__ENABLED": "false",
        }
        station = make_station(load_settings(environ=environ), fast=False, on_transition=lambda incident: None)
        runner = threading.Thread(target=station.run, name="decide")
        runner.start()
        station.view.ready.wait(120.0)
        start.append(station._sensing.start_s)
        time.sleep(SETTLE_S)
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        sound_ages.clear()
        picture_ages.clear()
        in_hands[0] = in_networks[0] = 0.0
        before, begun = thread_seconds(), time.monotonic()
        time.sleep(seconds)
        after, took = thread_seconds(), time.monotonic() - begun
        native = in_hands[0] + in_networks[0]
        stop.set()
        station.stop()
        runner.join()
    shares: dict[str, float] = {}
    servers = 0.0
    for number, (system_name, spent) in after.items():
        share = (spent - before.get(number, ("", 0.0))[1]) / took
        name = names.get(number, "")
        if name.startswith("Thread-") or name == "MainThread":
            servers += share  # of this benchmark: the camera, the microphone
        elif name:
            shares[name] = shares.get(name, 0.0) + share
        else:
            shares[f"native {system_name}"] = shares.get(f"native {system_name}", 0.0) + share
            native += share * took
    whole = sum(shares.values())
    return {
        "threads": {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share > 0.001},
        "whole": whole,
        "native": native / took / whole if whole else 0.0,
        "servers": servers,
        "pictures_per_s": len(picture_ages) / took,
        "decisions_per_s": len(sound_ages) / took,
        "picture_age_s": median(picture_ages) if picture_ages else float("nan"),
        "sound_age_s": median(sound_ages) if sound_ages else float("nan"),
    }


def bare_mediapipe(seconds: float) -> float:
    """The share of a core that MediaPipe alone takes at the camera's rate; its own threads are counted."""
    pictures = [picture_at(number) for number in range(int(12 * FPS), int(22 * FPS))]
    finder = HandFinder(default_path(), 2)
    begun, spent = time.monotonic(), time.process_time()
    number = 0
    while time.monotonic() - begun < seconds:
        finder.find(pictures[number % len(pictures)], number / CAMERA_FPS)
        number += 1
        time.sleep(max(0.0, begun + number / CAMERA_FPS - time.monotonic()))
    share = (time.process_time() - spent) / (time.monotonic() - begun)
    finder.close()
    return share


def loop_share(work: Callable[[], object], per_s: float, rounds: int = 100) -> float:
    """The share of a core that a piece of work takes when it is done so often a second."""
    work()
    begun = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - begun) / rounds * per_s


def hearing_references(yamnet: Path | None) -> dict[str, float]:
    """Shares of a core: our detector, YAMNet and librosa's features at our rate of decisions, over the same sound."""
    per_s = SAMPLE_RATE / HOP / DECISION
    noise = (0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype(np.float32)
    found = {"our detector": cost("scream")["real_time_factor"]}
    if yamnet is not None and yamnet.is_file():
        network = TFLiteModel(yamnet)
        found["YAMNet"] = loop_share(lambda: network(noise[None, :WINDOW]), per_s)
    try:
        import librosa
    except ImportError:
        return found

    def features() -> None:
        mel = librosa.feature.melspectrogram(y=noise, sr=SAMPLE_RATE, n_fft=512, hop_length=HOP, n_mels=64)
        librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=20)
        librosa.feature.spectral_centroid(y=noise, sr=SAMPLE_RATE, n_fft=512, hop_length=HOP)
        librosa.feature.zero_crossing_rate(noise, frame_length=512, hop_length=HOP)

    found["librosa features of the last second"] = loop_share(features, per_s, 30)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of both senses live")
    parser.add_argument("--yamnet", type=Path, help="YAMNet's TFLite file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "start": start_up,
        "both senses live": lambda: live(given.seconds),
        "bare MediaPipe": lambda: {"bare_mediapipe": bare_mediapipe(given.seconds / 2)},
        "references of hearing": lambda: {"hearing": hearing_references(given.yamnet)},
    }
    for step, measure in steps.items():
        print(f"{step} …", file=sys.stderr, flush=True)
        found |= measure()
    if given.json:
        print(json.dumps(found))
        return
    print(described())
    print(f"hears after {found['hears_s']:.1f} s, armed after {found['start_s']:.1f} s")
    print(f"{found['memory_mb']:.0f} MB resident")
    print(f"{found['pictures_per_s']:.1f} pictures/s, {found['decisions_per_s']:.1f} decisions of hearing/s")
    print(f"{found['whole']:.2f} of a core, {found['native']:.0%} of it inside MediaPipe and the networks")
    for name, share in found["threads"].items():
        print(f"  {name:<24} {share:.3f}")
    print(f"bare MediaPipe at {CAMERA_FPS:.0f} pictures/s: {found['bare_mediapipe']:.2f} of a core")
    for name, share in found["hearing"].items():
        print(f"hearing, {name}: {share:.4f} of a core")
    print(f"age when judged: picture {found['picture_age_s']:.2f} s, sound {found['sound_age_s']:.2f} s")


if __name__ == "__main__":
    main()
