"""What the charts of all pages have in common."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from safety_monitor.journal.entry import Transition

COLORS = ("#e5484d", "#3e8ed0", "#f5a623", "#8e4ec6", "#30a46c")
GREY = "#8a94a3"
"""Of all words; read as well on a light ground as on a dark one."""


def seconds_of(steps: Sequence[Transition]) -> tuple[float, ...]:
    """When each step of an incident's life came, seconds on the clock of its source, in their order.

    What a person decides about a recording that is played fast comes later, by that clock, than what follows it.
    """
    return tuple(accumulate((step.at_s for step in steps), max))


def over_seconds(
    series: Sequence[Mapping[str, Any]],
    x_axis: Mapping[str, Any] | None = None,
    *,
    left: int = 44,
    right: int = 24,
    top: int = 32,
) -> dict[str, Any]:
    """An ECharts chart of values between 0 and 1 over seconds.

    Args:
        series: as ECharts has them.
        x_axis: what else is said of the axis of time.
        left, right, top: room around it, pixels.
    """
    quiet, line = {"color": GREY}, {"lineStyle": {"color": f"{GREY}44"}}
    seconds = {"type": "value", "axisLabel": {**quiet, "formatter": "{value} s"}, "splitLine": line}
    return {
        "aria": {"enabled": True},
        "grid": {"left": left, "right": right, "top": top, "bottom": 28},
        "legend": {"top": 0, "textStyle": quiet},
        "xAxis": {**seconds, **(x_axis or {})},
        "yAxis": {"type": "value", "min": 0, "max": 1, "axisLabel": quiet, "splitLine": line},
        "series": list(series),
    }
