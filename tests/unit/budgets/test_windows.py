"""Windows follow one another without gap or overlap, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.budgets.windows import (
    MINUTE_NS,
    Span,
    Window,
    day_of,
    day_span,
    month_span,
    span_of,
)

NANO: Final = 1_000_000_000
HOUR: Final = 3600 * NANO
ZONES: Final = sorted(available_timezones() - {"Africa/Monrovia", "Pacific/Kiritimati"})
# From 1980 on all offsets are multiples of a quarter-hour.
MOMENTS: Final = st.integers(315_532_800 * NANO, 4_000_000_000 * NANO)


def ns(text: str) -> int:
    """An instant, written with its offset."""
    return round(datetime.fromisoformat(text).timestamp()) * NANO


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", date(2026, 11, 23), "2026-11-23T00:00+00:00", 24),
        ("Asia/Seoul", date(2026, 11, 23), "2026-11-22T15:00+00:00", 24),
        ("Asia/Kolkata", date(2026, 11, 23), "2026-11-22T18:30+00:00", 24),
        ("America/New_York", date(2026, 3, 8), "2026-03-08T05:00+00:00", 23),
        ("America/New_York", date(2026, 11, 1), "2026-11-01T04:00+00:00", 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00+00:00", 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), "2026-10-03T13:30+00:00", 23.5),
        # Clocks skip midnight.
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00+00:00", 23),
        # Midnight comes twice.
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00+00:00", 25),
        # A date that there never was has no time at all.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00+00:00", 0),
    ],
)
def test_a_day_begins_at_the_first_instant_of_its_date(
    zone: str, day: date, start: str, hours: float
) -> None:
    span = day_span(day, ZoneInfo(zone))
    assert span == Span(ns(start), ns(start) + round(hours * HOUR))


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("UTC", date(2028, 2, 29), "2028-02-01T00:00+00:00", "2028-03-01T00:00+00:00"),
        ("UTC", date(2027, 2, 28), "2027-02-01T00:00+00:00", "2027-03-01T00:00+00:00"),
        ("Asia/Seoul", date(2026, 12, 31), "2026-12-01T00:00+09:00", "2027-01-01T00:00+09:00"),
        (
            "America/New_York",
            date(2026, 3, 15),
            "2026-03-01T00:00-05:00",
            "2026-04-01T00:00-04:00",
        ),
        (
            "Australia/Lord_Howe",
            date(2026, 10, 31),
            "2026-10-01T00:00+10:30",
            "2026-11-01T00:00+11:00",
        ),
    ],
)
def test_a_month_is_a_calendar_month(zone: str, day: date, start: str, end: str) -> None:
    assert month_span(day, ZoneInfo(zone)) == Span(ns(start), ns(end))


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Seoul", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]
)
def test_a_day_ends_with_the_last_nanosecond_before_midnight(zone: str) -> None:
    where = ZoneInfo(zone)
    for day in (date(2026, 2, 28), date(2028, 2, 29), date(2026, 11, 1), date(2026, 12, 31)):
        midnight = day_span(day, where).end_ns
        assert day_of(midnight - 1, where) == day
        assert day_of(midnight, where) == day + timedelta(days=1)


def test_a_minute_is_the_sixty_seconds_that_end_now() -> None:
    now = ns("2026-11-23T12:00:30+00:00")
    span = span_of(Window.MINUTE, now, ZoneInfo("UTC"))
    assert span.end_ns - span.start_ns == MINUTE_NS
    assert span.start_ns == now - MINUTE_NS + 1
    assert span.start_ns <= now < span.end_ns


@given(moment=MOMENTS, zone=st.sampled_from(ZONES), window=st.sampled_from(Window))
def test_an_instant_is_in_its_window_at_any_time_and_zone(
    moment: int, zone: str, window: Window
) -> None:
    span = span_of(window, moment, ZoneInfo(zone))
    assert span.start_ns <= moment < span.end_ns


@given(moment=MOMENTS, zone=st.sampled_from(ZONES), window=st.sampled_from(["day", "month"]))
def test_calendar_windows_touch_and_lie_on_quarter_hours(
    moment: int, zone: str, window: str
) -> None:
    where = ZoneInfo(zone)
    span = span_of(Window(window), moment, where)
    following = span_of(Window(window), span.end_ns, where)
    assert following.start_ns == span.end_ns
    assert span.start_ns % (900 * NANO) == span.end_ns % (900 * NANO) == 0


@given(moment=MOMENTS, zone=st.sampled_from(ZONES))
def test_a_day_is_in_the_month_of_its_date(moment: int, zone: str) -> None:
    where = ZoneInfo(zone)
    day, month = span_of(Window.DAY, moment, where), span_of(Window.MONTH, moment, where)
    assert month.start_ns <= day.start_ns < day.end_ns <= month.end_ns


def test_where_clocks_go_back_over_midnight_the_hour_counts_once() -> None:
    # At 00:01 on 2010-11-07 it was 23:01 again.
    where = ZoneInfo("America/St_Johns")
    again = ns("2010-11-07T03:00:00+00:00")
    assert datetime.fromtimestamp(again // NANO, where).date() == date(2010, 11, 6)
    assert day_of(again, where) == date(2010, 11, 7)
    assert datetime.fromtimestamp(day_span(date(2010, 11, 7), where).start_ns // NANO, UTC) == (
        datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    )
