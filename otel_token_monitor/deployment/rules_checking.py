"""Asking a Prometheus what the check of its rules goes by."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.http_api import WrongAnswerError
from otel_token_monitor.deployment.rule_files import bundled_rules
from otel_token_monitor.deployment.rules_check import RulesCheck, checked_rules, checked_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.deployment.prometheus_api import PrometheusApi

__all__ = ["check_rules", "same_expression"]

_SHOWN: Final = "otel_token_monitor_build_info"
_COMMENT_OR_TOKEN: Final = re.compile(
    r"""\#[^\n]* | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` | [\w:.]+ | \S""", re.VERBOSE
)


def check_rules(prometheus: PrometheusApi) -> RulesCheck:
    """Compare the bundled rules with those that a Prometheus has loaded. Raises ApiError."""
    same = same_expression(cache(lambda expression: _formatted(prometheus, expression)))
    return RulesCheck(
        address=prometheus.address,
        rules=checked_rules(bundled_rules(), prometheus.rules(), same),
        targets=checked_targets(
            prometheus.targets(),
            [sample.labels for sample in prometheus.query(_SHOWN)],
            [sample.labels for sample in prometheus.query(f"last_over_time({_SHOWN}[1h])")],
        ),
        reload_failed=prometheus.reload_failed(),
    )


def same_expression(formatted: Callable[[str], str | None]) -> Callable[[str, str], bool]:
    """What tells whether two expressions are the same but for their spelling.

    Spaces, line ends and comments are easy. The rest, such as 167h for 6d23h, is left to
    `formatted`: an expression as Prometheus formats it, None if that cannot be known.
    """

    def same(ours: str, theirs: str) -> bool:
        if _tokens(ours) == _tokens(theirs):
            return True
        spelt = formatted(ours)
        return spelt is not None and spelt == formatted(theirs)

    return same


def _tokens(expression: str) -> list[str]:
    found = _COMMENT_OR_TOKEN.findall(expression)
    return [token for token in found if not token.startswith("#")]


def _formatted(prometheus: PrometheusApi, expression: str) -> str | None:
    try:
        return prometheus.format_query(expression)
    except WrongAnswerError:  # to an older one, it is no expression
        return None
