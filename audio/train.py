"""Trains the scream model that ships: `python -m audio.train --data ../shared/data/audio`.

Every step is kept in a cache folder, so that an interrupted run goes on where it stopped:

1. Examples are composed of the corpus, a part at a time (`audio.examples`).
2. The trunk that ships is taken over (`audio.train_trunk` makes it) and listens to all of it.
3. Recordings are put into other sound, whole: the second opinion on the newest windows learns from these, too.
4. The sources are dealt to folds. For each fold a head learns from what holds nothing of the fold's sources, and judges
   the fold's recordings (`audio.head`), and so do second opinions. All figures, the calibration and the thresholds come
   from these. Sources of further recordings are left out in turn, too, to count what alarms in them.
5. The head that ships learns from everything.
"""

import argparse
import csv
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.calibration import highest, log_odds_line, running, steepness, strongest, threshold_at
from audio.candidate import check_place, comparable, digests_of, whole, write_learned
from audio.corpus import LABELS, SCREAM, Clip, CorpusError, are_screams, folds, read_corpus, read_feedback
from audio.detector import (
    HEAD_FILE,
    OPERATING_POINT,
    OVERVIEW_WINDOWS,
    RECENT_FILE,
    RECENT_OVERVIEW,
    STEP,
    TRUNK_FILE,
    VERDICT_FILE,
    Persistence,
    log_odds,
)
from audio.drowned import Drowned, choose, sound_of
from audio.examples import Sound
from audio.judging import alarms_in
from audio.lessons import (
    OF_FURTHER,
    OF_THE_CORPUS,
    Lessons,
    Picked,
    as_composed,
    as_drowned,
    as_overviews,
    as_recorded,
    newest_overviews,
    overviews_of,
    sources_of,
    telling,
)
from audio.machine import Border, Line, constant_line, learn_hard, learn_line, learn_machine
from audio.metrics import held_back
from audio.plan import (
    DEFAULT,
    FALSE_CLIPS,
    KNOWN_SHARE,
    OPINION_KNOWN_SHARE,
    OPINION_SHARE,
    RECENT_SHARE,
    Plan,
)
from audio.preparation import Windows, compose_parts, cut_windows, listen, read_sounds
from audio.scream_card import Alarms, Judged, prose
from models.card import Card, read_card, write_card
from models.registry import find

if TYPE_CHECKING:
    from audio.head import Head

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

SCORES_FILE = "scream-sources-left-out.csv"
"""In the cache: what heads that had not learned from a recording's source said of it."""
HEAD_PENALTY, RECENT_PENALTY, OPINION_PENALTY = 50.0, 5.0, 2.0
"""See `learn_machine`. A head must let pass no window of what it knows to be none: a shout is near a scream."""
PARTED = 2
"""Into so many folds the sources of further recordings are dealt, to judge how often they alarm."""
CERTAIN = 5.0
"""Log-odds where only one of two kinds was to be learned from."""


def learn_head(composed: Lessons, recorded: Lessons, plan: Plan) -> "Head":
    """A head; of what was composed it sees only some."""
    from audio.head import Head

    some = recorded.then(telling(composed, plan.screams, plan.others))
    machine = learn_machine(some.traits, some.labels == SCREAM, some.weights, HEAD_PENALTY)
    return Head(Border(machine, KNOWN_SHARE), learn_voices(some))


