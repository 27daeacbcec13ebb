"""What was spent between two days, from a real ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_token_monitor.budgets.windows import day_of
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.views.breakdown import By, Question, TooFineError, take_breakdown
from otel_token_monitor.views.terminal.breakdown import breakdown_view
from tests.unit.ledger.books import CHAT, Book, record
from tests.unit.views.terminal.drawing import drawn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_token_monitor.usage import UsageRecord
    from otel_token_monitor.views.breakdown import Breakdown

NANO = 10**9
QUARTER = 900 * NANO
ZONES = ("UTC", "Asia/Seoul", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")


def call(at: str, tokens: int, nonce: int = 1) -> UsageRecord:
    """A call at a moment, written with its offset."""
    moment = datetime.fromisoformat(at)
    return record(
        nonce, CHAT, time_ns=int(moment.timestamp()) * NANO, usage=TokenUsage(input=tokens)
    )


def asked(records: Iterable[UsageRecord], question: Question) -> Breakdown:
    book = Book(Location.in_memory())
    try:
        book.write(*records)
        return take_breakdown(book.reader, question)
    finally:
        book.close()


def question(zone: str, since: str, until: str, *by: By) -> Question:
    first, last = date.fromisoformat(since), date.fromisoformat(until)
    return Question(by=by, since=first, until=last, zone=ZoneInfo(zone))


def tokens(breakdown: Breakdown) -> dict[tuple[str, ...], int]:
    return {part.key: part.totals.total_tokens for part in breakdown.parts}


def test_an_hour_that_clocks_show_twice_is_two() -> None:
    calls = [
        call("2026-11-01T00:59:00-04:00", 1, 1),
        call("2026-11-01T01:00:00-04:00", 2, 2),
        call("2026-11-01T01:00:00-05:00", 4, 3),
        call("2026-11-01T02:00:00-05:00", 8, 4),
    ]
    answer = asked(calls, question("America/New_York", "2026-11-01", "2026-11-01", By.HOUR))
    assert tokens(answer) == {
        ("2026-11-01T00:00-04:00",): 1,
        ("2026-11-01T01:00-04:00",): 2,
        ("2026-11-01T01:00-05:00",): 4,
        ("2026-11-01T02:00-05:00",): 8,
    }
    shown = drawn(breakdown_view(answer, 100), 100).splitlines()
    assert [line[:22].rstrip() for line in shown[4:8]] == [
        "2026-11-01 00:00",
        "2026-11-01 01:00-04:00",
        "2026-11-01 01:00-05:00",
        "2026-11-01 02:00",
    ]


def test_where_clocks_move_by_half_an_hour_hours_begin_as_the_wall_shows_them() -> None:
    calls = [
        call("2026-10-04T01:59:00+10:30", 1, 1),
        call("2026-10-04T02:30:00+11:00", 2, 2),
        call("2026-10-04T03:00:00+11:00", 4, 3),
    ]
    answer = asked(calls, question("Australia/Lord_Howe", "2026-10-04", "2026-10-04", By.HOUR))
    assert tokens(answer) == {
        ("2026-10-04T01:00+10:30",): 1,
        ("2026-10-04T02:30+11:00",): 2,
        ("2026-10-04T03:00+11:00",): 4,
    }


def test_a_month_is_cut_where_the_question_begins_and_ends() -> None:
    calls = [
        call("2028-02-27T23:59:59+09:00", 1, 1),
        call("2028-02-28T00:00:00+09:00", 2, 2),
        call("2028-02-29T23:59:59+09:00", 4, 3),
        call("2028-03-01T00:00:00+09:00", 8, 4),
        call("2028-03-02T00:00:00+09:00", 16, 5),
    ]
    answer = asked(calls, question("Asia/Seoul", "2028-02-28", "2028-03-01", By.MONTH))
    assert tokens(answer) == {("2028-02",): 6, ("2028-03",): 8}


def test_what_comes_first_decides_the_order() -> None:
    other = CHAT._replace(project="other")
    calls = [
        record(1, CHAT, time_ns=QUARTER, usage=TokenUsage(input=1)),
        record(2, other, time_ns=QUARTER, usage=TokenUsage(input=2)),
        record(3, other, time_ns=97 * QUARTER, usage=TokenUsage(input=1)),
    ]
    days = ("1970-01-01", "1970-01-02")
    by_project = asked(calls, question("UTC", *days, By.PROJECT, By.DAY))
    by_day = asked(calls, question("UTC", *days, By.DAY, By.PROJECT))
    assert list(tokens(by_project)) == [("other", days[0]), ("other", days[1]), ("shop", days[0])]
    assert list(tokens(by_day)) == [(days[0], "other"), (days[0], "shop"), (days[1], "other")]


def test_too_many_rows_are_refused_before_the_ledger_is_asked() -> None:
    with pytest.raises(TooFineError) as caught:
        asked([], question("UTC", "1970-01-01", "9998-12-31", By.DAY))
    assert str(caught.value) == (
        "1970-01-01 to 9998-12-31 by day has more than 10,000 rows: ask for less time, or by month"
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 200 * 96), max_size=20),
    st.sampled_from(ZONES),
    st.dates(date(2026, 2, 1), date(2026, 12, 1)),
    st.integers(0, 40),
    st.sampled_from([(), (By.DAY,), (By.MONTH,), (By.HOUR,), (By.MONTH, By.MODEL, By.DAY)]),
)
def test_the_sum_is_that_of_the_calls_of_its_days(
    quarters: list[int], zone: str, since: date, days: int, by: tuple[By, ...]
) -> None:
    begin = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp()) * NANO
    until = since + timedelta(days=days)
    calls = [
        record(nonce, CHAT, time_ns=begin + quarter * QUARTER, usage=TokenUsage(input=2**nonce))
        for nonce, quarter in enumerate(quarters)
    ]
    answer = asked(calls, Question(by=by, since=since, until=until, zone=ZoneInfo(zone)))
    meant = [one for one in calls if since <= day_of(one.time_ns, ZoneInfo(zone)) <= until]
    assert answer.total.total_tokens == sum(one.usage.input for one in meant if one.usage)
