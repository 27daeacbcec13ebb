"""The rules of grafana/dashboard-linter, by their names, and whether each metric is there.

Four of its rules are not: `template-job-rule`, `template-instance-rule`, `target-job-rule` and
`target-instance-rule` want variables for job and instance. Usage belongs to a ledger, whichever
target shows it: to choose a target would hide what is spent, or change nothing.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import promql_parser
import pytest

from otel_token_monitor.views.metrics import METRICS
from tests.deploy.grafana import (
    annotation_queries,
    dashboard,
    panel_queries,
    panels,
    variable_queries,
)
from tests.deploy.promql import names_in, nodes
from tests.deploy.rules import recorded, rules

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of Grafana's units those that say what ours are: grafana-data, valueFormats/categories.ts.
UNITS = {"none", "short", "percentunit", "s", "currencyUSD"}
OUR_LABELS = {"fleet", "project", "model", "endpoint", "status", "window"}
PROMETHEUS_LABELS = {"__name__", "job", "alertname", "alertstate"}
TITLED = [pytest.param(panel, id=panel["title"]) for panel in panels()]
ASKED = [*panel_queries(), *variable_queries(), *annotation_queries()]


def test_template_datasource_rule() -> None:
    found = [one for one in dashboard()["templating"]["list"] if one["type"] == "datasource"]
    assert [(one["name"], one["label"], one["query"]) for one in found] == [
        ("datasource", "Data source", "prometheus")
    ]


def test_template_uneditable_rule() -> None:
    assert dashboard()["editable"] is False


def test_template_on_time_change_reload_rule_and_all_of_them_to_begin_with() -> None:
    found = [one for one in dashboard()["templating"]["list"] if one["type"] == "query"]
    assert [
        (one["name"], one["allValue"], one["refresh"], one["multi"], one["current"]["value"])
        for one in found
    ] == [
        ("fleet", ".*", 2, True, ["$__all"]),
        ("project", ".+", 2, True, ["$__all"]),
        ("model", ".+", 2, True, ["$__all"]),
        ("endpoint", ".+", 2, True, ["$__all"]),
    ]


@pytest.mark.parametrize("panel", TITLED)
def test_panel_datasource_rule_and_panel_no_targets_rule(panel: dict[str, Any]) -> None:
    asked = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert asked == [DATASOURCE] * (1 + len(panel["targets"]))
    assert panel["targets"]


def test_variables_and_annotations_ask_the_chosen_datasource() -> None:
    found = dashboard()
    asked = [*found["annotations"]["list"], *found["templating"]["list"][1:]]
    assert [one["datasource"] for one in asked] == [DATASOURCE] * len(asked)


@pytest.mark.parametrize("panel", TITLED)
def test_panel_title_description_rule_and_metrics_at_the_end(panel: dict[str, Any]) -> None:
    text, _, ending = panel["description"].rpartition(" Metrics: ")
    names = {name for target in panel["targets"] for name in names_in(parsed(target["expr"]))}
    assert set(re.findall(r"`([^`]+)`", ending)) == {one.removesuffix("_bucket") for one in names}
    assert ending.endswith("`.")
    assert text.endswith(".")


@pytest.mark.parametrize("panel", TITLED)
def test_panel_units_rule(panel: dict[str, Any]) -> None:
    config = panel["fieldConfig"]
    overridden = [
        one["value"]
        for override in config["overrides"]
        for one in override["properties"]
        if one["id"] == "unit"
    ]
    assert {config["defaults"]["unit"], *overridden} <= UNITS


# Stands for $__rate_interval; no query has such a duration itself.
RATE_INTERVAL = timedelta(minutes=17)


def parsed(expr: str) -> Any:
    """A query, whatever is chosen; raises ValueError for what is no PromQL."""
    text = expr.replace("$__rate_interval", "17m")
    text = text.replace("$__range", "1d").replace("$__interval", "1m")
    return promql_parser.parse(text)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.by)
def test_target_promql_rule_and_template_label_promql_rule(asked: Any) -> None:
    assert names_in(parsed(asked.expr))


def functions(within: tuple[Any, ...]) -> list[str]:
    return [node.func.name for node in within if isinstance(node, promql_parser.Call)]


@pytest.mark.parametrize("asked", panel_queries(), ids=lambda asked: asked.by)
def test_target_rate_interval_rule(asked: Any) -> None:
    ranges = [
        node.range
        for node, within in nodes(parsed(asked.expr))
        if isinstance(node, promql_parser.MatrixSelector) and functions(within)[-1:] == ["rate"]
    ]
    assert set(ranges) <= {RATE_INTERVAL}


@pytest.mark.parametrize("asked", panel_queries(), ids=lambda asked: asked.by)
def test_target_counter_agg_rule_and_target_histogram_rule(asked: Any) -> None:
    for node, within in nodes(parsed(asked.expr)):
        name = getattr(node, "name", None) or ""
        if name.endswith(("_total", "_bucket")):
            # A ledger's counter may be looked at before its increase is taken: it never falls.
            assert {"rate", "increase"} & set(functions(within))
        if name.endswith("_bucket"):
            assert "histogram_quantile" in functions(within)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.by)
def test_nobody_elses_labels_are_filtered_by(asked: Any) -> None:
    found = {
        matcher.name
        for node, _ in nodes(parsed(asked.expr))
        if isinstance(node, promql_parser.VectorSelector)
        for matcher in node.matchers.matchers
    }
    assert found <= OUR_LABELS | PROMETHEUS_LABELS


# Metrics


def exposed() -> set[str]:
    """All series that the package shows."""
    names = {spec.name for spec in METRICS if spec.kind != "histogram"}
    histograms = [spec.name for spec in METRICS if spec.kind == "histogram"]
    return names | {
        name + suffix for name in histograms for suffix in ("_bucket", "_count", "_sum")
    }


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.by)
def test_each_metric_of_the_dashboard_is_there(asked: Any) -> None:
    known = exposed() | recorded(rules()) | {"up", "ALERTS"}
    assert names_in(parsed(asked.expr)) - known == set()


@pytest.mark.parametrize(
    "rule", rules(), ids=lambda rule: rule.labels.get("alertname", rule.series)
)
def test_each_metric_of_a_rule_is_there(rule: Any) -> None:
    assert rule.names - exposed() - recorded(rules()) - {"up"} == set()


def test_the_runbooks_are_those_of_the_rules() -> None:
    table = next(panel for panel in panels() if panel["title"] == "Alerts that fire")
    (link,) = (
        one["value"][0]["url"]
        for override in table["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "links"
    )
    alerts = [rule for rule in rules() if rule.is_alert]
    assert {rule.runbook for rule in alerts} == {
        link.replace("${__value.raw}", rule.name) for rule in alerts
    }
