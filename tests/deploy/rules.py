"""The rules of deploy/prometheus, and which of them build on which."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import promql_parser
import yaml

from tests.deploy.promql import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["ROOT", "RULES", "Rule", "in_order", "recorded", "rules"]

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy/prometheus/rules"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule: `series` is what it makes, `seconds` how long an alert waits."""

    name: str
    series: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)
    is_alert: bool = False
    seconds: int = 0
    runbook: str = ""

    @property
    def names(self) -> set[str]:
        """The metrics that it asks for."""
        return names_in(promql_parser.parse(self.expr))


def rules() -> list[Rule]:
    """All of them, as they stand in the files."""
    return [
        _rule(one)
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for one in group["rules"]
    ]


def _rule(one: dict[str, Any]) -> Rule:
    if "record" in one:
        return Rule(name=one["record"], series=one["record"], expr=one["expr"])
    labels = dict(one.get("labels", {}), alertname=one["alert"], alertstate="firing")
    return Rule(
        name=one["alert"],
        series="ALERTS",
        expr=one["expr"],
        labels=labels,
        is_alert=True,
        seconds=_duration(one.get("for", "0s")),
        runbook=one["annotations"]["runbook_url"],
    )


def _duration(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smh])", text)
    assert found is not None, text
    return int(found[1]) * _SECONDS[found[2]]


def recorded(found: Sequence[Rule]) -> set[str]:
    """The names of the recorded series."""
    return {rule.series for rule in found if not rule.is_alert}


def in_order(found: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Rules that need those before only. What a rule held itself before doesn't count."""
    left, made = list(found), set[str]()
    wanted = recorded(found)
    while left:
        ready = [rule for rule in left if rule.names & wanted - made <= {rule.series}]
        assert ready, [rule.series for rule in left]
        yield ready
        left = [rule for rule in left if rule not in ready]
        made = wanted - recorded(left)
