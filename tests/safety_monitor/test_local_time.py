"""Times are those of the place where the station stands."""

from datetime import UTC, datetime, timedelta

import pytest

from safety_monitor.local_time import moment_of, time_of_day, when, zone

pytestmark = pytest.mark.usefixtures("berlin")


def test_a_time_is_local_and_says_how_far_from_utc_it_is_where_that_is_not_as_now() -> None:
    assert when("2026-01-10T23:30:00.000+00:00", zoned=True) == "2026-01-11 00:30:00 UTC+01:00"
    assert when("2026-07-10T23:30:00.000+00:00", zoned=True) == "2026-07-11 01:30:00 UTC+02:00"
    winter, summer = (when(f"2026-{month}-10T12:00:00+00:00") for month in ("01", "07"))
    assert [text.partition(" UTC")[2] for text in (winter, summer)] in (["", "+02:00"], ["+01:00", ""])
    assert zone() in ("UTC+01:00", "UTC+02:00")
    assert zone(datetime(2026, 1, 1, tzinfo=UTC)) == "UTC"


def test_a_time_of_another_day_has_its_date() -> None:
    now = datetime.now(UTC)
    assert time_of_day(now) == f"{now.astimezone():%H:%M:%S}"
    assert time_of_day(now - timedelta(days=2)).startswith(f"{(now - timedelta(days=2)).astimezone():%Y-%m-%d} ")


def test_a_day_that_is_asked_for_begins_at_midnight_there() -> None:
    assert moment_of("2026-01-10") == datetime(2026, 1, 9, 23, tzinfo=UTC)
    assert moment_of("2026-01-10T00:00:00+00:00") == datetime(2026, 1, 10, tzinfo=UTC)
    assert moment_of("") is None
    for nonsense in ("yesterday", "0001-01-01"):
        with pytest.raises(ValueError):
            moment_of(nonsense)
