import pytest

from audio.judging import alarms_in


@pytest.mark.parametrize(
    ("course", "alarms"),
    [
        ([], []),
        ([0.1, 0.79, 0.1], []),
        ([0.1, 0.9, 0.95, 0.9], [1.0]),
        ([0.9, 0.7, 0.9, 0.5, 0.9], [0.0]),
        ([0.9, 0.1, 0.9], [0.0, 2.0]),
    ],
)
def test_one_event_is_one_alarm(course: list[float], alarms: list[float]) -> None:
    assert list(alarms_in(enumerate(course))) == alarms