def learn_voices(lessons: Lessons) -> Line:
    """What tells conversation from ambient sounds."""
    others = lessons.only(lessons.labels != SCREAM)
    kinds = np.unique(others.labels)
    if len(kinds) == 1:
        return constant_line(others.traits.shape[1], CERTAIN if kinds[0] == LABELS.index("conversation") else -CERTAIN)
    return learn_line(others.traits, others.labels == LABELS.index("conversation"), others.weights)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is said of recordings by those who have learned nothing that holds a trace of their source.

    Attributes:
        distances: of n windows, on the side of a scream, float32 of shape (n,).
        voices: log-odds that a window without a scream is conversation, float32 of shape (n,).
        recent: the second opinion on the newest windows at each, float32 of shape (n,).
        opinions: that on the recordings, float32 of shape (recordings,).
    """

    distances: Array
    voices: Array
    recent: Array
    opinions: Array


def _traits(windows: Windows, trunk: Path, cache: Path) -> Array:
    return np.concatenate([windows.facts, listen(trunk, [windows.images], cache, f"heard-{windows.name}")], axis=1)


def drown(sounds: Sequence[Sound], drowned: Sequence[Drowned], trunk: Path, cache: Path, jobs: int) -> Lessons:
    """What second opinions on the newest windows learn from recordings in other sound."""
    windows = cut_windows([sound_of(sounds, each) for each in drowned], cache, jobs, *drowned)
    overviews = overviews_of(_traits(windows, trunk, cache), windows, len(drowned), RECENT_OVERVIEW)
    return as_drowned([sound.clip for sound in sounds], drowned, overviews)


def learn_recent(lessons: Lessons) -> Border:
    """What speaks against a scream, by overviews of the newest windows."""
    return Border(learn_hard(lessons.traits, lessons.labels == SCREAM, lessons.weights, RECENT_PENALTY), 0.0)


def learn_whole(lessons: Lessons) -> Border:
    """What tells screams from others, by overviews of recordings."""
    machine = learn_machine(lessons.traits, lessons.labels == SCREAM, lessons.weights, OPINION_PENALTY)
    return Border(machine, OPINION_KNOWN_SHARE)


@dataclass(frozen=True, slots=True)
class Heard:
    """Recordings as a trunk heard them.

    Attributes:
        clips: the recordings.
        windows: which of them each of n windows is of, int32 of shape (n,).
        quiet: in which of these there is nothing to be heard, bool of shape (n,).
        traits: of these, float32 of shape (n, `TRAITS`).
        overviews: of each recording, float32 of shape (recordings, `TRAITS`).
    """

    clips: Sequence[Clip]
    windows: NDArray[np.int32]
    quiet: NDArray[np.bool_]
    traits: Array
    overviews: Array


@dataclass(frozen=True, slots=True)
class Taught:
    """What is learned from recordings.

    Attributes:
        composed: by heads, from what was composed of them.
        recorded: by heads, from their windows as they are.
        recent: by second opinions on the newest windows.
        whole: by those on recordings.
    """

    composed: Lessons
    recorded: Lessons
    recent: Lessons
    whole: Lessons

    def then(self, others: "Taught") -> "Taught":
        """This and what is learned from others."""
        return Taught(*(getattr(self, each.name).then(getattr(others, each.name)) for each in fields(self)))

    def each(self, change: Callable[[Lessons], Lessons]) -> "Taught":
        """The same, all of it changed."""
        return Taught(*(change(getattr(self, each.name)) for each in fields(self)))


def hear(clips: Sequence[Clip], windows: Windows, trunk: Path, cache: Path) -> Heard:
    """Recordings, all windows of which a trunk hears."""
    traits = _traits(windows, trunk, cache)
    overviews = overviews_of(traits, windows, len(clips), OVERVIEW_WINDOWS)
    return Heard(clips, windows.clips, windows.quiet, traits, overviews)


def teach(heard: Heard, windows: Windows, composed: Lessons, picked: Picked) -> Taught:
    """What is learned from recordings, from all their windows, and from what was composed of them."""
    recent = overviews_of(heard.traits, windows, len(heard.clips), RECENT_OVERVIEW)
    return Taught(
        composed,
        as_recorded(heard.clips, windows, heard.traits, picked),
        as_overviews(heard.clips, recent),
        as_overviews(heard.clips, heard.overviews),
    )


def hear_judged(clips: Sequence[Clip], trunk: Path, plan: Plan, cache: Path, jobs: int) -> tuple[Heard, Taught]:
    """The recordings by which is judged, and what is learned from them, also from what they were put together to."""
    sounds = read_sounds(clips, cache, jobs)
    parts = compose_parts(sounds, plan.parts, cache, jobs)
    windows = cut_windows(sounds, cache, jobs)
    heard = hear(clips, windows, trunk, cache)
    taught = teach(heard, windows, as_composed(trunk, parts, cache), OF_THE_CORPUS)
    if drowned := choose(sounds):
        taught = replace(taught, recent=taught.recent.then(drown(sounds, drowned, trunk, cache, jobs)))
    return heard, taught


def hear_further(clips: Sequence[Clip], trunk: Path, plan: Plan, cache: Path, jobs: int) -> tuple[Heard, Taught]:
    """Recordings to learn from besides, and what is learned from them; those that weigh nothing are for the trunk.

    No composed scream is learned of these: their screams were chosen by name.
    """
    sounds = read_sounds([clip for clip in clips if clip.weight], cache, jobs)
    parts = compose_parts(sounds, plan.further_parts, cache, jobs)
    windows = cut_windows(sounds, cache, jobs)
    heard = hear([sound.clip for sound in sounds], windows, trunk, cache)
    composed = as_composed(trunk, parts, cache)
    return heard, teach(heard, windows, composed.only(composed.labels != SCREAM), OF_FURTHER)


def judge_left_out(
    heard: Heard, fold_of: Mapping[str, int], taught: Taught, plan: Plan, jobs: int, first: int = 0
) -> LeftOut:
    """For each fold of sources learn from all else, and judge its recordings.

    Args:
        heard: the recordings.
        fold_of: the fold of each of their sources.
        taught: what is learned, from these and others.
        plan: see `Plan`.
        jobs: processes that learn.
        first: place of their first source among those of all that is learned.
    """
    windows = heard.windows
    said = LeftOut(*(np.zeros(len(of), np.float32) for of in (windows, windows, windows, heard.clips)))
    numbers = sorted(set(fold_of.values()))
    fold_of_clip = np.asarray([fold_of[clip.source] for clip in heard.clips])
    work = (joblib.delayed(_judge_fold)(heard, fold_of_clip == fold, taught, plan, first) for fold in numbers)
    for done, (fold, one) in enumerate(zip(numbers, joblib.Parallel(jobs, return_as="generator")(work), strict=True)):
        log.info("%d of %d folds are judged by a head that learned from the others", done + 1, len(numbers))
        left_out = fold_of_clip == fold
        mine = left_out[windows]
        said.distances[mine], said.voices[mine], said.recent[mine] = one.distances, one.voices, one.recent
        said.opinions[left_out] = one.opinions
    return said


def _judge_fold(heard: Heard, left_out: NDArray[np.bool_], taught: Taught, plan: Plan, first: int) -> LeftOut:
    """What is said of a fold alone."""
    mine = {clip.source for clip, out in zip(heard.clips, left_out, strict=True) if out}
    sources = [first + place for place, source in enumerate(sources_of(heard.clips)) if source in mine]
    others = taught.each(lambda lessons: lessons.without(sources))
    head = learn_head(others.composed, others.recorded, plan)
    recent, whole = learn_recent(others.recent), learn_whole(others.whole)
    here = left_out[heard.windows]
    traits = heard.traits[here]
    newest = newest_overviews(traits, heard.windows[here], heard.quiet[here])
    return LeftOut(
        head.border(traits),
        head.voices(traits),
        np.where(newest.any(axis=1), recent(newest), np.float32(0)),
        whole(heard.overviews[left_out]),
    )


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What makes log-odds of what heads and second opinions say.

    Attributes:
        line: slope and offset of the log-odds of a window, by its distance.
        persistence: of the running detector.
        threshold: of verdicts on whole recordings.
        slope: of log-odds beyond it.
    """

    line: tuple[float, float]
    persistence: Persistence
    threshold: float
    slope: float

    def verdicts(self, heard: Heard, said: LeftOut) -> Array:
        """How far each recording as a whole is beyond the threshold, float32 of shape (recordings,)."""
        return _as_whole(heard, said, self.line) - np.float32(self.threshold)

    def told(self, heard: Heard, said: LeftOut) -> Array:
        """What the running detector says at each window, log-odds beyond its threshold, float32 of shape (n,)."""
        sums = running(_odds(heard, said, self.line), said.recent, heard.windows, self.persistence)
        return sums - np.float32(self.persistence.threshold)


