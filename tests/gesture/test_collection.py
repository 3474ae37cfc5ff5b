"""Collections: no row lost, none mixed up, label files and rows in step, the two-model format readable and written."""

import csv
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gesture.collection import LABELS, TABLES, TWO_MODEL, Collection
from gesture.rows import MOTIONS, SIGNS, CollectionError, Origin, motion_row, sign_row
from gesture.tables import TableError, read_hands, read_paths

ORIGIN = Origin("camera 0", "anna", "monday")


def landmarks(seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0.2, 0.8, (21, 3)).astype(np.float32)


def row(label: str = "fist", seed: int = 1) -> tuple[str, ...]:
    return sign_row(label, ORIGIN, "left", seed / 10, 0.75, landmarks(seed))


def path_row(label: str = "wave", seed: int = 1) -> tuple[str, ...]:
    return motion_row(label, ORIGIN, 1.0, np.random.default_rng(seed).normal(0, 1, (16, 2)).astype(np.float32))


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path / "gestures")


def two_model(collection: Collection, kind: str) -> list[list[str]]:
    with (collection.folder / TWO_MODEL[kind]).open(newline="") as file:
        return list(csv.reader(file))


def test_a_row_is_on_the_disk_in_both_formats(collection: Collection) -> None:
    collection.add(SIGNS, row("fist", 1))
    collection.add(SIGNS, row("ok", 2))
    table = read_hands(collection.folder / TABLES[SIGNS])
    assert table.label.tolist() == ["fist", "ok"]
    assert set(table.person) == {"anna"}
    assert set(table.handedness) == {"left"}
    np.testing.assert_allclose(table.landmarks[1], landmarks(2), atol=1e-5)
    assert collection.labels(SIGNS) == ["fist", "ok"]
    first, second = two_model(collection, SIGNS)
    assert [first[0], second[0]] == ["0", "1"]
    assert len(first) == 43
    values = np.array(second[1:], float).reshape(21, 2)
    assert (values[0] == 0).all()
    assert np.abs(values).max() == pytest.approx(1)


def test_movements_too(collection: Collection) -> None:
    collection.add(MOTIONS, path_row())
    assert read_paths(collection.folder / TABLES[MOTIONS]).label.tolist() == ["wave"]
    (only,) = two_model(collection, MOTIONS)
    assert len(only) == 33
    assert only[1:3] == ["0.000000", "0.000000"]


def test_undo_takes_back_that_row_and_no_other(collection: Collection) -> None:
    for seed in (1, 2, 3):
        collection.add(SIGNS, row(seed=seed))
    assert collection.undo(SIGNS, row(seed=2))
    assert not collection.undo(SIGNS, row(seed=2))
    assert read_hands(collection.folder / TABLES[SIGNS]).at_s.tolist() == pytest.approx([0.1, 0.3])
    assert len(two_model(collection, SIGNS)) == 2


def collect_many(folder: Path, label: str) -> None:
    collection = Collection(folder)
    for seed in range(40):
        collection.add(SIGNS, row(label, seed))


def test_two_collectors_share_a_folder(collection: Collection) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=collect_many, args=(collection.folder, label)) for label in ("fist", "ok")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    table = read_hands(collection.folder / TABLES[SIGNS])
    assert sorted(table.label.tolist()) == ["fist"] * 40 + ["ok"] * 40
    labels = collection.labels(SIGNS)
    assert sorted(labels) == ["fist", "ok"]
    assert [labels[int(line[0])] for line in two_model(collection, SIGNS)] == table.label.tolist()


@pytest.mark.parametrize(
    ("left", "times"),
    [
        ("fist,camera 0,anna,mon", [0.1]),  # a crash has cut the row off
        (",".join(row(seed=3)), [0.1, 0.3]),  # an editor has left the last line without its end
    ],
)
def test_what_a_crash_leaves_harms_nobody(collection: Collection, left: str, times: list[float]) -> None:
    collection.add(SIGNS, row(seed=1))
    with (collection.folder / TABLES[SIGNS]).open("a") as file:
        file.write(left)
    hands = collection.hands()
    assert hands is not None
    assert hands.at_s.tolist() == pytest.approx(times)
    assert sum(Collection(collection.folder).counts(SIGNS).values()) == len(times)
    collection = Collection(collection.folder)
    collection.add(SIGNS, row(seed=2))
    assert read_hands(collection.folder / TABLES[SIGNS]).at_s.tolist() == pytest.approx([*times, 0.2])
    assert len(two_model(collection, SIGNS)) == len(times) + 1


