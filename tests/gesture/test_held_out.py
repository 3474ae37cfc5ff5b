import numpy as np

from gesture.held_out import folds_by_person


def test_everything_that_few_show_is_spread_over_the_parts() -> None:
    people = np.array([*"aaaabbbbccccdd", *(f"p{i}" for i in range(20))])
    kinds = np.array([*"xxxxxxxxzzzzzz", *("y" * 20)])
    fold = folds_by_person(people, kinds, 2, 20)
    for person in np.unique(people):
        assert len(set(fold[people == person])) == 1
    for kind in "xyz":
        assert len(set(fold[kinds == kind])) == 2
    assert np.bincount(fold[kinds == "y"]).tolist() == [10, 10]
