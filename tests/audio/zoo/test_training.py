import pickle
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Block
from audio.candidate import digests_in, digests_of, write_learned
from audio.corpus import LABELS, Clip, CorpusError, read_corpus
from audio.detector import OPERATING_POINT, STEP, ScreamDetector, SoundReading, judge_file, load_scream_model, steps
from audio.recording import read_clip
from audio.zoo import segments
from audio.zoo.plan import Desk, Plan
from audio.zoo.results import threshold
from audio.zoo.segments import Cutting, disturb, hear, trim, workers
from audio.zoo.table import ZOO
from audio.zoo.training import complete, deal, hear_all, learn, learners, shares, train_zoo
from models.card import Card, ModelError, read_card, sha256, write_card
from models.registry import SHIPPED
from tests.made_up_corpus import MAKERS, write_corpus

Samples = NDArray[np.float32]
DATA = Path(__file__).parents[3].parent / "shared" / "data" / "audio"
YAMNET = DATA.parent / "reference" / "yamnet" / "yamnet.tflite"
PLAN = Plan(epochs=1, listened=4, cutting=Cutting(windows=2, loudest=1, screams=1, others=0))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("sounds"), sources=3, each=4)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def svm(corpus: Path, desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "svm"
    train_zoo("svm", corpus, folder, PLAN, desk)
    return folder


def sound(label: str, seed: int = 99, seconds: float = 3.0) -> Samples:
    made = MAKERS[label](np.random.default_rng(seed), seconds)
    return np.asarray(made / np.abs(made).max() * 0.5, np.float32)


# The networks on pictures of STFT and mel differ from segment-cnn in what they look at alone.
@pytest.mark.parametrize(
    "name", ["logistic-regression", "svm", "random-forest", "smote-forest", "dense", "cnn-lstm", "segment-cnn"]
)
def test_a_member_is_trained_saved_loaded_and_the_same_seed_gives_the_same(
    corpus: Path, desk: Desk, tmp_path: Path, name: str
) -> None:
    card = train_zoo(name, corpus, tmp_path / name, PLAN, desk)
    loaded = load_scream_model(name, tmp_path)
    clips = read_corpus(corpus)
    part = shares(clips, PLAN.seed)
    elsewhere = replace(desk, cache=tmp_path / "cache") if name == "dense" else desk
    heard = hear_all([ZOO[name]], clips, part.tolist(), PLAN, desk)[ZOO[name].features.name]
    again = learn(ZOO[name], heard, clips, part == "train", part == "validation", PLAN, elsewhere)
    judged = [sound(label) for label in LABELS]
    chances = loaded.classifier.predict_proba(judged)
    np.testing.assert_allclose(chances, again.model.predict_proba(judged), atol=2e-4)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert loaded.classifier.window == ZOO[name].features.window
    for said in ("place-0", "made up", f"--model {name}", "confusion.png"):
        assert said in card.prose
    assert (tmp_path / name / "confusion.png").is_file()
    assert (tmp_path / name / "curves.png").is_file() == (name in {"dense", "cnn-lstm", "segment-cnn"})


def test_training_learns_what_there_is_to_learn(svm: Path) -> None:
    model = load_scream_model(str(svm))
    for seed in range(100, 104):
        chances = model.classifier.predict_proba([sound(label, seed) for label in LABELS])
        assert chances[:, 0].argmax() == 0


def test_what_people_marked_is_always_learned_from_and_weighs_more(corpus: Path, desk: Desk, tmp_path: Path) -> None:
    marked = tmp_path / "feedback"
    marked.mkdir()
    rows = []
    for number in range(6):
        samples = sound("scream", seed=500 + number, seconds=1.0)
        soundfile.write(marked / f"{number}.flac", samples, SAMPLE_RATE)
        rows.append(f"{number}.flac,ambient,feedback,{number},4\n")
    (marked / "manifest.csv").write_text("path,label,source,group,weight\n" + "".join(rows), encoding="utf-8")
    with_it = replace(desk, feedback=marked)
    card = train_zoo("svm", corpus, tmp_path / "marked", PLAN, with_it)
    assert {sha256(file) for file in marked.glob("*.flac")} < digests_in(tmp_path / "marked")
    assert "| feedback | ambient | 6 | 0 | 0 |" in card.prose
    train_zoo("svm", corpus, tmp_path / "folds", replace(PLAN, folds=2), with_it)
    assert {sha256(file) for file in marked.glob("*.flac")} < digests_in(tmp_path / "folds")
    mine = read_corpus(marked)
    clips = (*read_corpus(corpus), *mine)
    every = np.ones(len(clips), np.bool_)
    for name in ("svm", "smote-forest"):
        heard = hear_all([ZOO[name]], clips, ["all"] * len(clips), PLAN, desk)[ZOO[name].features.name]
        light = (*clips[: -len(mine)], *(replace(clip, weight=0.0 if name == "svm" else 0.4) for clip in mine))
        heard_again = [read_clip(clip.path) for clip in mine]
        heavy, slight = (
            learn(ZOO[name], heard, weighed, every, every, PLAN, desk).model.predict_proba(heard_again)[:, 0].mean()
            for weighed in (clips, light)
        )
        assert heavy < slight


def test_a_member_listens_live_however_the_sound_is_cut(svm: Path) -> None:
    model = load_scream_model(str(svm))
    samples = np.concatenate([np.zeros(8000, np.float32), sound("ambient", seconds=1.0), sound("scream")])

    def listen(cuts: list[int]) -> list[SoundReading]:
        detector = ScreamDetector(model)
        at, readings = 0, []
        for piece in np.split(samples, cuts):
            readings += detector.feed(Block(piece, at / SAMPLE_RATE))
            at += len(piece)
        return readings + detector.flush()

    whole, cut = listen([]), listen([1, 353, 2560, 2913, 17_000, 40_001])
    assert [r.at_s for r in cut] == pytest.approx([r.at_s for r in whole])
    assert [r.scream for r in cut] == pytest.approx([r.scream for r in whole], abs=1e-5)
    # A live decision is that on the very samples before it.
    for number in (5, 20):
        end = number * STEP + len(steps(samples)[0])
        window = samples[max(0, end - model.classifier.window) : end]
        expected = model.classifier.predict_proba([window])[0]
        assert [whole[number].probabilities[label] for label in LABELS] == pytest.approx(expected, abs=1e-5)
    assert whole[0].label == "ambient"  # nothing but zeros
    assert max(r.scream for r in whole) >= OPERATING_POINT
    assert judge_file(whole, model)[1] == "scream"


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_scream_model(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def seal(folder: Path, card: Card, content: bytes) -> None:
    """Put other content in the model file, and a card that vouches for it."""
    next(folder.glob("*.skops")).write_bytes(content)
    write_card(
        folder, task="scream", model_format="skops", labels=card.labels, parameters=card.parameters, prose=card.prose
    )


def test_files_that_are_not_what_they_should_be_are_refused(svm: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(svm, tmp_path / "svm"))
    card, file = read_card(svm), next(copy.glob("*.skops"))
    good = file.read_bytes()
    file.write_bytes(good[:-100])
    assert "SHA-256" in refused(copy)
    for content in (good[: len(good) // 2], b"", pickle.dumps(print)):
        seal(copy, card, content)
        assert "not a usable scikit-learn model" in refused(copy)
    with zipfile.ZipFile(svm / file.name) as archive, zipfile.ZipFile(tmp_path / "evil.zip", "w") as evil:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "schema.json":
                content = content.replace(b'"sklearn.svm._classes"', b'"subprocess"').replace(b'"SVC"', b'"Popen"')
            evil.writestr(name, content)
    seal(copy, card, (tmp_path / "evil.zip").read_bytes())
    assert "subprocess.Popen, a type that is not trusted" in refused(copy)
    for member, said in (("mel-cnn", "needs one .tflite file"), ("oracle", "no member of the zoo")):
        seal(copy, replace(card, parameters={**card.parameters, "member": member}), good)
        assert said in refused(copy)


def test_without_scikit_learn_one_line_says_what_is_missing(svm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert "sklearn is missing; " in refused(svm)


def test_a_consensus_holds_its_members_and_notices_another_one(
    svm: Path, corpus: Path, desk: Desk, tmp_path: Path
) -> None:
    shutil.copytree(svm, tmp_path / "svm")
    train_zoo("logistic-regression", corpus, tmp_path / "logistic-regression.new", PLAN, desk)
    plan = replace(PLAN, members=("svm", "logistic-regression"))
    desk = replace(desk, home=tmp_path)
    train_zoo("consensus", corpus, tmp_path / "consensus", plan, desk)
    parts = [load_scream_model(name, tmp_path).classifier for name in ("svm", "logistic-regression.new")]
    whole = load_scream_model("consensus", tmp_path).classifier
    clip = sound("scream", seconds=1.5)
    expected = np.mean([part.predict_proba([clip])[0, 0] for part in parts])
    assert whole.predict_proba([clip])[0, 0] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ModelError, match="train it first"):
        train_zoo("consensus", corpus, tmp_path / "c2", replace(plan, members=("svm", "dense")), desk)
    assert read_card(tmp_path / "consensus").parameters["held_back"]
    knows_all = tmp_path / "svm"
    write_learned(knows_all, digests_of(read_corpus(corpus)))  # as one that was trained with folds
    card = read_card(svm)
    write_card(
        knows_all,
        task=card.task,
        model_format=card.format,
        labels=card.labels,
        parameters=card.parameters,
        prose=card.prose,
    )
    by_heart = train_zoo("consensus", corpus, tmp_path / "c2", plan, desk)
    assert by_heart.parameters["held_back"] == {}
    assert "Too few recordings were left to judge it by" in by_heart.prose
    shutil.rmtree(tmp_path / "svm")  # what becomes of the members afterwards does not matter
    moved = Path(shutil.copytree(tmp_path / "consensus", tmp_path / "elsewhere" / "consensus"))
    assert load_scream_model(str(moved)).classifier.predict_proba([clip])[0, 0] == pytest.approx(expected, abs=1e-6)
    other = moved / "svm" / "card.md"
    other.write_text(other.read_text(encoding="utf-8") + "another\n", encoding="utf-8")
    assert "is not the member that the consensus was made of" in refused(moved)
    (moved / "members.csv").write_text("name,sha256\n", encoding="utf-8")
    assert "SHA-256" in refused(moved)


@pytest.mark.skipif(not YAMNET.is_file(), reason="YAMNet is not here (../shared/data/reference/yamnet)")
def test_a_given_network_is_calibrated_and_no_other_is_taken_for_it(corpus: Path, desk: Desk, tmp_path: Path) -> None:
    train_zoo("yamnet", corpus, tmp_path / "yamnet", PLAN, replace(desk, given=YAMNET))
    loaded = load_scream_model("yamnet", tmp_path).classifier
    clips = [clip for clip in read_corpus(DATA) if clip.source == "rohanmathur17" and clip.seconds < 10]
    screams, others = (
        [read_clip(c.path) for c in clips if (c.label == "scream") is kind][:5] for kind in (True, False)
    )
    chances = loaded.predict_proba([*screams, *others])
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert np.median(chances[:5, 0]) > np.median(chances[5:, 0]) + 0.2
    with pytest.raises(ModelError, match="is not YAMNet"):
        train_zoo("yamnet", corpus, tmp_path / "other", PLAN, replace(desk, given=SHIPPED / "scream" / "head.tflite"))
    assert not (tmp_path / "other").exists()


def test_an_interrupted_network_goes_on_to_the_same_end(tmp_path: Path) -> None:
    from audio.zoo.dense import build
    from audio.zoo.lesson import Epoch, Lesson
    from audio.zoo.networks import fit, probabilities

    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = (rng.standard_normal((90, 8)) + y[:, None]).astype(np.float32)
    lesson, held = (Lesson(x[part], y[part], np.ones(len(y[part]), np.float32)) for part in (slice(60), slice(60, 90)))

    def interrupt(done: int, total: int, epoch: Epoch) -> None:
        if done == 2:
            raise KeyboardInterrupt

    whole, history = fit(build, lesson, held, epochs=4, patience=4, seed=3, state=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(build, lesson, held, epochs=4, patience=4, seed=3, state=tmp_path / "cut", tick=interrupt)
    resumed, rest = fit(build, lesson, held, epochs=4, patience=4, seed=3, state=tmp_path / "cut")
    assert [each.held for each in rest] == pytest.approx([each.held for each in history], abs=1e-6)
    np.testing.assert_allclose(probabilities(resumed, x), probabilities(whole, x), atol=1e-6)
    # Labels that mean nothing: it stops when it judges no better, and keeps what judged best.
    mixed = Lesson(x[60:], rng.permutation(y[60:]), held.weights)
    _, stopped = fit(build, lesson, mixed, epochs=30, patience=2, seed=3, state=tmp_path / "stop")
    best = int(np.argmin([each.held for each in stopped]))
    assert len(stopped) == best + 3


def test_a_cluster_gives_the_same_features_and_what_is_cached_is_not_made_again(corpus: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is not installed")
    clips = read_corpus(corpus)
    features = [ZOO["svm"].features]
    parts = ["all"] * len(clips)
    with workers(1):
        here = hear(clips, parts, features, PLAN.cutting, tmp_path / "here")["statistics"]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        workers(1, cluster.scheduler_address),
    ):
        there = hear(clips, parts, features, PLAN.cutting, tmp_path / "there")["statistics"]
    np.testing.assert_array_equal(here.x, there.x)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "here").iterdir()}
    told: list[tuple[int, int]] = []
    with workers(1):
        hear(clips, parts, features, PLAN.cutting, tmp_path / "here", lambda done, total: told.append((done, total)))
    assert told == [(1, 1)]
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "here").iterdir()} == files


def test_no_cluster_and_no_data_are_said_in_one_line(
    corpus: Path, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "CLUSTER_S", 0.5)
    with pytest.raises(CorpusError, match="no Dask scheduler answers"), workers(1, "tcp://127.0.0.1:1"):
        pass
    with pytest.raises(CorpusError, match="there are: scream, logistic-regression"):
        train_zoo("oracle", corpus, tmp_path, PLAN, desk)
    with pytest.raises(CorpusError, match="--teacher"):
        train_zoo("yamnet", corpus, tmp_path / "yamnet", PLAN, desk)
    with pytest.raises(CorpusError, match="is there already and no model"):
        train_zoo("svm", corpus, corpus, PLAN, desk)
    clips = tuple(clip for clip in read_corpus(corpus) if clip.label != "scream")
    every = np.ones(len(clips), np.bool_)
    with pytest.raises(CorpusError, match="no recording labelled scream is left to learn from"):
        complete(clips, every, every)
    broken = [tmp_path / "empty.wav", tmp_path / "text.wav"]
    for file, content in zip(broken, (b"", b"no sound at all"), strict=True):
        file.write_bytes(content)
    mixed = [*(Clip(file, "scream", "s", "g") for file in broken), clips[0]]
    with workers(1), pytest.raises(CorpusError, match=r"^2 of 3 recordings cannot be used: .*empty\.wav.*text\.wav"):
        hear(mixed, [0] * 3, [ZOO["svm"].features], PLAN.cutting, tmp_path / "cache")


def test_no_fold_stops_by_what_people_marked(corpus: Path) -> None:
    given = read_corpus(corpus)
    marked = [Clip(Path(f"{number}.flac"), "scream", "feedback", f"incident {number}") for number in range(20)]
    fold = np.concatenate([deal(given, 3), np.full(len(marked), -1)])
    for number in range(3):
        mine, held = learners([*given, *marked], fold, number, seed=1)
        assert mine[len(given) :].all()
        assert not held[len(given) :].any()
        assert held.any()


def test_folds_keep_sources_apart_and_stop_by_others(corpus: Path) -> None:
    clips = read_corpus(corpus)
    fold = deal(clips, 3)
    for number in range(3):
        mine, held = learners(clips, fold, number, seed=1)
        sources = [clip.source for clip in clips]
        judged = {source for source, f in zip(sources, fold, strict=True) if f == number}
        assert judged.isdisjoint({source for source, used in zip(sources, mine | held, strict=True) if used})
        assert not (mine & held).any()


@pytest.mark.parametrize(("others", "passing"), [(100, 1), (200, 2), (50, 0)])
def test_a_threshold_lets_one_in_a_hundred_pass(others: int, passing: int) -> None:
    scores = np.arange(others + 3, dtype=np.float32)
    screams = np.arange(others + 3) >= others
    assert int((scores[~screams] > threshold(scores, screams)).sum()) == passing


def test_trimming_takes_silence_at_the_ends_only() -> None:
    loud = np.ones(3200, np.float32)
    quiet = np.full(6400, 1e-4, np.float32)
    cut = trim(np.concatenate([quiet, loud, quiet, loud, quiet]))
    assert len(cut) == 3200 + 6400 + 3200
    assert len(trim(np.zeros(1000, np.float32))) <= 1000


@pytest.mark.parametrize("seconds", [0.3, 2.0, 5.0])
def test_a_disturbed_copy_is_finite_and_no_longer_than_a_window(seconds: float) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        made = disturb(sound("scream", seconds=seconds), sound("ambient", seconds=1.0), 32_000, rng)
        assert np.isfinite(made).all()
        assert 0 < len(made) <= 32_000
        assert np.abs(made).max() > 0


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not here (../shared/data/audio)")
def test_real_recordings_are_learned(desk: Desk, tmp_path: Path) -> None:
    clips = read_corpus(DATA)
    chosen = [
        clip
        for label in LABELS
        for clip in [each for each in clips if each.label == label and each.source == "rohanmathur17"][:16]
    ]
    heard = hear_all([ZOO["svm"]], chosen, ["all"] * len(chosen), PLAN, desk)["statistics"]
    odd = np.arange(len(chosen)) % 2 == 1
    model = learn(ZOO["svm"], heard, chosen, ~odd, odd, PLAN, desk).model
    unheard = [clip for clip in chosen[1::2] if clip.seconds < 20]
    chances = model.predict_proba([read_clip(clip.path) for clip in unheard])[:, 0]
    screams = np.asarray([clip.label == "scream" for clip in unheard])
    assert np.median(chances[screams]) > np.median(chances[~screams]) + 0.2