@pytest.mark.parametrize("kind", [SIGNS, MOTIONS])
def test_a_table_of_which_a_full_disk_took_nothing_is_none(collection: Collection, kind: str) -> None:
    (collection.folder / TABLES[kind]).touch()
    assert (collection.hands(), collection.paths(), collection.counts(kind), collection.check()) == (None, None, {}, [])
    collection.add(kind, row() if kind == SIGNS else path_row())
    assert sum(collection.counts(kind).values()) == 1


def test_a_table_of_which_a_crash_has_left_half_a_head(collection: Collection) -> None:
    (collection.folder / TABLES[SIGNS]).write_text("label,sou")
    collection.add(SIGNS, row(seed=1))
    assert len(read_hands(collection.folder / TABLES[SIGNS])) == 1


def test_a_label_that_only_rows_know_is_made_known(collection: Collection, tmp_path: Path) -> None:
    collection.add(SIGNS, row("fist"))
    collection.add(SIGNS, row("ok"))
    (collection.folder / LABELS[SIGNS]).write_text("ok\r\n\r\nok\r\n", encoding="utf-8-sig", newline="")
    assert "the label 'fist' is not in" in collection.check()[0]
    assert collection.export_two_model(SIGNS, tmp_path / "out") == 2
    assert collection.labels(SIGNS) == ["ok", "fist"]
    assert [line[0] for line in two_model(collection, SIGNS)] == ["1", "0"]


@pytest.mark.parametrize("change", [lambda text: text.encode("utf-16"), lambda text: text.replace(",", ";").encode()])
def test_a_table_of_another_kind_is_one_line(collection: Collection, change: Callable[[str], bytes]) -> None:
    collection.add(SIGNS, row("fist"))
    path = collection.folder / TABLES[SIGNS]
    path.write_bytes(change(path.read_text()))
    for use in (lambda: collection.counts(SIGNS), lambda: collection.rename_label(SIGNS, "fist", "ok")):
        with pytest.raises(TableError, match=TABLES[SIGNS]):
            use()
    assert collection.labels(SIGNS) == ["fist"]


def test_a_table_that_a_spreadsheet_has_saved_is_read_and_goes_on(collection: Collection) -> None:
    for seed in (1, 2):
        collection.add(SIGNS, row(seed=seed))
    path = collection.folder / TABLES[SIGNS]
    path.write_text(path.read_text(), encoding="utf-8-sig", newline="\r\n")
    collection.add(SIGNS, row(seed=3))
    assert collection.undo(SIGNS, row(seed=2))
    hands = collection.hands()
    assert hands is not None
    assert hands.at_s.tolist() == pytest.approx([0.1, 0.3])


def test_two_model_rows_are_taken_over_once(collection: Collection, tmp_path: Path) -> None:
    files = write_two_model(tmp_path, "\n".join([line(1), line(0), line(1)]))
    assert collection.import_two_model(SIGNS, *files, ORIGIN) == 3
    assert collection.import_two_model(SIGNS, *files, ORIGIN) == 0
    assert collection.labels(SIGNS) == ["Open", "Close"]
    collection.rename_label(SIGNS, "Close", "grab")
    grown = files[0].rename(tmp_path / "keypoint (1).csv")
    grown.write_text(grown.read_text() + "\n" + line(1, value=0.25))
    assert collection.import_two_model(SIGNS, grown, files[1], replace(ORIGIN, source=grown.name)) == 1
    assert collection.labels(SIGNS) == ["Open", "grab", "Close"]


def test_labels_and_rows_stay_in_step(collection: Collection) -> None:
    for label in ("fist", "ok", "fist"):
        collection.add(SIGNS, row(label))
    assert collection.rename_label(SIGNS, "fist", "closed") == 2
    assert collection.labels(SIGNS) == ["closed", "ok"]
    assert read_hands(collection.folder / TABLES[SIGNS]).label.tolist() == ["closed", "ok", "closed"]
    assert collection.remove_label(SIGNS, "closed") == 2
    assert collection.labels(SIGNS) == ["ok"]
    assert [line[0] for line in two_model(collection, SIGNS)] == ["0"]


@pytest.mark.parametrize("label", ["Fist", "open palm", "Open_Palm", "HELLO", "hel lo"])
def test_what_is_read_as_a_label_that_is_there_is_no_new_one(collection: Collection, label: str) -> None:
    collection.add(SIGNS, row("hello"))
    for make in (
        lambda: collection.add_label(SIGNS, label),
        lambda: collection.add(SIGNS, row(label)),
        lambda: collection.check_label(SIGNS, label),
    ):
        with pytest.raises(CollectionError, match=f"'{label}' is called '.*' here already: choose that"):
            make()
    assert collection.labels(SIGNS) == ["hello"]
    assert collection.rename_label(SIGNS, "hello", "Hello") == 1
    with pytest.raises(CollectionError, match="'Victory' is called 'victory' here already"):
        collection.rename_label(SIGNS, "Hello", "Victory")
    collection.add_label(MOTIONS, label)  # a movement may be called as a sign is
    (collection.folder / LABELS[SIGNS]).write_text(f"Hello\n{label}\n")  # as an import leaves it
    collection.add(SIGNS, row(label))
    assert sum(collection.counts(SIGNS).values()) == 2


