"""Rules: whether those of the package are loaded and work, and what they say of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.doctor.findings import (
    Finding,
    Link,
    broken,
    fine,
    of_error,
    skipped,
    warning,
)
from otel_token_monitor.deployment.rules_check import RuleState
from otel_token_monitor.views.terminal.texts import count_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_token_monitor.deployment.http_api import ApiError
    from otel_token_monitor.deployment.rules_check import CheckedRule

__all__ = ["RulesSeen", "judge_rules"]

_NAMED: Final = 3
_BUDGETS: Final = "llm-budgets"
_DETAILS: Final = "otel-token-monitor rules check --prometheus"
_EXPORT: Final = (
    "Run `otel-token-monitor rules export DIR`, name DIR/prometheus/rules/*.yml under rule_files, "
    "and reload Prometheus."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesSeen:
    """What was seen of the rules of the Prometheus at `address`.

    `reached` is False where nothing was, for the reason `trouble` or since Prometheus is not there.
    `unevaluated` counts our rules that were never evaluated; `blind` are the names of our alerts
    that fire, of those that say that something is not seen or not delivered.
    """

    address: str
    reached: bool = True
    trouble: ApiError | None = None
    rules: tuple[CheckedRule, ...] = ()
    unevaluated: int = 0
    blind: tuple[str, ...] = ()


def judge_rules(seen: RulesSeen) -> Link:
    """Whether the rules can raise an alert."""
    return Link(name="rules", findings=tuple(_rules(seen)))


def _rules(seen: RulesSeen) -> Iterator[Finding]:
    if seen.trouble is not None:
        yield of_error(seen.trouble)
        return
    if not seen.reached:
        yield skipped("Prometheus could not be asked.")
        return
    details = f"`{_DETAILS} {seen.address}` has the details."
    missing = _of(seen.rules, RuleState.MISSING)
    failing = _of(seen.rules, RuleState.FAILING)
    changed = _of(seen.rules, RuleState.CHANGED)
    there = len(seen.rules) - len(missing)
    if not there:
        yield broken("None of the rules is loaded.", _EXPORT)
        return
    if not missing and not failing:
        late = f", {seen.unevaluated} wait for their first turn" if seen.unevaluated else ""
        yield fine(f"All {count_text(there, 'rule')} are loaded{late or ' and work'}.")
    if failing:
        error = next(rule.error for rule in failing)
        yield _bad(failing, f"{_names(failing)}: evaluation fails: {error}.", details)
    if missing:
        number = f"{len(missing)} of {count_text(len(seen.rules), 'rule')}"
        yield _bad(missing, f"{number} not loaded: {_names(missing)}.", f"{_EXPORT} {details}")
    if changed:
        yield warning(f"Changed: {_names(changed)}.", f"If nobody did so on purpose: {details}")
    for name in seen.blind:
        yield warning(f"{name} fires.", f"See docs/runbooks/{name}.md.")


def _of(rules: Sequence[CheckedRule], state: RuleState) -> list[CheckedRule]:
    return [rule for rule in rules if rule.state is state]


def _bad(rules: Sequence[CheckedRule], text: str, remedy: str) -> Finding:
    """Without the rules of budgets no alert comes; the others may have been left out on purpose."""
    essential = any(rule.rule.group == _BUDGETS for rule in rules)
    return broken(text, remedy) if essential else warning(text, remedy)


def _names(rules: Sequence[CheckedRule]) -> str:
    """The names of the first few, and how many more there are."""
    names = list(dict.fromkeys(rule.rule.name for rule in rules))
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
