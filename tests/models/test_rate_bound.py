"""The exact upper bound of a rate."""

import math

import pytest

from models.rate_bound import rate_bound


@pytest.mark.parametrize(
    ("count", "hours", "bound"),
    [(0, 1.0, 2.996), (0, 30.0, 0.0999), (1, 1.0, 4.744), (10, 2.0, 8.481), (0, 0.0, math.inf)],
)
def test_the_exact_upper_bound_of_a_rate(count: int, hours: float, bound: float) -> None:
    # Half the 95th percentile of a chi-squared distribution with 2 (count + 1) degrees of freedom.
    assert rate_bound(count, hours) == pytest.approx(bound, rel=1e-3)
