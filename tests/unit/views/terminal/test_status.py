"""The view of a report: whole, and as much of it as a terminal has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window, span_of
from otel_token_monitor.usage import Labels, Totals
from otel_token_monitor.views.report import Report
from otel_token_monitor.views.terminal.status import live_view, status_view
from tests.unit.views.terminal.drawing import NOW, budget, drawn

if TYPE_CHECKING:
    from otel_token_monitor.budgets.evaluation import Budget

CHAT = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")


def report(*budgets: Budget, projects: int = 1, contested: bool = False) -> Report:
    policy = Policy(timezone="Asia/Kolkata")
    totals = {
        CHAT._replace(project=f"project-{number}"): Totals(input=600, requests_ok=1)
        for number in range(projects)
    }
    return Report(
        now_ns=NOW,
        ledger_id="a",
        policy=policy,
        contested=contested,
        project=None,
        spans={window: span_of(window, NOW, policy.zone) for window in Window},
        totals=dict.fromkeys(Window, totals),
        budgets=budgets,
    )


def test_the_first_line_has_the_worst_status_and_the_time_of_the_team() -> None:
    text = drawn(status_view(report(budget(80, 100), budget(90, 100)), 80), 80)
    assert text.splitlines()[0] == "CRITICAL  2027-01-15 13:30 Asia/Kolkata"


def test_estimates_among_what_is_used_are_noted() -> None:
    text = drawn(status_view(report(budget(50, 100, estimated=5), budget(10, 100)), 80), 80)
    assert "\nEstimated among USED: checkout per day 10%.\n" in text


def test_a_disagreement_is_told() -> None:
    text = drawn(status_view(report(budget(50, 100), contested=True), 160), 160)
    assert text.splitlines()[5] == (
        "Running applications disagree about the limits of this ledger: those of the one that "
        "started last hold."
    )


def test_no_limit_fits_a_line() -> None:
    assert drawn(status_view(report(), 80), 80).splitlines()[2] == (
        "No limit is set: set TOKEN_DAILY_LIMIT, or run `otel-token-monitor config init`."
    )


def test_the_live_view_has_the_pace_of_the_last_minute() -> None:
    text = drawn(live_view(report(budget(1, 2), projects=3), 80), 80)
    assert text.splitlines()[0] == (
        "NORMAL  2027-01-15 13:30:00 Asia/Kolkata  30.0 tokens/s  3 requests/min"
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("height", [24, 40])
@pytest.mark.parametrize("budgets", [0, 1, 3, 50])
@pytest.mark.parametrize("projects", [0, 1, 50])
def test_the_live_view_fits(width: int, height: int, budgets: int, projects: int) -> None:
    shown = report(*[budget(1, 10)] * budgets, projects=projects)
    lines = drawn(live_view(shown, width, height), width).splitlines()
    assert (len(lines) <= height, max(map(cell_len, lines)) <= width) == (True, True)
    assert lines[-1].rstrip() == "q ends"


def test_the_live_view_says_how_many_budgets_are_not_shown() -> None:
    lines = drawn(live_view(report(*[budget(1, 10)] * 50, projects=50), 80, 24), 80).splitlines()
    assert (lines[2][:6], lines[8]) == ("BUDGET", "and 45 budgets more")


def test_budgets_get_the_room_that_nobody_needs() -> None:
    text = drawn(live_view(report(*[budget(1, 10)] * 9), 80, 24), 80)
    assert text.count("checkout") == 9
