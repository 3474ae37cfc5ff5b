"""Trains the scream model that ships: `python -m audio.train --data ../shared/data/audio`.

Every step is kept in a cache folder, so that an interrupted run goes on where it stopped:

1. Examples are composed of the corpus, a part at a time (`audio.examples`).
2. The trunk that ships is taken over (`audio.train_trunk` makes it) and listens to all of it.
3. Recordings are put into other sound, whole: the second opinion on the newest windows learns from these, too.
4. The sources are dealt to folds. For each fold a head learns from what holds nothing of the fold's sources, and judges
   the fold's recordings (`audio.head`), and so do second opinions. All figures, the calibration and the thresholds come
   from these.
5. The head that ships learns from everything.
"""

import argparse
import csv
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.calibration import highest, log_odds_line, running, steepness, strongest, threshold_at
from audio.candidate import check_place, comparable, digests_of, write_learned
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
    Lessons,
    as_composed,
    as_drowned,
    as_overviews,
    as_recorded,
    newest_overviews,
    of_further,
    overviews_of,
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
from audio.scream_card import Judged, prose
from models.card import Card, write_card
from models.registry import find

if TYPE_CHECKING:
    from audio.head import Head

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

SCORES_FILE = "scream-sources-left-out.csv"
"""In the cache: what heads that had not learned from a recording's source said of it."""
HEAD_PENALTY, RECENT_PENALTY, OPINION_PENALTY = 50.0, 5.0, 2.0
"""See `learn_machine`. A head must let pass no window of what it knows to be none: a shout is near a scream."""
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


@dataclass(frozen=True, slots=True)
class Gathered:
    """Further recordings before a trunk has heard them.

    Attributes:
        clips: those whose label counts.
        windows: of these.
        parts: examples composed of these.
    """

    clips: Sequence[Clip]
    windows: Windows
    parts: Sequence[Path]


@dataclass(frozen=True, slots=True)
class Further:
    """What is learned from recordings by which nothing is judged, in every fold.

    Attributes:
        clips: the recordings.
        recorded: what heads learn from them.
        composed: what heads learn from what is composed of them.
        recent: what second opinions on the newest windows learn.
        whole: what those on recordings learn.
    """

    clips: Sequence[Clip]
    recorded: Lessons
    composed: Lessons
    recent: Lessons
    whole: Lessons


def gather(clips: Sequence[Clip], plan: Plan, cache: Path, jobs: int) -> Gathered:
    """Further recordings; those that weigh nothing are for the trunk alone."""
    counting = read_sounds([clip for clip in clips if clip.weight], cache, jobs)
    parts = compose_parts(counting, plan.further_parts, cache, jobs)
    return Gathered([sound.clip for sound in counting], cut_windows(counting, cache, jobs), parts)


def hear(gathered: Gathered, trunk: Path, cache: Path) -> Further:
    """What heads and second opinion learn from further recordings."""
    clips, windows = gathered.clips, gathered.windows
    traits = _traits(windows, trunk, cache)
    return Further(
        clips,
        of_further(clips, windows, traits),
        as_composed(trunk, gathered.parts, cache).in_every_fold(),
        *(
            as_overviews(clips, overviews_of(traits, windows, len(clips), most)).in_every_fold()
            for most in (RECENT_OVERVIEW, OVERVIEW_WINDOWS)
        ),
    )


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
    """What is judged and learned from, by sources, as a trunk heard it.

    Attributes:
        clips: the recordings.
        folds: the fold of each, int64 of shape (recordings,).
        composed: what heads learn from what was composed of them.
        recorded: what heads learn from their windows as they are.
        recent: what second opinions on the newest windows learn.
        whole: what those on recordings learn.
        windows: which recording each of n windows is of, int32 of shape (n,).
        quiet: in which of these there is nothing to be heard, bool of shape (n,).
        traits: of these, float32 of shape (n, `TRAITS`).
        overviews: of each recording, float32 of shape (recordings, `TRAITS`).
    """

    clips: Sequence[Clip]
    folds: NDArray[np.int64]
    composed: Lessons
    recorded: Lessons
    recent: Lessons
    whole: Lessons
    windows: NDArray[np.int32]
    quiet: NDArray[np.bool_]
    traits: Array
    overviews: Array


def judge_left_out(heard: Heard, plan: Plan, jobs: int) -> LeftOut:
    """For each fold of sources learn from the other folds and from what is further, and judge its recordings."""
    windows = heard.windows
    said = LeftOut(*(np.zeros(len(of), np.float32) for of in (windows, windows, windows, heard.clips)))
    numbers = np.unique(heard.folds).tolist()
    work = (joblib.delayed(_judge_fold)(heard, fold, plan) for fold in numbers)
    for done, (fold, one) in enumerate(zip(numbers, joblib.Parallel(jobs, return_as="generator")(work), strict=True)):
        log.info("%d of %d folds are judged by a head that learned from the others", done + 1, len(numbers))
        left_out = heard.folds == fold
        mine = left_out[windows]
        said.distances[mine], said.voices[mine], said.recent[mine] = one.distances, one.voices, one.recent
        said.opinions[left_out] = one.opinions
    return said


