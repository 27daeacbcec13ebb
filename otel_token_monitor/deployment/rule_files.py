"""The rules of the bundled rule files, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from otel_token_monitor.deployment.bundle import RULES, bundled_files
from otel_token_monitor.deployment.durations import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BundledRule", "bundled_rules", "rules_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledRule:
    """A rule as its file has it; `file` is such as budgets.yml, `kind` "alerting" or "recording".

    `hold` and `keep_firing` are `for` and `keep_firing_for` in seconds, 0 if not set.
    """

    file: str
    group: str
    kind: str
    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    hold: float
    keep_firing: float


def bundled_rules() -> tuple[BundledRule, ...]:
    """All rules that come with the package, in the order of their files."""
    return tuple(
        rule
        for path, content in bundled_files(RULES)
        for rule in rules_of(PurePosixPath(path).name, content)
    )


def rules_of(file: str, content: bytes) -> tuple[BundledRule, ...]:
    """The rules of a file that Prometheus could load."""
    return tuple(
        _rule(file, group["name"], rule)
        for group in yaml.safe_load(content)["groups"]
        for rule in group["rules"]
    )


def _rule(file: str, group: str, rule: Mapping[str, Any]) -> BundledRule:
    return BundledRule(
        file=file,
        group=group,
        kind="alerting" if "alert" in rule else "recording",
        name=rule.get("alert") or rule["record"],
        expression=rule["expr"],
        labels=rule.get("labels", {}),
        annotations=rule.get("annotations", {}),
        hold=seconds(rule.get("for", "")),
        keep_firing=seconds(rule.get("keep_firing_for", "")),
    )
