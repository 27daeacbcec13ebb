"""What the demo shows fits its terminal, and says what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from otel_token_monitor.alerts.notices import Alert
from otel_token_monitor.budgets.evaluation import Budget
from otel_token_monitor.budgets.limits import BudgetStatus, Scope
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window, span_of
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.demo.limits import LIMITS
from otel_token_monitor.demo.reading import Reading
from otel_token_monitor.demo.screen import Address, Moment, News, live_view, overview
from otel_token_monitor.demo.traffic import PROJECTS
from otel_token_monitor.usage import Labels, Totals
from otel_token_monitor.views.report import Report

if TYPE_CHECKING:
    from rich.console import RenderableType

# 2026-11-24 16:00 UTC.
NOW_NS = 1_795_536_000_000_000_000
ADDRESS = Address("127.0.0.1", 65535)
POLICY = Policy.of(TokenMonitorConfig(environ={}, **LIMITS))
MODELS = ("gpt-5-mini", "gpt-4.1-mini", "text-embedding-3-small")
LARGE = Totals(input=98_765_432, output=12_345_678, requests_ok=54_321, requests_error=1_234)


def budget(number: int, used: int) -> Budget:
    limit = POLICY.limits[number]
    span = span_of(limit.window, NOW_NS, POLICY.zone)
    pace = None if limit.window is Window.MINUTE else 1234.5
    return Budget(limit=limit, now_ns=NOW_NS, span=span, used=used, estimated=0, per_second=pace)


def checkout(used: int) -> Budget:
    number = [limit.scope for limit in POLICY.limits].index(Scope("checkout"))
    return budget(number, used)


def alert(seconds: float, used: int, old: BudgetStatus) -> News:
    reached = checkout(used)
    told = Alert(
        name=reached.limit.budget,
        budget=reached,
        old_status=old,
        new_status=reached.status,
        time_ns=NOW_NS,
    )
    return News(seconds, told)


WARNING = alert(13.2, 151_999, BudgetStatus.NORMAL)
CRITICAL = alert(75.9, 180_000, BudgetStatus.WARNING)


def moment(*news: News, totals: Totals = LARGE) -> Moment:
    """A moment with all budgets, all projects, and three models of each."""
    report = Report(
        now_ns=NOW_NS,
        ledger_id="1234",
        policy=POLICY,
        contested=False,
        project=None,
        spans={},
        totals={},
        budgets=tuple(
            budget(number, limit.amount * 2) for number, limit in enumerate(POLICY.limits)
        ),
    )
    by_labels = {
        Labels(project, "openai", model, "chat/completions"): totals
        for project in PROJECTS
        for model in MODELS
    }
    health = {"otel_token_monitor_ledger_up": 1.0}
    return Moment(76.0, Reading(by_labels, health), report, news)


def lines_of(view: RenderableType, width: int) -> list[str]:
    console = Console(width=width, height=99, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(view)
    return [line.rstrip() for line in capture.get().splitlines()]


def live(width: int, height: int, *news: News) -> list[str]:
    return lines_of(live_view(moment(*news), ADDRESS, width=width, height=height), width)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (80, 30), (200, 60)])
@pytest.mark.parametrize("alerts", [0, 1, 20])
def test_the_live_view_fits_the_terminal(width: int, height: int, alerts: int) -> None:
    lines = live(width, height, *[WARNING] * alerts)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_nothing_jumps_when_an_alert_comes() -> None:
    assert len(live(80, 24)) == len(live(80, 24, WARNING)) == len(live(80, 24, *[WARNING] * 4))


def test_the_addresses_are_whole_in_80_columns() -> None:
    assert (
        live(80, 24)[1] == "Open http://127.0.0.1:65535/ (a page), /token-status (JSON), /metrics"
    )


def test_an_alert_says_who_used_how_much() -> None:
    lines = live(80, 24, WARNING, CRITICAL)
    assert lines[10:12] == [
        "0:13  WARNING   checkout: 151k of 200k tokens/day (75%), was NORMAL",
        "1:15  CRITICAL  checkout: 180k of 200k tokens/day (90%), was WARNING",
    ]


def test_of_many_alerts_the_last_are_shown() -> None:
    lines = live(80, 24, WARNING, *[CRITICAL] * 3)
    assert [line[:14] for line in lines[10:14]] == ["1:15  CRITICAL"] * 3 + [""]


def test_before_the_first_alert_it_says_what_to_wait_for() -> None:
    line = "No alert yet: the first comes when checkout has used 75 %."
    assert (line in live(80, 24), line in live(80, 24, WARNING)) == (True, False)


def test_the_limit_to_wait_for_is_the_one_that_is_named() -> None:
    assert checkout(150_000).status is BudgetStatus.WARNING
    assert checkout(149_999).status is BudgetStatus.NORMAL


@pytest.mark.parametrize(("height", "shown"), [(24, False), (40, True)])
def test_models_are_shown_where_there_is_room(height: int, shown: bool) -> None:
    assert any(line.startswith("  gpt-4.1-mini") for line in live(120, height)) is shown


def test_the_rows_add_up_to_the_total() -> None:
    rows = [line.split() for line in live(80, 24)]
    tokens = {row[0]: row[1] for row in rows if row and row[0] in {*PROJECTS, "total"}}
    assert tokens["total"] == "999,999,990"


def test_the_result_and_what_follows_it_fit_24_lines() -> None:
    # Two lines compare, two say what to do next, and in one the prompt stands.
    assert len(lines_of(overview(moment(*[WARNING] * 9), width=80), 80)) <= 24 - 5


def test_a_result_without_a_call_has_its_tables() -> None:
    empty = moment()._replace(reading=Reading({}, {}))
    lines = lines_of(overview(empty, width=80), 80)
    assert [line.split()[:2] for line in lines if line.startswith(("no calls", "total"))] == [
        ["no", "calls"],
        ["total", "0"],
    ]