def calibrate(heard: Heard, said: LeftOut, sure: NDArray[np.bool_]) -> Calibrated:
    """Log-odds and thresholds by what was said of recordings that were left out, of which those count that are sure."""
    clips, screams = len(heard.clips), are_screams(heard.clips)
    line = log_odds_line(strongest(said.distances, heard.windows, clips)[sure], screams[sure])
    whole = _as_whole(heard, said, line)
    threshold = threshold_at(whole[sure & ~screams], FALSE_CLIPS)
    slope = steepness(whole[sure] - np.float32(threshold), screams[sure])
    raw = Persistence(share=RECENT_SHARE)
    sums = highest(running(_odds(heard, said, line), said.recent, heard.windows, raw), heard.windows, clips)
    persistence = replace(raw, threshold=threshold_at(sums[sure & ~screams], FALSE_CLIPS))
    return Calibrated(line, persistence, threshold, slope)


def _as_whole(heard: Heard, said: LeftOut, line: tuple[float, float]) -> Array:
    seconds = strongest(_odds(heard, said, line), heard.windows, len(heard.clips))
    return np.asarray(seconds + OPINION_SHARE * said.opinions, np.float32)


def _odds(heard: Heard, said: LeftOut, line: tuple[float, float]) -> Array:
    """Log-odds of each window; of one in which nothing is heard, as low as they go."""
    slope, offset = line
    lowest = -Persistence().limit
    return np.where(heard.quiet, lowest, slope * said.distances + offset).astype(np.float32)