def test_mistakes_with_labels_are_one_line(collection: Collection) -> None:
    collection.add_label(SIGNS, "fist")
    with pytest.raises(CollectionError, match="there already"):
        collection.add_label(SIGNS, "fist")
    with pytest.raises(CollectionError, match="no label 'palm'; known: fist"):
        collection.rename_label(SIGNS, "palm", "hand")
    with pytest.raises(CollectionError, match="no label 'palm'"):
        collection.remove_label(SIGNS, "palm")
    for label in ("", "a,b", 'say "hi"', "two\nlines", " space", "red\x1b[31m"):
        with pytest.raises(CollectionError, match="is no label"):
            collection.add_label(SIGNS, label)


def test_hands_that_are_none_are_refused() -> None:
    broken = landmarks()
    broken[3, 1] = np.nan
    with pytest.raises(CollectionError, match="finite"):
        sign_row("fist", ORIGIN, "left", 0.0, 0.75, broken)
    with pytest.raises(CollectionError, match="no size"):
        sign_row("fist", ORIGIN, "left", 0.0, 0.75, np.full((21, 3), 0.5, np.float32))
    with pytest.raises(CollectionError, match="finite"):
        motion_row("wave", ORIGIN, 0.0, np.full((16, 2), np.inf, np.float32))


def test_check_tells_of_thin_labels_and_damage(collection: Collection) -> None:
    for seed in range(60):
        collection.add(SIGNS, row(seed=seed))
    collection.add(SIGNS, row("ok"))
    complaints = collection.check()
    assert any("ok: 1 rows" in complaint for complaint in complaints)
    assert any("fist: shown by one person only" in complaint for complaint in complaints)
    with (collection.folder / TABLES[SIGNS]).open("a") as file:
        file.write("fist,1,2\n")
    assert "columns where the head line has" in collection.check()[0]


def write_two_model(folder: Path, text: str, labels: str = "\ufeffOpen\r\nClose\r\n") -> tuple[Path, Path]:
    (folder / "keypoint.csv").write_text(text, encoding="utf-8", newline="")
    (folder / "label.csv").write_text(labels, encoding="utf-8", newline="")
    return folder / "keypoint.csv", folder / "label.csv"


def line(number: int, count: int = 42, value: float = 0.5) -> str:
    rng = np.random.default_rng(number + count)
    return ",".join([str(number), *(f"{v:.4f}" for v in rng.uniform(-1, 1, count - 1)), str(value)])


def test_two_model_tables_come_in_and_go_out(collection: Collection, tmp_path: Path) -> None:
    files = write_two_model(tmp_path, "\ufeff" + "\r\n".join([line(0), line(1), line(0)]) + "\r\n")
    assert collection.import_two_model(SIGNS, *files, ORIGIN) == 3
    table = read_hands(collection.folder / TABLES[SIGNS])
    assert table.label.tolist() == ["Open", "Close", "Open"]
    labels = collection.labels(SIGNS)
    assert collection.export_two_model(SIGNS, tmp_path / "out") == 3
    with (tmp_path / "out" / TWO_MODEL[SIGNS]).open(newline="") as file:
        back = list(csv.reader(file))
    assert [labels[int(one[0])] for one in back] == ["Open", "Close", "Open"]
    original = np.array(line(0).split(",")[1:], float).reshape(21, 2)
    relative = original - original[0]
    np.testing.assert_allclose(np.array(back[0][1:], float), (relative / np.abs(relative).max()).ravel(), atol=1e-3)
    assert (tmp_path / "out" / LABELS[SIGNS]).read_text().split() == labels


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(line(0) + "\n" + line(1, 40), r"keypoint.csv:2: 41 columns where 43 are expected", id="short"),
        pytest.param(line(0, value=float("nan")), "not a number", id="NaN"),
        pytest.param(line(7), "class 7 has no label; the label file has 2", id="class"),
        pytest.param(line(0).replace("0,", "zero,", 1), "number of a class, not .zero.", id="text"),
    ],
)
def test_damaged_two_model_tables_change_nothing(
    collection: Collection, tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(CollectionError, match=complaint):
        collection.import_two_model(SIGNS, *write_two_model(tmp_path, text), ORIGIN)
    assert collection.labels(SIGNS) == []
    assert collection.counts(SIGNS) == {}
