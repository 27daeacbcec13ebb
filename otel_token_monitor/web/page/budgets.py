"""The budgets: a bar each, the most urgent first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.limits import BudgetStatus, Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.web.page.wording import (
    NANO,
    amount_text,
    count_text,
    duration_text,
    html,
    moment,
    percent_text,
    time_html,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from otel_token_monitor.budgets.evaluation import Budget
    from otel_token_monitor.budgets.limits import Scope

__all__ = ["badge", "budgets_section", "by_urgency", "scope_html", "statuses_text"]

# So many stand open; the others are folded.
_SHOWN: Final = 10

# From here on, a forecast is not put as a percentage.
_FAR: Final = 10

_HINT: Final = """\
<section class="card hint" aria-labelledby="budgets">
<h2 id="budgets">Budgets</h2>
<p>No limit is set. With one, this page shows how far it is used, when it will run out, and when
it starts anew. Set one for everything in the environment:</p>
<pre><code>TOKEN_DAILY_LIMIT=2000000</code></pre>
<p>or in a configuration file, which also limits projects and models:</p>
<pre><code>daily_limit: 2000000        # tokens
monthly_cost_limit: 400     # US dollars
projects:
  checkout:
    daily_limit: 500000</code></pre>
</section>
"""


def budgets_section(budgets: Sequence[Budget], zone: ZoneInfo) -> str:
    """All budgets; how to set a limit if there are none."""
    if not budgets:
        return _HINT
    ordered = by_urgency(budgets)
    shown = "".join(_budget(budget, zone) for budget in ordered[:_SHOWN])
    return (
        '<section class="card" aria-labelledby="budgets">\n<h2 id="budgets">Budgets</h2>\n'
        f'<ul class="budgets">\n{shown}</ul>\n{_folded(ordered[_SHOWN:], zone)}</section>\n'
    )


def by_urgency(budgets: Sequence[Budget]) -> list[Budget]:
    """The worst status first, of those the most used."""
    return sorted(budgets, key=lambda b: (-b.status, -b.ratio, b.limit.budget))


def statuses_text(budgets: Sequence[Budget]) -> str:
    """How many have which status: `1 critical, 2 warning, 6 normal`."""
    counts = Counter(budget.status for budget in budgets)
    return ", ".join(
        f"{counts[status]:,} {status.name.lower()}"
        for status in sorted(BudgetStatus, reverse=True)
        if counts[status]
    )


def badge(status: BudgetStatus) -> str:
    """A status as a word on its colour."""
    return f'<span class="badge {status.name.lower()}">{status.name}</span>'


def scope_html(scope: Scope) -> str:
    """Whose calls count: `checkout`, `gpt-5*`, both; or `Everything`, `All ledgers`."""
    names = [
        f"<bdi>{html(name)}</bdi>" for name in (scope.project, scope.model) if name is not None
    ]
    return ' <span class="soft">·</span> '.join(names) or (
        "All ledgers" if scope.over_ledgers else "Everything"
    )


def _folded(budgets: Sequence[Budget], zone: ZoneInfo) -> str:
    if not budgets:
        return ""
    rows = "".join(_budget(budget, zone) for budget in budgets)
    summary = f"{count_text(len(budgets), 'more budget')}: {statuses_text(budgets)}"
    return (
        f'<details>\n<summary>{summary}</summary>\n<ul class="budgets">\n{rows}</ul>\n</details>\n'
    )


def _budget(budget: Budget, zone: ZoneInfo) -> str:
    limit = budget.limit
    return (
        f'<li class="budget {budget.status.name.lower()}">\n'
        f'<div class="what"><strong>{scope_html(limit.scope)}</strong> '
        f'<span class="soft">{_measure(budget)}</span></div>\n'
        f"{badge(budget.status)}\n{_bar(budget)}"
        f'<div class="used"><b>{percent_text(budget.used, limit.amount)}</b> '
        f"{amount_text(limit.unit, budget.used)} of {amount_text(limit.unit, limit.amount)}"
        f"{_estimated(budget)}</div>\n"
        f'<div class="outlook soft">{_outlook(budget, zone)}</div>\n</li>\n'
    )


def _measure(budget: Budget) -> str:
    unit = "cost" if budget.limit.unit is Unit.USD else str(budget.limit.unit)
    return f"{unit} per {budget.limit.window}"


def _estimated(budget: Budget) -> str:
    if not budget.estimated:
        return ""
    return f' <span class="soft">({percent_text(budget.estimated, budget.used)} estimated)</span>'


def _bar(budget: Budget) -> str:
    """How much is used, where that leads in a lighter shade, and the thresholds as marks."""
    limit = budget.limit
    used = min(budget.ratio, 1.0)
    ahead = 0.0
    if budget.projected is not None:
        ahead = min(budget.projected / limit.amount, 1.0) - used
    marks = "".join(
        f'<i style="left:{share * 100:.6g}%"></i>'
        for share in (limit.warning, limit.critical)
        if share < 1
    )
    label = (
        f"{percent_text(budget.used, limit.amount)} used, "
        f"warning from {limit.warning * 100:.6g} %, critical from {limit.critical * 100:.6g} %"
    )
    return (
        f'<div class="bar" role="img" aria-label="{label}">'
        f'<span class="fill" style="width:{used * 100:.4g}%"></span>'
        f'<span class="ahead" style="width:{ahead * 100:.4g}%"></span>{marks}</div>\n'
    )


def _outlook(budget: Budget, zone: ZoneInfo) -> str:
    """Where it leads by the reset, when it runs out, when it resets."""
    parts = []
    if budget.projected is not None:
        parts.append(f"heading for {_foretold(budget.projected, budget.limit.amount)}")
    parts.append(_running_out(budget, zone))
    parts.append(_reset(budget, zone))
    return " ".join(f"<span>{part}</span>" for part in parts if part)


def _foretold(projected: int, amount: int) -> str:
    """A forecast is no more exact than this, and beyond ten times the limit it says nothing."""
    if projected >= _FAR * amount:
        return f"over {_FAR}\N{MULTIPLICATION SIGN} the limit"
    return f"{projected * 100 // amount:,}\N{NO-BREAK SPACE}%"


def _running_out(budget: Budget, zone: ZoneInfo) -> str:
    if not budget.remaining:
        return '<b class="alarm">used up</b>'
    if budget.runs_out_ns is None:
        return ""
    left = duration_text(budget.runs_out_ns - budget.now_ns)
    return f"<b>runs out in {time_html(budget.runs_out_ns, zone, left)}</b>"


def _reset(budget: Budget, zone: ZoneInfo) -> str:
    if budget.limit.window is Window.MINUTE:
        return "the last 60 seconds"
    left = duration_text(budget.reset_ns - budget.now_ns)
    at = moment(budget.reset_ns, zone)
    days = (budget.reset_ns - budget.now_ns) // (86400 * NANO)
    when = f"{at:%H:%M}" if not days else f"{at.day} {at:%b}"
    return f"resets in {time_html(budget.reset_ns, zone, left)} ({when})"
