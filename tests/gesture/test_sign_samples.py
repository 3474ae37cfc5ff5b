import numpy as np

from gesture.sign_samples import compose_thumbs
from gesture.tables import BASE_DATA, read_hands, square_rows


def test_thumbs_are_put_together_of_what_people_have_shown() -> None:
    table = read_hands(BASE_DATA / "signs.csv.gz")
    table = table.select((table.source == "massey") & np.isin(table.label, ["fist", "open_palm"]))
    thumbs = compose_thumbs(square_rows(table), table, np.random.default_rng(1))
    along = thumbs[:, 4] - thumbs[:, 2]
    assert (along[:, 1] < 0).all()  # up: y is down
    assert (np.abs(along[:, 0]) < 0.01 * -along[:, 1]).all()
    curled = np.linalg.norm(thumbs[:, 8] - thumbs[:, 5], axis=1) < np.linalg.norm(thumbs[:, 4] - thumbs[:, 1], axis=1)
    assert curled.mean() > 0.9
    none = compose_thumbs(square_rows(table)[:0], table.select(np.arange(0)), np.random.default_rng(1))
    assert none.shape == (0, 21, 3)
