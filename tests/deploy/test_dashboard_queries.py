"""Each query of the dashboard, asked of a real Prometheus that has seen a day and two hours."""

from __future__ import annotations

import math
import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.grafana import annotation_queries, panel_queries, panels, variable_queries
from tests.deploy.history import END, STEP, History, answered, prometheus
from tests.deploy.traffic import SEARCH, SHOP, SHOP_LIMITS, batch_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.demo.stack.servers import RunningServer
    from otel_token_monitor.usage import UsageRecord
    from tests.deploy.grafana import Asked

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        None in {shutil.which("prometheus"), shutil.which("promtool")}
        and os.environ.get("CI") != "true",
        reason="prometheus is not installed",
    ),
]

DAY = 86400
EMBEDDING = "text-embedding-3-small"
PANELS = {asked.by: asked for asked in panel_queries()}
HISTORY = History.of_two_fleets()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that has seen two fleets, and all the trouble there is."""
    with prometheus(HISTORY, tmp_path_factory.mktemp("fleets")) as found:
        yield found


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that has seen a machine on which nothing is limited, and that is of no fleet."""
    folder = tmp_path_factory.mktemp("unlimited")
    with prometheus(History.without_limits(), folder) as found:
        yield found


@pytest.fixture(scope="module")
def unruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that nobody has given the rules."""
    with prometheus(History.without_rules(), tmp_path_factory.mktemp("unruled")) as found:
        yield found


def series(server: RunningServer, asked: Asked, **chosen: str) -> list[dict[str, Any]]:
    """What Grafana gets for the last day, but for what is no number."""
    query = asked.sent(chosen)
    if asked.is_range:
        data = answered(server, "query_range", query=query, start=END - DAY, end=END, step=STEP)
    else:
        data = answered(server, "query", query=query, time=END)
    found = []
    for one in data["result"]:
        values = one["values"] if asked.is_range else [one["value"]]
        numbers = [float(value) for _, value in values if not math.isnan(float(value))]
        if numbers:
            found.append({**one, "numbers": numbers})
    return found


def by_label(server: RunningServer, panel: str, label: str, **chosen: str) -> dict[str, float]:
    """The last value of each series of a panel, by one of its labels."""
    found = series(server, PANELS[panel], **chosen)
    return {one["metric"].get(label, ""): one["numbers"][-1] for one in found}


def calls_of_the_day() -> Iterator[UsageRecord]:
    """What has ended within the last day."""
    for kinds in (SHOP, SEARCH):
        for minute in range(HISTORY.hours * 60 + 1):
            for call in batch_of(kinds, HISTORY.begin, minute).records:
                if END - DAY < call.time_ns // 10**9 <= END:
                    yield call


@pytest.mark.parametrize("panel", PANELS)
def test_no_panel_is_empty(server: RunningServer, panel: str) -> None:
    assert series(server, PANELS[panel])


@pytest.mark.parametrize("panel", PANELS)
def test_no_panel_is_empty_with_a_project_chosen(server: RunningServer, panel: str) -> None:
    assert series(server, PANELS[panel], fleet="shop", project="support")


@pytest.mark.parametrize(
    ("variable", "chosen", "values"),
    [
        ("fleet", {}, {"shop", "find"}),
        ("project", {}, {"checkout", "support", "search"}),
        ("project", {"fleet": "find"}, {"search"}),
        (
            "model",
            {"project": "(checkout|search)"},
            {"gpt-5-mini", "gpt-5", "text-embedding-3-small"},
        ),
        ("endpoint", {"project": "support", "model": "claude-sonnet-4-5"}, {"chat"}),
    ],
)
def test_variables_offer_what_there_is_below_what_was_chosen(
    server: RunningServer, variable: str, chosen: dict[str, str], values: set[str]
) -> None:
    (asked,) = (one for one in variable_queries() if one.by == variable)
    parameters = {"match[]": asked.sent(chosen), "start": END - DAY, "end": END}
    assert set(answered(server, f"label/{variable}/values", **parameters)) == values


def test_alerts_are_annotations(server: RunningServer) -> None:
    (asked,) = (one for one in annotation_queries() if one.by == "Alerts")
    names = {one["metric"]["alertname"] for one in series(server, asked)}
    assert {"LLMBudgetUsed", "LLMBudgetRunningOut", "LLMExporterDown", "LLMUsageUnpriced"} <= names


def test_resets_are_annotations_at_the_millisecond_at_which_windows_began(
    server: RunningServer,
) -> None:
    (asked,) = (one for one in annotation_queries() if one.by == "Resets")
    found = {one["metric"]["window"]: set(one["numbers"]) for one in series(server, asked)}
    days = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3))
    first, second, third = (day.timestamp() * 1000 for day in days)
    assert found == {"month": {first}, "day": {second, third}}


def test_totals_count_a_ledger_once_whichever_targets_showed_it(server: RunningServer) -> None:
    calls = list(calls_of_the_day())
    tokens = sum(call.usage.total_tokens for call in calls if call.usage)
    dollars = sum(call.cost_nanousd or 0 for call in calls) / 1e9
    (found,) = series(server, PANELS["Tokens in this range A"])
    assert found["numbers"] == [pytest.approx(tokens, rel=0.002)]
    (found,) = series(server, PANELS["Cost in this range A"])
    assert found["numbers"] == [pytest.approx(dollars, rel=0.002)]


def test_a_ledger_that_moved_to_another_target_keeps_its_total(server: RunningServer) -> None:
    search = [call for call in calls_of_the_day() if call.labels.project == "search"]
    found = by_label(server, "Top spenders C", "project", fleet="find")
    assert found == {"search": pytest.approx(len(search), rel=0.002)}


def test_the_status_is_the_worst_of_what_the_project_counts_into(server: RunningServer) -> None:
    worst = {
        project: by_label(server, "Status A", "", project=project)[""]
        for project in (".+", "support", "checkout", "search")
    }
    assert worst == {".+": 2, "support": 2, "checkout": 1, "search": 0}


def test_a_projects_budgets_are_its_own_and_those_over_all_projects(server: RunningServer) -> None:
    shown = by_label(server, "Budgets by project A", "budget", project="checkout", fleet="shop")
    assert set(shown) == {
        "project:checkout/tokens/day",
        "ledger/tokens/day",
        "ledger/usd/month",
        "model:gpt-5*/usd/day",
    }


def test_the_fullest_budget_comes_first_and_leads_to_its_project(server: RunningServer) -> None:
    found = series(server, PANELS["Budgets by project A"])
    led = [(one["metric"]["budget"], one["metric"]["chosen"]) for one in found]
    assert led[:3] == [
        ("project:support/tokens/day", "support"),
        ("project:checkout/tokens/day", "checkout"),
        ("project:support/requests/minute", "support"),
    ]
    assert dict(led)["ledger/tokens/day"] == "All"
    used = by_label(server, "Budget used A", "budget")
    assert used == {"project:support/tokens/day": found[0]["numbers"][0]}


def test_what_runs_out_first_has_as_long_as_its_pace_allows(server: RunningServer) -> None:
    (seconds,) = by_label(server, "Runs out in A", "budget").items()
    (projected,) = by_label(server, "Projected at reset A", "budget").items()
    (used,) = by_label(server, "Budget used A", "budget").items()
    name, left = "project:support/tokens/day", 14 * 3600  # from ten o'clock to midnight
    assert (seconds[0], projected[0], used[0]) == (name, name, name)
    assert seconds[1] == pytest.approx((1 - used[1]) / (projected[1] - used[1]) * left)
    assert 0 < seconds[1] < left


def test_what_lasts_until_its_reset_is_told(server: RunningServer) -> None:
    assert by_label(server, "Runs out in A", "budget", fleet="find") == {"all budgets": -1}


def test_what_is_exhausted_has_no_time_left(server: RunningServer) -> None:
    evening = datetime(2026, 3, 2, 22, tzinfo=UTC).timestamp()
    query = PANELS["Runs out in A"].sent({})
    (found,) = answered(server, "query", query=query, time=evening)["result"]
    assert (found["metric"]["window"], float(found["value"][1])) == ("day", 0)


def test_the_lines_of_the_burn_down_are_what_most_budgets_have(server: RunningServer) -> None:
    found = by_label(server, "Burn-down: what is left of each budget B", "severity")
    assert found == {"warning": pytest.approx(0.2), "critical": pytest.approx(0.1)}


def test_trouble_is_counted(server: RunningServer) -> None:
    wrong = [by_label(server, f"Went wrong in this range {letter}", "") for letter in "ABCD"]
    # Of two ledgers.
    assert [round(one[""]) for one in wrong] == [6, 2, 4, 2]
    assert by_label(server, "Exporters down A", "") == {"": 1}
    assert by_label(server, "Ledgers unreadable A", "") == {"": 0}
    assert by_label(server, "Budgets without rules A", "") == {"": 0}
    unmetered = by_label(server, "Calls of unknown usage, by reason A", "reason")
    assert unmetered == {"stream_without_usage": pytest.approx(DAY / 240, rel=0.01)}
    unpriced = by_label(server, "Calls without a price, by model A", "model")
    assert unpriced == {"qwen3-32b": pytest.approx(DAY / 120, rel=0.01)}


def test_without_limits_only_budgets_have_nothing_to_show_and_say_so(
    unlimited: RunningServer,
) -> None:
    empty = {
        panel["title"]: panel["fieldConfig"]["defaults"]["noValue"]
        for panel in panels()
        if not any(
            series(unlimited, PANELS[f"{panel['title']} {target['refId']}"])
            for target in panel["targets"]
        )
    }
    assert empty == dict.fromkeys(
        (
            "Status",
            "Budget used",
            "Projected at reset",
            "Runs out in",
            "Budgets by project",
            "Burn-down: what is left of each budget",
            "Status over time",
            "Budgets without rules",
        ),
        "No limit set",
    )


def test_without_the_rules_the_status_is_known_and_what_is_missing_is_told(
    unruled: RunningServer,
) -> None:
    assert by_label(unruled, "Status A", "") == {"": 0}
    assert by_label(unruled, "Budgets without rules A", "") == {"": len(SHOP_LIMITS)}
