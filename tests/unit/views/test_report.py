"""The report: every window, every budget, and who spends, as of one moment."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pytest

from otel_token_monitor.budgets.limits import BudgetStatus, Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.policies import declare_policy
from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.views.report import SCHEMA_VERSION, take_report
from tests.unit.ledger.books import CHAT, SEARCH, Book, record

if TYPE_CHECKING:
    from collections.abc import Iterator

NANO: Final = 1_000_000_000
HOUR: Final = 3600 * NANO
# 15:30 in Kolkata.
NOW: Final = round(datetime.fromisoformat("2026-11-23T10:00:00+00:00").timestamp()) * NANO
POLICY: Final = Policy(
    timezone="Asia/Kolkata",
    limits=(
        Limit(Scope(), Unit.TOKENS, Window.DAY, 1000),
        Limit(Scope("shop"), Unit.TOKENS, Window.DAY, 400),
        Limit(Scope("search", "embed*"), Unit.USD, Window.MONTH, 10 * NANO),
    ),
)


@pytest.fixture
def book() -> Iterator[Book]:
    made = Book(Location.in_memory())
    made.clock.now = NOW
    made.write(
        record(1, CHAT, time_ns=NOW - 30 * NANO, usage=TokenUsage(100, 200, 0, 50, 10)),
        record(2, SEARCH, time_ns=NOW - 2 * HOUR, usage=TokenUsage(input=40), cost_nanousd=5),
        record(3, SEARCH, time_ns=NOW - 24 * HOUR, usage=TokenUsage(input=7), cost_nanousd=6),
        record(4, SEARCH, time_ns=NOW - 31 * 24 * HOUR, usage=TokenUsage(input=9)),
        record(5, CHAT, time_ns=NOW, usage=None, unmetered="no_usage"),
    )
    yield made
    made.close()


def test_each_window_has_its_calls(book: Book) -> None:
    report = take_report(book.reader, POLICY, NOW)
    tokens = {window: report.total(window).total_tokens for window in Window}
    assert tokens == {Window.MINUTE: 360, Window.DAY: 400, Window.MONTH: 407}
    assert report.day.isoformat() == "2026-11-23"
    assert report.status is BudgetStatus.CRITICAL


def test_the_document_tells_the_same(book: Book) -> None:
    document = take_report(book.reader, POLICY, NOW).document()
    assert json.loads(json.dumps(document)) == document
    assert document["schema_version"] == SCHEMA_VERSION
    assert document["time"] == "2026-11-23T15:30:00+05:30"
    assert document["timezone"] == "Asia/Kolkata"
    assert document["status"] == "CRITICAL"
    assert document["daily_usage"] == 40.0
    daily = document["daily"]
    assert (daily["date"], daily["start"]) == ("2026-11-23", "2026-11-23T00:00:00+05:30")
    assert (daily["total_tokens"], daily["requests"]) == (400, 3)
    assert (daily["limit"], daily["limit_usage_percent"]) == (1000, 40.0)
    assert document["monthly"]["month"] == "2026-11"
    assert document["monthly"]["total_tokens"] == 407
    assert document["monthly"]["limit"] is None
    assert document["monthly"]["limit_usage_percent"] is None
    assert document["per_minute"]["total_tokens"] == 360
    assert document["projects"]["shop"]["daily"]["total_tokens"] == 360
    assert document["projects"]["search"]["monthly"]["total_tokens"] == 47
    assert document["models"]["embed"]["per_minute"]["total_tokens"] == 0
    assert [row["project"] for row in document["usage"]] == ["search", "shop"]


def test_the_status_document_is_the_beginning_of_the_document(book: Book) -> None:
    report = take_report(book.reader, POLICY, NOW)
    whole = report.document()
    assert report.status_document() == {key: whole[key] for key in report.status_document()}
    assert set(whole) - set(report.status_document()) == {"projects", "models", "usage"}


def test_a_budget_is_written_in_dollars_and_local_time(book: Book) -> None:
    budget = take_report(book.reader, POLICY, NOW).status_document()["budgets"][2]
    assert budget == {
        "budget": "project:search/model:embed*/usd/month",
        "scope": "project_model",
        "project": "search",
        "model": "embed*",
        "window": "month",
        "unit": "usd",
        "status": "NORMAL",
        "used": 0.000000011,
        "limit": 10.0,
        "remaining": 9.999999989,
        "ratio": 1.1e-9,
        "estimated_share": 0.0,
        "projected": budget["projected"],
        "runs_out": None,
        "window_start": "2026-11-01T00:00:00+05:30",
        "resets": "2026-12-01T00:00:00+05:30",
        "warning_threshold": 0.8,
        "alert_threshold": 0.9,
    }


def test_one_project_has_its_own_sums_limits_and_status(book: Book) -> None:
    shop = take_report(book.reader, POLICY, NOW, project="shop")
    search = take_report(book.reader, POLICY, NOW, project="search")
    nobody = take_report(book.reader, POLICY, NOW, project="nobody").document()
    assert shop.document()["daily"]["limit_usage_percent"] == 90.0
    assert (shop.status, search.status) == (BudgetStatus.CRITICAL, BudgetStatus.NORMAL)
    assert search.document()["monthly"]["total_tokens"] == 47
    assert search.document()["daily"]["limit"] is None
    assert list(search.document()["projects"]) == ["search"]
    assert (nobody["daily"]["total_tokens"], nobody["status"]) == (0, "NORMAL")
    assert nobody["budgets"] == []


def test_the_ledgers_own_policy_holds(book: Book) -> None:
    own = Policy(limits=(Limit(Scope(), Unit.TOKENS, Window.DAY, 5),))
    book.writer.run(lambda c: declare_policy(c, own.row(), NOW, starting=True))
    report = take_report(book.reader, POLICY, NOW)
    assert report.policy == own
    assert report.document()["timezone"] == "UTC"


def test_hours_are_those_of_the_day_in_its_zone(book: Book) -> None:
    hours = take_report(book.reader, POLICY, NOW, hours=True).hours
    starts = list(hours)
    assert len(starts) == 24
    assert starts[0] == NOW - 15 * HOUR - HOUR // 2
    assert [totals.requests for totals in hours.values() if totals.requests] == [1, 2]
    assert sum(totals.total_tokens for totals in hours.values()) == 400


def test_an_empty_ledger_has_nothing_to_tell() -> None:
    book = Book(Location.in_memory())
    book.writer.open()
    document = take_report(book.reader, Policy(), NOW).document()
    assert document["status"] == "NORMAL"
    assert document["budgets"] == document["usage"] == []
    assert document["daily"]["total_tokens"] == 0
    book.close()
