"""The rules of deploy/prometheus, as promtool and amtool see them, and what each has to have."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest

from otel_token_monitor.views.metrics import METRICS
from tests.deploy.promql import names_in
from tests.deploy.promtool import (
    DEPLOY,
    PROMETHEUS,
    RULES,
    TESTS,
    alerts,
    cases,
    document,
    needs,
    rules,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs("promtool", "amtool")

RUNBOOKS = DEPLOY.parent / "docs" / "runbooks"
RUNBOOK_BASE = (
    "https://github.com/otel-token-monitor/otel-token-monitor/blob/main/docs/runbooks/{}.md"
)
NAMES = sorted({rule["alert"] for rule in alerts()})
RECORDS = {rule["record"] for rule in rules() if "record" in rule}
RECORDED_NAME = re.compile(r"(ledger|budget|project|instance):[a-z_]+:[a-z0-9]+")


def test_rules_are_valid_and_promtool_finds_nothing_to_better() -> None:
    code, said = run(
        "promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES, cwd=PROMETHEUS
    )
    assert code == 0, said
    assert said.count("SUCCESS") == len(RULES) == 3


def test_the_configuration_is_valid_wherever_its_directory_lies(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "copied")
    code, said = run("promtool", "check", "config", "copied/prometheus.yml", cwd=tmp_path)
    assert code == 0, said
    assert "3 rule files found" in said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_promtool_finds_each_case_as_expected(path: Path) -> None:
    code, said = run("promtool", "test", "rules", path.name, cwd=path.parent)
    assert code == 0, said
    assert "SUCCESS" in said


def _slack_beside_it(text: str) -> str:
    """Alertmanager's file with the lines that it keeps for Slack, without their #."""
    plain, begun = [], False
    for line in text.splitlines():
        begun = begun or line == "  # routes:"
        begun = begun and line.startswith("  #")
        plain.append(line.replace("  # ", "  ", 1) if begun else line)
    return "\n".join(plain)


@pytest.mark.parametrize("slack", [False, True], ids=["as it comes", "with Slack"])
def test_amtool_takes_alertmanagers_file(tmp_path: Path, slack: bool) -> None:
    text = (PROMETHEUS / "alertmanager.yml").read_text()
    path = tmp_path / "alertmanager.yml"
    path.write_text(_slack_beside_it(text) if slack else text)
    code, said = run("amtool", "check-config", path, cwd=tmp_path)
    assert code == 0, said
    routes = document(path)["route"].get("routes", [])
    assert [route["receiver"] for route in routes] == (
        ["otel-token-monitor", "slack"] if slack else []
    )


def test_there_are_the_alerts_that_the_documents_name() -> None:
    assert len(NAMES) == 18
    assert all(re.fullmatch(r"LLM([A-Z][a-z]*)+", name) for name in NAMES)


def test_both_severities_of_a_budget_have_one_name() -> None:
    found = [
        (rule["labels"]["severity"], rule["labels"].get("window"))
        for rule in alerts()
        if rule["alert"] == "LLMBudgetUsed"
    ]
    assert found == [
        ("warning", None),
        ("critical", None),
        ("warning", "minute"),
        ("critical", "minute"),
    ]


def test_all_that_is_about_budgets_is_evaluated_one_after_the_other() -> None:
    (path,) = (path for path in RULES if path.stem == "budgets")
    assert len(document(path)["groups"]) == 1


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_how_bad_and_what_to_do(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(annotations) - {"ledgers"} == {"summary", "description", "runbook_url"}
    assert annotations["summary"].endswith(".")
    # "Resolved" repeats the last one: a figure in it would be that of the crossing.
    assert "{{" not in annotations["summary"]
    assert annotations["description"].endswith(".")


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alerts_page_has_its_name(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook_url"] == RUNBOOK_BASE.format(rule["alert"])
    page = RUNBOOKS / f"{rule['alert']}.md"
    assert page.read_text().startswith(f"# {rule['alert']}\n")


def test_each_page_is_that_of_an_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("LLM*.md")) == NAMES


def test_recorded_series_are_named_by_level_metric_and_operation() -> None:
    assert len(RECORDS) == 23
    assert [name for name in sorted(RECORDS) if not RECORDED_NAME.fullmatch(name)] == []


def test_each_case_has_a_name_of_its_own() -> None:
    assert len(cases()) == sum(len(document(path)["tests"]) for path in TESTS)


def _expectations(alert: str) -> set[bool]:
    """Whether some case expects it to fire, and another one (or another moment) not to."""
    return {
        bool(expected.get("exp_alerts"))
        for _, case in cases().values()
        for expected in case.get("alert_rule_test", ())
        if expected["alertname"] == alert
    }


@pytest.mark.parametrize("alert", NAMES)
def test_an_alert_is_shown_to_fire_and_not_to_fire(alert: str) -> None:
    assert _expectations(alert) == {True, False}


@pytest.mark.parametrize("alert", NAMES)
def test_an_alert_is_expected_with_all_that_it_says(alert: str) -> None:
    of_rules = [set(rule["annotations"]) for rule in alerts() if rule["alert"] == alert]
    expected = [
        one
        for _, case in cases().values()
        for test in case.get("alert_rule_test", ())
        if test["alertname"] == alert
        for one in test.get("exp_alerts") or ()
    ]
    assert [one for one in expected if set(one["exp_annotations"]) not in of_rules] == []
    assert {one["exp_labels"]["severity"] for one in expected} == {
        rule["labels"]["severity"] for rule in alerts() if rule["alert"] == alert
    }


def test_a_test_file_loads_rules_that_are_there() -> None:
    loaded = {
        (path.parent / name).resolve() for path in TESTS for name in document(path)["rule_files"]
    }
    assert loaded == set(RULES)


def _exposed() -> set[str]:
    """The names of all series that the package shows."""
    names = {spec.name for spec in METRICS if spec.kind != "histogram"}
    return names | {
        f"{spec.name}{suffix}"
        for spec in METRICS
        if spec.kind == "histogram"
        for suffix in ("_bucket", "_count", "_sum")
    }


@pytest.mark.parametrize(
    "rule", list(rules()), ids=lambda rule: rule.get("alert") or rule["record"]
)
def test_a_rule_asks_for_what_is_shown_or_recorded(rule: dict[str, Any]) -> None:
    asked = names_in(promql_parser.parse(rule["expr"]))
    assert asked != set()
    assert asked - _exposed() - RECORDS - {"up"} == set()


def test_cases_show_series_that_the_package_shows() -> None:
    shown = {
        re.split(r"[{\s]", series["series"])[0]
        for _, case in cases().values()
        for series in case["input_series"]
    }
    assert shown - _exposed() == {"up"}
