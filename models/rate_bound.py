"""How often something may still happen that was seen so often in so many hours: false alarms, false troubles."""

import math

CONFIDENCE = 0.95
"""Of the bound."""


def rate_bound(count: int, hours: float) -> float:
    """Highest rate an hour at which so few events in so many hours are not yet unlikely; infinite for no hours.

    The exact upper bound of a Poisson rate (Garwood, "Fiducial Limits for the Poisson Distribution", 1936): the mean of
    which `count` or fewer events have a probability of 1 - `CONFIDENCE`.
    """
    from scipy.stats import chi2

    return float(chi2.ppf(CONFIDENCE, 2 * count + 2)) / 2 / hours if hours > 0 else math.inf
