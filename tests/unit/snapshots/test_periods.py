"""Days and months, and which quarter-hours are in them."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from otel_token_monitor.snapshots.periods import (
    Period,
    days_of,
    first_kept,
    months_of,
)
from otel_token_monitor.usage import QUARTER_NS
from tests.unit.snapshots.ledgers import at

SEOUL = ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize(
    ("day", "last"),
    [
        (date(2026, 11, 24), date(2026, 11, 30)),
        (date(2024, 2, 1), date(2024, 2, 29)),
        (date(2026, 12, 31), date(2026, 12, 31)),
    ],
)
def test_the_last_day_of_a_month(day: date, last: date) -> None:
    assert Period.month(day).last == last
    assert Period.day(day).last == day


def test_quarters_on_both_sides_of_midnight_in_seoul() -> None:
    quarters = [
        at(text) // QUARTER_NS
        for text in (
            "2026-11-30T14:45:00+00:00",
            "2026-11-30T15:00:00+00:00",
            "2026-12-01T14:45:00+00:00",
        )
    ]
    days = days_of(quarters, SEOUL)
    assert [day.name for day in days] == ["2026-11-30", "2026-12-01"]
    assert [month.name for month in months_of(days)] == ["2026-11", "2026-12"]


def test_no_quarters_are_of_no_days() -> None:
    assert days_of([], SEOUL) == []


def test_as_many_days_are_kept_as_asked_for() -> None:
    assert first_kept(date(2026, 11, 24), 90) == date(2026, 8, 26)
    assert first_kept(date(1950, 1, 1), 10**6) == date.min
