"""What `rules` says of files that it wrote, and of rules that Prometheus has loaded or not."""

from __future__ import annotations

from itertools import groupby
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.deployment.rules_check import RuleState, TargetState
from otel_token_monitor.views.terminal.texts import count_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.deployment.exporting import Exported
    from otel_token_monitor.deployment.rule_files import BundledRule
    from otel_token_monitor.deployment.rules_check import (
        CheckedRule,
        CheckedTarget,
        Difference,
        RulesCheck,
    )

__all__ = ["SCHEMA_VERSION", "check_document", "check_text", "exported_text"]

SCHEMA_VERSION: Final = 1
"""Of the document of `rules check`; it grows when a key is removed or means something else."""

_LOADING: Final = (
    "Missing rules: otel-token-monitor rules export DIR, name DIR/prometheus/rules/*.yml under "
    "rule_files in prometheus.yml, and have Prometheus reload (kill -HUP)."
)
_FAILING: Final = (
    "Failing rules alert nobody: Prometheus's error says why. If they were changed, "
    "otel-token-monitor rules export DIR --force brings those of this version."
)
_CHANGED: Final = (
    "Changed rules work; they are your own, or of another version: otel-token-monitor rules "
    "export DIR --force brings those of this one."
)
_RELOAD: Final = (
    "Prometheus could not load its configuration as it is now, and goes on with the former one: "
    "promtool check config PROMETHEUS.YML says why."
)
_TARGETS: Final = {
    TargetState.DOWN: (
        "Targets that are down: is the application, or otel-token-monitor serve, running there? "
        "otel-token-monitor doctor on that machine tells more."
    ),
    TargetState.SILENT: (
        "Targets that are silent answer, but not with a ledger's metrics: something else listens "
        "at that address."
    ),
    TargetState.UNKNOWN: "Targets that are unknown were not scraped yet: ask again in a minute.",
}
_NO_TARGET: Final = (
    "Add where /metrics is served (localhost:9464) to targets/token-monitors.yml, or to a "
    "scrape configuration with job_name: otel-token-monitor."
)
_NEXT: Final = """\
Next: promtool check config {directory}/prometheus/prometheus.yml
      prometheus --config.file={directory}/prometheus/prometheus.yml
      (one that runs reloads with kill -HUP)
      otel-token-monitor rules check"""
_NEXT_KUBERNETES: Final = """\
Next: kubectl apply -f {directory}
      kubectl label -f {directory} release=NAME
      (the label that your Prometheus selects rules by; this is kube-prometheus-stack's)
      otel-token-monitor rules check --prometheus URL"""


def exported_text(exported: Exported, directory: str, *, kubernetes: bool) -> str:
    """What was written, what was not and why, and what to do next."""
    count = count_text(len(exported.written), "file") if exported.written else "nothing"
    lines = [f"{count} written to {directory}"]
    lines += [f"  {path}" for path in exported.written]
    if exported.same:
        lines.append(f"{count_text(len(exported.same), 'file')} there already, as they should be")
    if exported.kept:
        lines.append("Yours, left as they are; those of this version differ:")
        lines += [f"  {path}" for path in exported.kept]
    if exported.written:
        text = _NEXT_KUBERNETES if kubernetes else _NEXT
        lines.append(text.format(directory=quote(directory.rstrip("/") or "/")))
    return "\n".join(lines)


def check_text(checked: RulesCheck) -> str:
    """What is loaded and up; what is not, each in a line; and what to do."""
    works = sum(rule.state in {RuleState.LOADED, RuleState.CHANGED} for rule in checked.rules)
    up = sum(target.state is TargetState.UP for target in checked.targets)
    targets = count_text(len(checked.targets), "target")
    lines = [
        f"Prometheus at {checked.address}",
        f"{works} of {count_text(len(checked.rules), 'rule')} loaded and working",
        *_rule_lines(checked.rules),
        f"{up} of {targets} up" if checked.targets else "no target shows a ledger",
        *map(_target_line, checked.targets),
    ]
    todo = list(_todo(checked))
    if todo:
        lines += ["", *todo]
    return "\n".join(lines)


def check_document(checked: RulesCheck) -> dict[str, Any]:
    """All that was found, as JSON has it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "prometheus": checked.address,
        "well": checked.is_well,
        "reload_failed": checked.reload_failed,
        "rules": [
            {
                "name": one.rule.name,
                "kind": one.rule.kind,
                "file": one.rule.file,
                "group": one.rule.group,
                "labels": dict(one.rule.labels),
                "state": str(one.state),
                "differences": [difference._asdict() for difference in one.differences],
                "error": one.error,
            }
            for one in checked.rules
        ],
        "targets": [
            {
                "job": target.job,
                "instance": target.instance,
                "url": target.url,
                "state": str(target.state),
                "error": target.error,
            }
            for target in checked.targets
        ],
    }


def _rule_lines(rules: tuple[CheckedRule, ...]) -> Iterator[str]:
    """A line for each rule that is not as it should be; one for a file of which none is loaded."""
    for file, members in groupby(rules, key=lambda one: one.rule.file):
        group = list(members)
        if all(one.state is RuleState.MISSING for one in group):
            yield f"  MISSING  {file}: all {count_text(len(group), 'rule')}"
            continue
        for one in group:
            if one.state is not RuleState.LOADED:
                yield from _lines_of(one)


def _lines_of(one: CheckedRule) -> Iterator[str]:
    error = f": {printable(one.error)}" if one.error else ""
    yield f"  {one.state.upper():8} {_name(one.rule)} of {one.rule.file}{error}"
    for difference in one.differences:
        yield f"           {_difference(difference)}"


def _name(rule: BundledRule) -> str:
    """Such as `LLMBudgetUsed (critical, minute)`: several alerts have that name."""
    labels = ", ".join(rule.labels.values())
    return f"{rule.name} ({labels})" if labels else rule.name


def _difference(difference: Difference) -> str:
    ours, theirs = (
        printable(" ".join(text.split())) or "nothing"
        for text in (difference.bundled, difference.loaded)
    )
    return f"{difference.field} is {theirs}, not {ours}"


def _target_line(target: CheckedTarget) -> str:
    error = f": {printable(target.error)}" if target.error else ""
    return f"  {target.state.upper():8} {printable(target.url)}{error}"


def _todo(checked: RulesCheck) -> Iterator[str]:
    """What to do, most urgent first."""
    states = {rule.state for rule in checked.rules}
    if checked.reload_failed:
        yield _RELOAD
    for state, text in (
        (RuleState.MISSING, _LOADING),
        (RuleState.FAILING, _FAILING),
        (RuleState.CHANGED, _CHANGED),
    ):
        if state in states:
            yield text
    if not checked.targets:
        yield _NO_TARGET
    for target_state, text in _TARGETS.items():
        if any(target.state is target_state for target in checked.targets):
            yield text