def train_scream(
    data: Path,
    out: Path,
    *,
    cache: Path,
    trunk: Path | None = None,
    further: Path | None = None,
    feedback: Path | None = None,
    plan: Plan = DEFAULT,
    jobs: int = 2,
) -> Card:
    """Train, measure on sources left out, and write the model folder.

    Args:
        data: see `audio.corpus.read_corpus`.
        out: the model folder; its name becomes the model's.
        cache: folder for everything in between; some 5 GB.
        trunk: what hears, see `audio.train_trunk`; None: that of the model that ships.
        further: recordings to learn from besides, by which only false alarms are counted, read in the same way.
        feedback: folder of recordings that people marked, see `audio.corpus.read_feedback`.
        plan: how much of everything.
        jobs: processes that compose examples, and learn.

    Raises:
        CorpusError: data that cannot be used, or something else than a model where it is to be written.
    """
    from audio.head import export_head, export_opinion

    check_place(out)
    marked = read_feedback(feedback) if feedback else ()
    unjudged = read_corpus(further) if further else ()
    clips = (*_apart(read_corpus(data), plan.folds), *marked)
    fold_of = folds(clips, plan.folds)
    _check(clips, fold_of)
    cache.mkdir(parents=True, exist_ok=True)
    trunk = trunk or find("scream") / TRUNK_FILE
    heard, taught = hear_judged(clips, trunk, plan, cache, jobs)
    besides: Heard | None = None
    if unjudged:
        besides, more = hear_further(unjudged, trunk, plan, cache, jobs)
        taught = taught.then(more.each(lambda lessons: lessons.behind(len(sources_of(clips)))))
    # What people marked is learned from, never judged: it is what the model in use got wrong, or just that one scream.
    sure = np.asarray([clip.sure and clip not in marked for clip in clips])
    said = judge_left_out(heard, fold_of, taught, plan, jobs)
    calibrated = calibrate(heard, said, sure)
    verdicts, told = calibrated.verdicts(heard, said), calibrated.told(heard, said)
    alarms = count_alarms(heard, told, sure)
    alarms_further: Alarms = {}
    if besides is not None:
        parted = folds(besides.clips, PARTED)
        of_besides = judge_left_out(besides, parted, taught, plan, jobs, len(sources_of(clips)))
        certain = np.asarray([clip.sure for clip in besides.clips])
        alarms_further = count_alarms(besides, calibrated.told(besides, of_besides), certain)
    _write_scores(cache / SCORES_FILE, data, heard, verdicts * np.float32(calibrated.slope), said.voices)
    log.info("head and second opinions learn from everything")
    judged = Judged(clips, fold_of, sure, verdicts, highest(told, heard.windows, len(clips)))
    with whole(out) as fresh:
        shutil.copyfile(trunk, fresh / TRUNK_FILE)
        export_head(learn_head(taught.composed, taught.recorded, plan), *calibrated.line, fresh / HEAD_FILE)
        export_opinion(learn_recent(taught.recent), fresh / RECENT_FILE)
        export_opinion(learn_whole(taught.whole), fresh / VERDICT_FILE)
        write_learned(fresh, digests_of((*clips, *unjudged)))
        size = sum(file.stat().st_size for file in fresh.glob("*.tflite"))
        parameters = {
            "persistence": asdict(calibrated.persistence),
            "verdict": {"threshold": calibrated.threshold, "slope": calibrated.slope, "share": OPINION_SHARE},
            "held_back": held_back(verdicts[sure], are_screams(clips)[sure]),
            "plan": asdict(plan),
            **comparable(None),
        }
        write_card(
            fresh,
            task="scream",
            model_format="tflite",
            labels=LABELS,
            parameters=parameters,
            prose=prose(judged, alarms, alarms_further, unjudged, plan, size),
        )
    return read_card(out)