def _judge_fold(heard: Heard, fold: int, plan: Plan) -> LeftOut:
    """What is said of a fold alone."""
    left_out = heard.folds == fold
    fold_of = dict(zip((clip.source for clip in heard.clips), heard.folds.tolist(), strict=True))
    sources = [place for place, source in enumerate(sorted(fold_of)) if fold_of[source] == fold]
    head = learn_head(heard.composed.without(sources), heard.recorded.without(sources), plan)
    recent, whole = learn_recent(heard.recent.without(sources)), learn_whole(heard.whole.without(sources))
    here = left_out[heard.windows]
    mine = heard.traits[here]
    newest = newest_overviews(mine, heard.windows[here], heard.quiet[here])
    return LeftOut(
        head.border(mine),
        head.voices(mine),
        np.where(newest.any(axis=1), recent(newest), np.float32(0)),
        whole(heard.overviews[left_out]),
    )


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
        cache: folder for everything in between; some 3 GB.
        trunk: what hears, see `audio.train_trunk`; None: that of the model that ships.
        further: recordings to learn from besides, by which nothing is judged, see `audio.corpus.read_corpus`.
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
    sounds = read_sounds(clips, cache, jobs)
    parts = compose_parts(sounds, plan.parts, cache, jobs)
    judged = cut_windows(sounds, cache, jobs)
    gathered = gather(unjudged, plan, cache, jobs) if unjudged else None
    trunk = trunk or find("scream") / TRUNK_FILE
    traits = _traits(judged, trunk, cache)
    composed, recorded = as_composed(trunk, parts, cache), as_recorded(clips, judged, traits)
    overviews = overviews_of(traits, judged, len(clips), OVERVIEW_WINDOWS)
    whole = as_overviews(clips, overviews)
    recent = as_overviews(clips, overviews_of(traits, judged, len(clips), RECENT_OVERVIEW))
    if drowned := choose(sounds):
        recent = recent.then(drown(sounds, drowned, trunk, cache, jobs))
    if gathered:
        besides = hear(gathered, trunk, cache)
        composed, recorded = composed.then(besides.composed), recorded.then(besides.recorded)
        recent, whole = recent.then(besides.recent), whole.then(besides.whole)
    screams = are_screams(clips)
    # What people marked is learned from, never judged: it is what the model in use got wrong, or just that one scream.
    sure = np.asarray([clip.sure and clip not in marked for clip in clips])
    numbers = np.asarray([fold_of[clip.source] for clip in clips])
    heard = Heard(clips, numbers, composed, recorded, recent, whole, judged.clips, judged.quiet, traits, overviews)
    said = judge_left_out(heard, plan, jobs)

    raw = Persistence(share=RECENT_SHARE)
    slope, offset = log_odds_line(strongest(said.distances, judged.clips, len(clips))[sure], screams[sure])
    odds = np.where(judged.quiet, -raw.limit, slope * said.distances + offset).astype(np.float32)
    by_clip = strongest(odds, judged.clips, len(clips)) + OPINION_SHARE * said.opinions
    threshold = threshold_at(by_clip[sure & ~screams], FALSE_CLIPS)
    beyond = by_clip - np.float32(threshold)
    steep = steepness(beyond[sure], screams[sure])
    verdict = {"threshold": threshold, "slope": steep, "share": OPINION_SHARE}
    told = running(odds, said.recent, judged.clips, raw)
    summed = highest(told, judged.clips, len(clips))
    persistence = replace(raw, threshold=threshold_at(summed[sure & ~screams], FALSE_CLIPS))

    starts = np.searchsorted(judged.clips, np.arange(len(clips)))
    voices = np.add.reduceat(np.where(judged.quiet, 0, _chance(said.voices)), starts) / np.bincount(judged.clips)
    found = _chance(np.float32(steep) * beyond + np.float32(log_odds(OPERATING_POINT)))
    _write_scores(cache / SCORES_FILE, data, clips, found, voices)
    log.info("head and second opinions learn from everything")
    out.mkdir(parents=True, exist_ok=True)
    if trunk.resolve() != (out / TRUNK_FILE).resolve():
        shutil.copyfile(trunk, out / TRUNK_FILE)
    export_head(learn_head(composed, recorded, plan), slope, offset, out / HEAD_FILE)
    export_opinion(learn_recent(recent), out / RECENT_FILE)
    export_opinion(learn_whole(whole), out / VERDICT_FILE)
    write_learned(out, digests_of((*clips, *unjudged)))
    size = sum(file.stat().st_size for file in out.glob("*.tflite"))
    parameters = {
        "persistence": asdict(persistence),
        "verdict": verdict,
        "held_back": held_back(by_clip[sure], screams[sure]),
        "plan": asdict(plan),
        **comparable(None),
    }
    chances = np.split([persistence.probability(each) for each in told.tolist()], starts[1:])
    said_of = Judged(
        clips,
        fold_of,
        sure,
        beyond,
        summed - np.float32(persistence.threshold),
        np.asarray([sum(1 for _ in alarms_in(enumerate(each))) for each in chances]),
        np.bincount(judged.clips) * STEP / SAMPLE_RATE,
    )
    return write_card(
        out,
        task="scream",
        model_format="tflite",
        labels=LABELS,
        parameters=parameters,
        prose=prose(said_of, unjudged, plan, size),
    )


def _write_scores(
    path: Path, data: Path, clips: Sequence[Clip], screams: NDArray[np.float64], voices: NDArray[np.float64]
) -> None:
    """Probabilities of whole recordings whose sources were left out, for `safety-monitor compare --scores`.

    Args:
        path: where to.
        data: what the paths in it are relative to, where they can be.
        clips: the recordings.
        screams: probability that it is one, for each.
        voices: probability that it is conversation if it is none.
    """
    root = data if data.is_dir() else data.parent
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "scream", "conversation", "ambient"])
        for clip, scream, voice in zip(clips, screams, voices, strict=True):
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
