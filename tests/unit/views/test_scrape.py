"""A scrape: counters and budgets of one moment, and no budget where there is no limit."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client import CollectorRegistry

from otel_token_monitor.alerts.testing import ask_for_test_alert
from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.policies import PolicyRow, declare_policy
from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.views import metrics
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.report import take_report
from otel_token_monitor.views.scrape import take_scrape
from tests.unit.ledger.books import CHAT, Book, record

if TYPE_CHECKING:
    from collections.abc import Iterator

NANO: Final = 1_000_000_000
NOW: Final = round(datetime.fromisoformat("2026-11-23T10:00:00+00:00").timestamp()) * NANO
LIMITS: Final = (
    Limit(Scope("shop", "gpt-5*"), Unit.TOKENS, Window.DAY, 1000, 0.7, 0.95),
    Limit(Scope(), Unit.USD, Window.MONTH, 2_500_000_000),
    Limit(Scope(), Unit.REQUESTS, Window.MINUTE, 5),
)


@pytest.fixture
def book() -> Iterator[Book]:
    made = Book(Location.in_memory())
    made.clock.now = NOW
    made.write(
        record(1, CHAT, time_ns=NOW, usage=TokenUsage(700, 49), cost_nanousd=1_250_000_000),
        record(2, CHAT, time_ns=NOW - 61 * NANO, usage=TokenUsage(1), estimated=True),
    )
    yield made
    made.close()


def shown(book: Book, policy: Policy) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(TokenCollector(lambda: take_scrape(book.reader, policy, NOW), HealthReading))
    return registry


def values(registry: CollectorRegistry, name: str) -> dict[str, float]:
    return {
        sample.labels["budget"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_each_budget_has_its_gauges_in_its_own_unit(book: Book) -> None:
    registry = shown(book, Policy(limits=LIMITS, timezone="Asia/Seoul"))
    shop, cost, minute = (limit.budget for limit in LIMITS)
    assert values(registry, "llm_budget_limit") == {shop: 1000, cost: 2.5, minute: 5}
    assert values(registry, "llm_budget_used") == {shop: 750, cost: 1.25, minute: 1}
    assert values(registry, "llm_budget_status") == {shop: 1, cost: 0, minute: 0}
    seconds = NOW / NANO
    assert values(registry, "llm_budget_reset_timestamp_seconds") == {
        shop: datetime.fromisoformat("2026-11-24T00:00:00+09:00").timestamp(),
        cost: datetime.fromisoformat("2026-12-01T00:00:00+09:00").timestamp(),
        minute: seconds + 60,
    }
    assert values(registry, "llm_budget_window_start_timestamp_seconds") == {
        shop: datetime.fromisoformat("2026-11-23T00:00:00+09:00").timestamp(),
        cost: datetime.fromisoformat("2026-11-01T00:00:00+09:00").timestamp(),
        minute: pytest.approx(seconds - 60, abs=1e-6),
    }


def test_where_the_pace_of_late_leads_is_shown_but_for_minutes(book: Book) -> None:
    registry = shown(book, Policy(limits=LIMITS, timezone="Asia/Seoul"))
    report = take_report(book.reader, Policy(limits=LIMITS, timezone="Asia/Seoul"), NOW)
    shop, cost, _ = (budget.projected for budget in report.budgets)
    assert shop is not None
    assert cost is not None
    assert values(registry, "llm_budget_projected") == {
        LIMITS[0].budget: shop,
        LIMITS[1].budget: cost / NANO,
    }


def test_a_budget_is_labelled_with_all_that_it_is(book: Book) -> None:
    registry = shown(book, Policy(limits=LIMITS))
    labels = {
        "ledger": book.reader.ledger_id(),
        "budget": "project:shop/model:gpt-5*/tokens/day",
        "scope": "project_model",
        "project": "shop",
        "model": "gpt-5*",
        "window": "day",
        "unit": "tokens",
    }
    assert tuple(labels) == metrics.BUDGET_LABELS
    assert registry.get_sample_value("llm_budget_limit", labels) == 1000


def test_thresholds_are_shown_per_budget_and_severity(book: Book) -> None:
    registry = shown(book, Policy(limits=LIMITS[:1]))
    key = {"ledger": book.reader.ledger_id(), "budget": LIMITS[0].budget}
    name = "llm_budget_threshold_ratio"
    assert registry.get_sample_value(name, {**key, "severity": "warning"}) == 0.7
    assert registry.get_sample_value(name, {**key, "severity": "critical"}) == 0.95


def test_without_a_limit_there_is_no_budget_series(book: Book) -> None:
    names = {family.name for family in shown(book, Policy()).collect()}
    assert not [name for name in names if name.startswith("llm_budget")]
    assert "otel_token_monitor_limits_contested" in names


def test_the_ledgers_own_limits_are_shown_and_those_taken_away_are_gone(book: Book) -> None:
    both = Policy(limits=LIMITS)
    registry = shown(book, both)
    one = Policy(limits=LIMITS[1:2])
    book.writer.run(lambda c: declare_policy(c, one.row(), NOW, starting=True))
    assert list(values(registry, "llm_budget_limit")) == ["ledger/usd/month"]


def test_a_test_alert_is_shown_for_five_minutes_after_it_was_asked_for(book: Book) -> None:
    shows = shown(book, Policy()).get_sample_value
    name = "otel_token_monitor_test_alert"
    assert shows(name) == 0
    for asked_ns, expected in (
        (NOW - 300 * NANO, 0),
        (NOW - 299 * NANO, 1),
        (NOW, 1),
        (NOW + NANO, 0),  # a clock that was set back
    ):
        book.writer.run(partial(ask_for_test_alert, now_ns=asked_ns))
        assert shows(name) == expected, asked_ns


def test_disagreement_is_shown(book: Book) -> None:
    registry = shown(book, Policy())
    name = "otel_token_monitor_limits_contested"
    assert registry.get_sample_value(name) == 0
    rows = [Policy(limits=limits).row() for limits in (LIMITS[:1], LIMITS[1:])]
    book.writer.run(lambda c: [declare_policy(c, row, NOW, starting=True) for row in rows])
    assert registry.get_sample_value(name) == 1


@pytest.mark.parametrize("document", ["{}", '{"limits": [], "timezone": "Mars/Olympus"}'])
def test_limits_that_cannot_be_read_cost_no_counter(book: Book, document: str) -> None:
    row = PolicyRow(digest="new", document=document, owner="a", silent=False)
    book.writer.run(lambda c: declare_policy(c, row, NOW, starting=True))
    registry = shown(book, Policy(limits=LIMITS))
    assert values(registry, "llm_budget_limit") == {}
    labels = {**CHAT._asdict(), "type": "input"}
    assert registry.get_sample_value("llm_tokens_total", labels) == 700


@pytest.mark.parametrize("timezone", ["UTC", "Mars/Olympus"])
def test_deliveries_that_wait_are_counted(book: Book, timezone: str) -> None:
    book.writer.run(
        lambda connection: alert_book.add_notification(connection, "{}", ["a", "b"], NOW)
    )
    registry = shown(book, Policy(limits=LIMITS, timezone=timezone))
    assert registry.get_sample_value("otel_token_monitor_pending_deliveries") == 2