def count_alarms(heard: Heard, told: Array, sure: NDArray[np.bool_]) -> Alarms:
    """How often the running detector alarmed in recordings without a scream.

    Args:
        heard: the recordings.
        told: log-odds beyond its threshold at each window, see `Calibrated.told`.
        sure: which recordings count, bool of shape (recordings,).
    """
    starts = np.searchsorted(heard.windows, np.arange(1, len(heard.clips)))
    chances = np.split(_chance(told + np.float32(log_odds(OPERATING_POINT))), starts)
    counts = np.asarray([sum(1 for _ in alarms_in(enumerate(each))) for each in chances])
    seconds = np.bincount(heard.windows, minlength=len(heard.clips)) * STEP / SAMPLE_RATE
    labels = np.asarray([clip.label for clip in heard.clips])
    return {
        label: (int(counts[mine].sum()), float(seconds[mine].sum()) / 3600)
        for label in LABELS
        if label != "scream"
        for mine in [sure & (labels == label)]
    }


def _write_scores(path: Path, data: Path, heard: Heard, verdicts: Array, voices: Array) -> None:
    """Probabilities of whole recordings whose sources were left out, for `safety-monitor compare --scores`.

    Args:
        path: where to.
        data: what the paths in it are relative to, where they can be.
        heard: the recordings.
        verdicts: log-odds beyond the threshold that each is a scream, float32 of shape (recordings,).
        voices: log-odds that it is conversation if it is none, of each window, float32 of shape (n,).
    """
    root = data if data.is_dir() else data.parent
    screams = _chance(verdicts + np.float32(log_odds(OPERATING_POINT)))
    starts = np.searchsorted(heard.windows, np.arange(len(heard.clips)))
    audible = np.where(heard.quiet, 0, _chance(voices))
    spoken = np.add.reduceat(audible, starts) / np.bincount(heard.windows)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "scream", "conversation", "ambient"])
        for clip, scream, voice in zip(heard.clips, screams, spoken, strict=True):
            where = clip.path.relative_to(root) if clip.path.is_relative_to(root) else clip.path
            chances = scream, (1 - scream) * voice, (1 - scream) * (1 - voice)
            rows.writerow([where, *(f"{each:.9f}" for each in chances)])


def _chance(odds: Array) -> NDArray[np.float64]:
    """Probabilities of log-odds; those of the surest are told apart."""
    return 1 / (1 + np.exp(-odds.astype(np.float64)))


def _apart(clips: Sequence[Clip], count: int) -> Sequence[Clip]:
    """A single source cannot be left out: its groups are dealt to `count` parts, which stand for sources."""
    if len({clip.source for clip in clips}) > 1:
        return clips
    part = {group: number % count + 1 for number, group in enumerate(dict.fromkeys(clip.group for clip in clips))}
    return [replace(clip, source=f"{clip.source} {part[clip.group]}") for clip in clips]


def _check(clips: Sequence[Clip], fold_of: Mapping[str, int]) -> None:
    """Whatever is left out, screams and others must be left to learn from."""
    for fold in set(fold_of.values()):
        if {clip.label == "scream" for clip in clips if fold_of[clip.source] != fold} != {True, False}:
            raise CorpusError("screams and other recordings are needed, both from two sources or groups at least")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv, its folder, or folders of labels")
    parser.add_argument("--trunk", type=Path, help="what hears; default: that of the model that ships")
    parser.add_argument("--out", type=Path, default=Path("models/scream"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/hearing"))
    parser.add_argument("--further", type=Path, help="more of the like, to learn from and not to judge by")
    parser.add_argument("--feedback", type=Path, help="folder of recordings that people marked as real or false")
    parser.add_argument("--parts", type=int, default=DEFAULT.parts)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        card = train_scream(
            given.data,
            given.out,
            cache=given.cache,
            trunk=given.trunk,
            further=given.further,
            feedback=given.feedback,
            plan=replace(DEFAULT, parts=given.parts),
            jobs=given.jobs,
        )
    except CorpusError as error:
        parser.exit(2, f"{error}\n")
    print(card.prose)


if __name__ == "__main__":
    main()
