"""Days as people name them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.cli.dates import day_named

TODAY = date(2028, 3, 1)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2028-02-29", date(2028, 2, 29)),
        ("20280229", date(2028, 2, 29)),
        ("today", TODAY),
        (" Today ", TODAY),
        ("yesterday", date(2028, 2, 29)),
        ("1d", TODAY),
        ("7d", date(2028, 2, 24)),
        ("366d", date(2027, 3, 2)),
        ("1970-01-01", date(1970, 1, 1)),
        ("9998-12-31", date(9998, 12, 31)),
    ],
)
def test_a_day(name: str, day: date) -> None:
    assert day_named(name, TODAY) == day


@pytest.mark.parametrize(
    "name",
    [
        "",
        "0d",
        "-1d",
        "7",
        "7 d",
        "99999d",
        "tomorrow",
        "2027-02-29",
        "2028-W09-3",
        "2028-2-29",
        "1969-12-31",
        "9999-01-01",
        "2\N{DEVANAGARI DIGIT ZERO}28-02-29",
    ],
)
def test_no_day(name: str) -> None:
    with pytest.raises(ValueError, match="is no day: use a date such as 2026-11-01"):
        day_named(name, TODAY)


@given(st.dates(min_value=date(1970, 1, 1), max_value=date(9998, 12, 31)))
def test_every_date_reads_as_it_is_written(day: date) -> None:
    assert day_named(day.isoformat(), TODAY) == day_named(f"{day:%Y%m%d}".zfill(8), TODAY) == day


@given(st.integers(min_value=1, max_value=9999))
def test_so_many_days_end_today(days: int) -> None:
    assert (TODAY - day_named(f"{days}d", TODAY)).days == days - 1
