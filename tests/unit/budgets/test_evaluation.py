"""Evaluation: what is used of each limit is the sum of the records in its window."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_token_monitor.budgets.evaluation import Budget, evaluate, worst
from otel_token_monitor.budgets.limits import BudgetStatus, Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Span, Window, span_of
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.usage import Labels, TokenUsage
from tests.unit.ledger.books import CHAT, SEARCH, Book, record

if TYPE_CHECKING:
    from collections.abc import Iterator

NANO: Final = 1_000_000_000
MINUTE: Final = 60 * NANO
HOUR: Final = 3600 * NANO
ZONES: Final = ["UTC", "Asia/Seoul", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]
# Midnight, month end, leap day, the days on which clocks change in New York and on Lord Howe.
MOMENTS: Final = [
    "2026-11-23T12:00:00+00:00",
    "2026-12-31T23:59:59+00:00",
    "2028-02-29T12:30:00+00:00",
    "2026-03-08T06:59:59+00:00",
    "2026-11-01T05:30:00+00:00",
    "2026-04-04T14:45:00+00:00",
    "2026-10-03T15:15:00+00:00",
]


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * NANO


def limit(
    scope: Scope | None = None,
    unit: Unit = Unit.TOKENS,
    window: Window = Window.DAY,
    amount: int = 1000,
) -> Limit:
    return Limit(scope or Scope(), unit, window, amount)


@pytest.fixture
def book() -> Iterator[Book]:
    made = Book(Location.in_memory())
    yield made
    made.close()


def used(book: Book, now: int, *limits: Limit, zone: str = "UTC") -> list[int]:
    found = evaluate(book.reader, Policy(limits=limits, timezone=zone), now)
    return [budget.used for budget in found]


def test_each_scope_counts_its_own_calls(book: Book) -> None:
    now = ns("2026-11-23T12:00:00+00:00")
    book.write(
        record(1, CHAT, time_ns=now),
        record(2, SEARCH, time_ns=now),
        record(3, CHAT._replace(model="gpt-4"), time_ns=now),
    )
    scopes = [Scope(), Scope("shop"), Scope(None, "gpt-5*"), Scope("shop", "*"), Scope("none")]
    assert used(book, now, *map(limit, scopes)) == [60, 40, 20, 40, 0]


@pytest.mark.parametrize("window", [Window.DAY, Window.MONTH])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_calendar_windows_take_what_is_within_and_nothing_else(
    book: Book, window: Window, zone: str, moment: str
) -> None:
    now = ns(moment)
    span = span_of(window, now, ZoneInfo(zone))
    edges = (span.start_ns - 1, span.start_ns, span.end_ns - 1, span.end_ns)
    book.write(
        *(
            record(number, time_ns=edge, usage=TokenUsage(input=10**number))
            for number, edge in enumerate(edges)
        )
    )
    assert used(book, now, limit(window=window), zone=zone) == [110]


def test_a_minute_takes_the_last_sixty_seconds(book: Book) -> None:
    now = ns("2026-11-23T00:00:10+00:00")
    book.write(
        record(1, time_ns=now - MINUTE, usage=TokenUsage(input=1)),
        record(2, time_ns=now - MINUTE + 1, usage=TokenUsage(input=10)),
        record(3, time_ns=now, usage=TokenUsage(input=100)),
        record(4, time_ns=now + 1, usage=TokenUsage(input=1000)),
    )
    assert used(book, now, limit(window=Window.MINUTE)) == [110]
    assert used(book, now, limit(window=Window.MINUTE, unit=Unit.REQUESTS)) == [2]


def test_a_window_rolls_over_with_no_call(book: Book) -> None:
    midnight = ns("2026-11-24T00:00:00+09:00")
    book.write(record(1, time_ns=midnight - 1))
    day = limit(amount=20)
    (before,) = evaluate(book.reader, Policy(limits=(day,), timezone="Asia/Seoul"), midnight - 1)
    (after,) = evaluate(book.reader, Policy(limits=(day,), timezone="Asia/Seoul"), midnight)
    assert (before.used, before.status, before.reset_ns) == (20, BudgetStatus.CRITICAL, midnight)
    assert (after.used, after.status) == (0, BudgetStatus.NORMAL)
    assert after.reset_ns == midnight + 24 * HOUR


def test_another_time_zone_shows_another_day(book: Book) -> None:
    now = ns("2026-11-23T16:00:00+00:00")
    book.write(record(1, time_ns=ns("2026-11-23T14:00:00+00:00")))
    assert used(book, now, limit(), zone="UTC") == [20]
    assert used(book, now, limit(), zone="Asia/Seoul") == [0]


def test_estimates_count_and_are_told_apart(book: Book) -> None:
    now = ns("2026-11-23T12:00:00+00:00")
    book.write(
        record(1, time_ns=now, usage=TokenUsage(input=30)),
        record(2, time_ns=now, usage=TokenUsage(input=6, output=4), estimated=True),
    )
    for window in Window:
        (found,) = evaluate(book.reader, Policy(limits=(limit(window=window),)), now)
        assert (found.used, found.estimated, found.estimated_share) == (40, 10, 0.25)


def test_what_remains_is_never_below_nothing() -> None:
    over = reading(used=1500)
    assert (over.remaining, over.ratio, over.runs_out_ns) == (0, 1.5, over.now_ns)
    assert reading(used=0).estimated_share == 0.0


def reading(per_second: float | None = None, used: int = 0) -> Budget:
    return Budget(
        limit=limit(),
        now_ns=6 * HOUR,
        span=Span(0, 24 * HOUR),
        used=used,
        estimated=0,
        per_second=per_second,
    )


def test_the_pace_of_late_foretells_the_end() -> None:
    slow, fast = reading(0.01, used=100), reading(0.1, used=100)
    assert slow.projected == 100 + 648
    assert slow.runs_out_ns is None
    assert fast.projected == 100 + 6480
    assert fast.runs_out_ns == 6 * HOUR + 9000 * NANO
    assert reading(used=100).projected is None
    assert reading(0.0, used=100).projected == 100


def made_at(book: Book, time_ns: int) -> None:
    book.writer.run(
        lambda connection: connection.execute(
            "UPDATE ledger SET value = ? WHERE key = 'created_ns'", (str(time_ns),)
        )
    )


def test_the_pace_is_that_of_the_last_hour(book: Book) -> None:
    now = ns("2026-11-23T12:00:00+00:00")
    made_at(book, now - 24 * HOUR)
    book.write(
        record(1, time_ns=now - 5 * HOUR, usage=TokenUsage(input=700)),
        record(2, time_ns=now - HOUR, usage=TokenUsage(input=36)),
    )
    (found,) = evaluate(book.reader, Policy(limits=(limit(),)), now, pace=True)
    assert found.per_second == 0.01
    assert found.projected == 736 + 432


def test_a_new_ledger_was_not_idle_before_it_existed(book: Book) -> None:
    now = ns("2026-11-23T12:00:00+00:00")
    made_at(book, now - 600 * NANO)
    book.write(record(1, time_ns=now - 1, usage=TokenUsage(input=60)))
    (found,) = evaluate(book.reader, Policy(limits=(limit(),)), now, pace=True)
    assert found.per_second == 0.1


def test_calls_from_before_the_ledger_was_made_count_for_the_pace(book: Book) -> None:
    now = ns("2026-11-23T12:00:00+00:00")
    made_at(book, now - 1)
    book.write(
        record(1, time_ns=now - 5 * HOUR), record(2, time_ns=now, usage=TokenUsage(input=36))
    )
    (found,) = evaluate(book.reader, Policy(limits=(limit(),)), now, pace=True)
    assert found.per_second == 0.01


def test_the_worst_status_stands_for_all() -> None:
    assert worst([]) is BudgetStatus.NORMAL
    assert worst([reading(used=800), reading(used=0)]) is BudgetStatus.WARNING


@settings(deadline=None, max_examples=40)
@given(
    now=st.integers(1_700_000_000 * NANO, 1_900_000_000 * NANO),
    zone=st.sampled_from(ZONES),
    calls=st.lists(
        st.tuples(
            st.integers(-40 * 24 * 3600, 40 * 24 * 3600) | st.integers(-90, 90),
            st.sampled_from([CHAT, SEARCH, Labels("shop", "openai", "gpt-4", "responses")]),
            st.integers(0, 1000),
            st.booleans(),
        ),
        max_size=30,
    ),
)
def test_a_windows_sum_is_the_sum_of_the_records_in_it(
    now: int, zone: str, calls: list[tuple[int, Labels, int, bool]]
) -> None:
    book = Book(Location.in_memory())
    records = [
        record(n, labels, time_ns=now + away * NANO, usage=TokenUsage(input=tokens), estimated=e)
        for n, (away, labels, tokens, e) in enumerate(calls)
    ]
    book.write(*records)
    limits = [
        limit(scope, window=window, unit=unit)
        for scope in (Scope(), Scope("shop"), Scope(None, "gpt-*"), Scope("shop", "gpt-5*"))
        for window in Window
        for unit in (Unit.TOKENS, Unit.REQUESTS)
    ]
    for found in evaluate(book.reader, Policy(limits=tuple(limits), timezone=zone), now):
        span = span_of(found.limit.window, now, ZoneInfo(zone))
        within = [
            r
            for r in records
            if span.start_ns <= r.time_ns < span.end_ns and found.limit.scope.covers(r.labels)
        ]
        tokens = sum(sum(r.usage or ()) for r in within)
        expected = tokens if found.limit.unit is Unit.TOKENS else len(within)
        assert (found.limit.budget, found.used) == (found.limit.budget, expected)
    book.close()
