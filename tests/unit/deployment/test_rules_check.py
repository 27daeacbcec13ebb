"""What is bundled, compared with what a Prometheus has loaded and scrapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from otel_token_monitor.deployment.bundle import bundled
from otel_token_monitor.deployment.prometheus_api import LoadedRule, Target
from otel_token_monitor.deployment.rule_files import BundledRule, bundled_rules
from otel_token_monitor.deployment.rules_check import (
    JOB,
    CheckedRule,
    CheckedTarget,
    Difference,
    RulesCheck,
    RuleState,
    TargetState,
    checked_rules,
    checked_targets,
)
from otel_token_monitor.deployment.rules_checking import same_expression

WARNING = BundledRule(
    file="jobs.yml",
    group="jobs",
    kind="alerting",
    name="Busy",
    expression="load >= 8",
    labels={"severity": "warning"},
    annotations={"summary": "Busy.", "runbook_url": "https://here/Busy.md"},
    hold=300,
    keep_firing=0,
)
CRITICAL = replace(WARNING, expression="load >= 16", labels={"severity": "critical"})
RECORD = replace(
    WARNING,
    kind="recording",
    name="job:load:sum",
    expression="sum(load)",
    labels={},
    annotations={},
)
HERE = {"job": "otel-token-monitor", "instance": "localhost:9464"}


def loaded(rule: BundledRule, **changes: Any) -> LoadedRule:
    """The rule as Prometheus has loaded it, with something else changed."""
    fields: dict[str, Any] = {
        "group": rule.group,
        "file": f"/etc/prometheus/{rule.file}",
        "kind": rule.kind,
        "name": rule.name,
        "expression": rule.expression,
        "labels": rule.labels,
        "annotations": rule.annotations,
        "hold": rule.hold,
        "keep_firing": rule.keep_firing,
        "state": "inactive",
        "health": "ok",
        "last_error": "",
    }
    return LoadedRule(**(fields | changes))


def target(health: str = "up", error: str = "", **labels: str) -> Target:
    labels = HERE | labels
    return Target(
        labels=labels,
        url=f"http://{labels['instance']}/metrics",
        health=health,
        last_error=error,
        last_scrape_ns=None,
        interval=15,
    )


def compared(rules: list[BundledRule], there: list[LoadedRule]) -> list[CheckedRule]:
    return list(checked_rules(rules, there, str.__eq__))


def state_of(there: list[LoadedRule], rule: BundledRule = WARNING) -> CheckedRule:
    return compared([rule], there)[0]


def test_a_rule_as_bundled_is_loaded() -> None:
    assert state_of([loaded(WARNING)]) == CheckedRule(rule=WARNING, state=RuleState.LOADED)


def test_a_rule_that_was_not_evaluated_yet_is_loaded() -> None:
    assert state_of([loaded(WARNING, health="unknown")]).state is RuleState.LOADED


@pytest.mark.parametrize(
    "there",
    [
        [],
        [loaded(WARNING, name="Busier")],
        [loaded(WARNING, kind="recording")],
    ],
)
def test_a_rule_that_is_not_there_is_missing(there: list[LoadedRule]) -> None:
    assert state_of(there) == CheckedRule(rule=WARNING, state=RuleState.MISSING)


@pytest.mark.parametrize(
    "changes",
    [
        {"group": "others", "file": "/etc/prometheus/rules-0/monitoring-jobs-1f.yaml"},
        {"annotations": {"summary": "Busy.", "runbook_url": "https://wiki/Busy.md"}},
        {"annotations": {"summary": "Busy."}},
    ],
)
def test_where_a_rule_comes_from_and_its_runbook_are_no_difference(changes: dict[str, Any]) -> None:
    assert state_of([loaded(WARNING, **changes)]).state is RuleState.LOADED


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"expression": "load >= 9"}, Difference("expr", "load >= 8", "load >= 9")),
        ({"hold": 60.0}, Difference("for", "300s", "60s")),
        ({"keep_firing": 90.0}, Difference("keep_firing_for", "0s", "90s")),
        (
            {"labels": {"severity": "info"}},
            Difference("label severity", "warning", "info"),
        ),
        (
            {"labels": {"severity": "warning", "team": "ml"}},
            Difference("label team", "", "ml"),
        ),
        ({"annotations": {}}, Difference("annotation summary", "Busy.", "")),
    ],
)
def test_a_changed_rule_is_told_with_what_differs(
    changes: dict[str, Any], difference: Difference
) -> None:
    assert state_of([loaded(WARNING, **changes)]) == CheckedRule(
        rule=WARNING, state=RuleState.CHANGED, differences=(difference,)
    )


def test_every_difference_is_told() -> None:
    there = loaded(WARNING, expression="load >= 9", hold=0.0, labels={"severity": "info"})
    assert [one.field for one in state_of([there]).differences] == ["expr", "for", "label severity"]


def test_a_rule_that_fails_is_told_with_its_error_and_its_differences() -> None:
    there = loaded(WARNING, health="err", last_error="many-to-many matching", hold=60.0)
    assert state_of([there]) == CheckedRule(
        rule=WARNING,
        state=RuleState.FAILING,
        differences=(Difference("for", "300s", "60s"),),
        error="many-to-many matching",
    )


def test_rules_of_one_name_are_told_apart_in_any_order() -> None:
    there = [loaded(CRITICAL), loaded(WARNING)]
    assert [one.state for one in compared([WARNING, CRITICAL], there)] == ["loaded", "loaded"]


def test_of_several_of_one_name_that_which_is_missing_is_named() -> None:
    assert [one.state for one in compared([WARNING, CRITICAL], [loaded(CRITICAL)])] == [
        "missing",
        "loaded",
    ]


def test_of_several_of_one_name_that_which_was_changed_is_named() -> None:
    there = [loaded(WARNING), loaded(CRITICAL, hold=60.0)]
    assert [one.differences for one in compared([WARNING, CRITICAL], there)] == [
        (),
        (Difference("for", "300s", "60s"),),
    ]


def test_a_rule_that_is_loaded_once_does_not_count_twice() -> None:
    assert [one.state for one in compared([WARNING, WARNING], [loaded(WARNING)])] == [
        "loaded",
        "missing",
    ]


def test_rules_are_told_in_the_order_of_the_files() -> None:
    rules = [WARNING, RECORD, CRITICAL]
    assert [one.rule for one in compared(rules, [])] == rules


def test_the_bundled_rules_are_loaded_where_they_were_loaded() -> None:
    rules = list(bundled_rules())
    there = [loaded(rule) for rule in reversed(rules)]
    assert {one.state for one in compared(rules, there)} == {RuleState.LOADED}


@pytest.mark.parametrize(
    ("one", "shows", "state"),
    [
        (target(), True, TargetState.UP),
        (target(), False, TargetState.SILENT),
        (target("down", "connection refused"), False, TargetState.DOWN),
        # Its series are not stale at once.
        (target("down", "connection refused"), True, TargetState.DOWN),
        (target("unknown"), False, TargetState.UNKNOWN),
    ],
)
def test_the_state_of_a_target(one: Target, shows: bool, state: TargetState) -> None:
    assert checked_targets([one], [HERE] if shows else [], []) == (
        CheckedTarget(
            job="otel-token-monitor",
            instance="localhost:9464",
            url="http://localhost:9464/metrics",
            state=state,
            error=one.last_error,
        ),
    )


def test_a_target_of_another_job_counts_if_it_has_shown_a_ledger() -> None:
    shop = {"job": "shop", "instance": "shop-1:9464"}
    targets = [target("down", **shop), target(job="node", instance="shop-1:9100")]
    found = checked_targets(targets, [], [shop | {"ledger": "a"}])
    assert [(one.job, one.state) for one in found] == [("shop", "down")]


def test_the_job_is_that_of_the_bundled_configuration() -> None:
    text = bundled("prometheus/prometheus.yml").read_text(encoding="utf-8")
    assert [job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]] == [JOB]


def check(**changes: Any) -> RulesCheck:
    up = checked_targets([target()], [HERE], [HERE])
    rules = tuple(compared([WARNING], [loaded(WARNING)]))
    return replace(RulesCheck(address="http://localhost:9090", rules=rules, targets=up), **changes)


def test_all_is_well_if_every_rule_works_and_every_target_is_up() -> None:
    assert check().is_well
    assert check(rules=tuple(compared([WARNING], [loaded(WARNING, hold=60.0)]))).is_well


@pytest.mark.parametrize(
    "changes",
    [
        {"rules": tuple(compared([WARNING, CRITICAL], [loaded(WARNING)]))},
        {"rules": tuple(compared([WARNING], [loaded(WARNING, health="err")]))},
        {"targets": ()},
        {"targets": checked_targets([target()], [], [])},
        {"targets": checked_targets([target("unknown")], [], [])},
        {"targets": checked_targets([target(), target("down", instance="b")], [HERE], [])},
        {"reload_failed": True},
    ],
)
def test_all_is_not_well_if(changes: dict[str, Any]) -> None:
    assert not check(**changes).is_well


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("sum by (a)(\n  x\n) # all\n", "sum by (a) (x)"),
        ("a * on (b) group_left () c", "a*on(b)group_left()c"),
        ('x{a="b # c"}', 'x { a = "b # c" }'),
    ],
)
def test_spaces_and_comments_are_no_difference(ours: str, theirs: str) -> None:
    def never(expression: str) -> str:
        raise AssertionError(expression)

    assert same_expression(never)(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [('x{a="b c"}', 'x{a="bc"}'), ("x and y", "xandy"), ("x > 1", "x > 10"), ("a", "b")],
)
def test_what_is_more_than_spaces_is_a_difference(ours: str, theirs: str) -> None:
    assert not same_expression(lambda expression: expression)(ours, theirs)


def test_other_spellings_are_left_to_prometheus() -> None:
    spellings = {"x offset 167h": "x offset 6d23h", "x offset 6d23h": "x offset 6d23h"}
    assert same_expression(spellings.get)("x offset 167h", "x offset 6d23h")
    assert not same_expression(lambda _: None)("x offset 167h", "x offset 6d23h")
