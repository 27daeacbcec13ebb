"""How the dashboard asks: what is selected, and sums that count each ledger once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from llm_dashboard.recorded import RECORDED
from otel_token_monitor.views import metrics

if TYPE_CHECKING:
    from otel_token_monitor.views.metrics import MetricSpec

__all__ = [
    "FLEET",
    "LASTING",
    "OF_PROJECT",
    "USAGE",
    "metrics_in",
    "per_second",
    "total",
    "with_choice",
]

FLEET: Final = 'fleet=~"$fleet"'
"""What has no project. A target without the label belongs to all fleets' `.*`."""
USAGE: Final = f'{FLEET},project=~"$project",model=~"$model",endpoint=~"$endpoint"'
"""What calls carry."""
OF_PROJECT: Final = f'{FLEET},project=~"$project|"'
"""Budgets that calls of a project count into: its own, and those over all projects, which name
none."""
LASTING: Final = f'{OF_PROJECT},window!="minute"'
"""Budgets of days and months: they can be foreseen, and looked at later."""

# By it, two targets that show one ledger are known.
_TARGET: Final = ("fleet", "job", "instance")
_LEDGERS: Final = f"max by ({', '.join(_TARGET)}, ledger) ({metrics.BUILD_INFO.name})"
_WITH_LEDGER: Final = f"* on ({', '.join(_TARGET)}) group_left (ledger) {_LEDGERS}"


def per_second(spec: MetricSpec, *by: str, suffix: str = "", where: str = USAGE) -> str:
    """The growth of a counter, added up over ledgers. `suffix` is that of a histogram's series."""
    rate = f"rate({spec.name}{suffix}{{{where}}}[$__rate_interval])"
    by_target = f"sum by ({_listed(*_TARGET, *by)}) ({rate})"
    return f"{_sum(by)} (max by ({_listed('ledger', *by)}) ({by_target} {_WITH_LEDGER}))"


def total(spec: MetricSpec, *by: str, where: str | None = None) -> str:
    """By how much a counter has grown in the time range, added up over ledgers.

    By ledger before the increase: a ledger that moves to another target (a pod that was replaced)
    goes on where it was, and one whose target is gone still has what it had.
    """
    where = where if where is not None else USAGE if spec.labels else FLEET
    counter = f"max by ({_listed('ledger', *spec.labels)}) ({spec.name}{{{where}}} {_WITH_LEDGER})"
    return f"{_sum(by)} (increase(({counter})[$__range:$__interval]))"


def with_choice(budgets: str) -> str:
    """Budgets with a label `chosen`: what the variable `project` is to be for one of them.

    A link cannot say "all" with the empty project of a budget over all of them.
    """
    own = f'label_replace({budgets}, "chosen", "$1", "project", "(.+)")'
    return f'label_replace({own}, "chosen", "All", "project", "")'


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({_listed(*by)})" if by else "sum"


def _listed(*labels: str) -> str:
    return ", ".join(labels)


_KNOWN: Final = (*(spec.name for spec in metrics.METRICS), *RECORDED, "up", "ALERTS")
_NAME: Final = re.compile(
    rf"(?<![\w:])({'|'.join(sorted(_KNOWN, key=len, reverse=True))})"
    r"(?:_bucket|_sum|_count)?(?![\w:])"
)


def metrics_in(*expressions: str) -> tuple[str, ...]:
    """The names of metrics and recorded series in some queries, each once, in order."""
    return tuple(dict.fromkeys(name for text in expressions for name in _NAME.findall(text)))
