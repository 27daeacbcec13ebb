"""What is said of rules."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_token_monitor.deployment.doctor.ruling import RulesSeen, judge_rules
from otel_token_monitor.deployment.doctor.sight import BLIND
from otel_token_monitor.deployment.http_api import ApiError
from otel_token_monitor.deployment.rule_files import bundled_rules
from otel_token_monitor.deployment.rules_check import CheckedRule, RuleState
from tests.unit.deployment.doctor.findings import beyond, said

if TYPE_CHECKING:
    from collections.abc import Collection

P = "http://localhost:9090"
ALL = bundled_rules()
BUDGETS = {rule.name for rule in ALL if rule.group == "llm-budgets"}
EXPORT = (
    "Run `otel-token-monitor rules export DIR`, name DIR/prometheus/rules/*.yml under rule_files, "
    "and reload Prometheus."
)
DETAILS = f"`otel-token-monitor rules check --prometheus {P}` has the details."


def seen(state: RuleState, names: Collection[str]) -> RulesSeen:
    """All rules are loaded, but those of these names have another state."""
    rules = (
        CheckedRule(rule=rule, state=state if rule.name in names else RuleState.LOADED)
        for rule in ALL
    )
    return RulesSeen(address=P, rules=tuple(rules))


WELL = seen(RuleState.LOADED, ())


def test_all_is_well() -> None:
    assert said(judge_rules(WELL)) == f"ok: All {len(ALL)} rules are loaded and work."


def test_some_wait_for_their_first_turn() -> None:
    assert said(judge_rules(replace(WELL, unevaluated=12))) == (
        f"ok: All {len(ALL)} rules are loaded, 12 wait for their first turn."
    )


def test_prometheus_is_not_there() -> None:
    link = judge_rules(RulesSeen(address=P, reached=False))
    assert said(link) == "skipped: Prometheus could not be asked."


def test_prometheus_does_not_tell() -> None:
    trouble = ApiError(P, "wants a password", "give one")
    link = judge_rules(RulesSeen(address=P, trouble=trouble))
    assert said(link) == f"broken: {P} wants a password. → Give one."


def test_none_is_loaded() -> None:
    link = judge_rules(seen(RuleState.MISSING, {rule.name for rule in ALL}))
    assert said(link) == f"broken: None of the rules is loaded. → {EXPORT}"


def test_without_the_rules_of_budgets_it_is_broken() -> None:
    number = sum(rule.group == "llm-budgets" for rule in ALL)
    link = judge_rules(seen(RuleState.MISSING, BUDGETS))
    assert said(link) == (
        f"broken: {number} of {len(ALL)} rules not loaded: "
        "ledger:llm_budget_reset_timestamp_seconds:held, ledger:llm_budget_used:held, "
        f"ledger:llm_budget_projected:max and {len(BUDGETS) - 3} more. → {EXPORT} {DETAILS}"
    )


def test_other_rules_may_have_been_left_out() -> None:
    assert said(judge_rules(seen(RuleState.MISSING, {"LLMUsageSpike"}))) == (
        f"warning: 1 of {len(ALL)} rules not loaded: LLMUsageSpike. → {EXPORT} {DETAILS}"
    )


def test_rules_that_fail() -> None:
    failing = replace(
        seen(RuleState.LOADED, ()),
        rules=tuple(
            CheckedRule(rule=rule, state=RuleState.FAILING, error="found duplicate series")
            for rule in ALL
            if rule.name == "budget:llm_budget_used:ratio"
        ),
    )
    assert said(judge_rules(failing)) == (
        "broken: budget:llm_budget_used:ratio: evaluation fails: found duplicate series. → "
        f"{DETAILS}"
    )


def test_rules_that_were_changed() -> None:
    assert beyond(judge_rules(seen(RuleState.CHANGED, {"LLMUsageSpike", "LLMRequestErrors"}))) == (
        f"warning: Changed: LLMRequestErrors, LLMUsageSpike. → If nobody did so on purpose: "
        f"{DETAILS}"
    )


def test_alerts_that_something_is_not_seen() -> None:
    assert beyond(judge_rules(replace(WELL, blind=("LLMUsageDropped",)))) == (
        "warning: LLMUsageDropped fires. → See docs/runbooks/LLMUsageDropped.md."
    )


def test_each_of_these_alerts_is_bundled() -> None:
    assert {rule.name for rule in ALL if rule.kind == "alerting"} >= BLIND
