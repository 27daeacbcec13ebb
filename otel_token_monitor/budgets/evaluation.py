"""How much of each limit is used at one moment, and where that leads."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.limits import BudgetStatus, Limit, Scope
from otel_token_monitor.budgets.windows import MINUTE_NS, Span, Window, span_of
from otel_token_monitor.usage import QUARTER_NS, Labels, Totals, Used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_token_monitor.budgets.policy import Policy
    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["Budget", "evaluate", "window_totals", "worst"]

_PACE_NS: Final = {Window.DAY: 4 * QUARTER_NS, Window.MONTH: 96 * QUARTER_NS}
"""How far back the pace looks by which a window's end is foretold: an hour, a day."""
_LEAST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit and what is used of it at `now_ns`; amounts in its unit, money in nano-dollars.

    `span` is the window as of now. `per_second` is the pace of late; None if it was not asked for,
    and for minutes.
    """

    limit: Limit
    now_ns: int
    span: Span
    used: int
    estimated: int
    per_second: float | None = None

    @property
    def status(self) -> BudgetStatus:
        """NORMAL, WARNING or CRITICAL, exact at the thresholds."""
        return self.limit.status(self.used)

    @property
    def remaining(self) -> int:
        """What may still be used; 0 once the limit is reached."""
        return max(self.limit.amount - self.used, 0)

    @property
    def ratio(self) -> float:
        """The share of the limit that is used; over 1 beyond it."""
        return self.used / self.limit.amount

    @property
    def estimated_share(self) -> float:
        """The share of what is used that is estimated."""
        return self.estimated / self.used if self.used else 0.0

    @property
    def reset_ns(self) -> int:
        """When it starts anew at 0 (UTC); for a minute, when all that counts now has passed."""
        if self.limit.window is Window.MINUTE:
            return self.now_ns + MINUTE_NS
        return self.span.end_ns

    @property
    def projected(self) -> int | None:
        """What will be used at reset if the pace of late goes on; None if that is not known."""
        if self.per_second is None:
            return None
        return self.used + round(self.per_second * (self.reset_ns - self.now_ns) / 1e9)

    @property
    def runs_out_ns(self) -> int | None:
        """When the limit will be reached at that pace (now, once it is); None: not before reset."""
        if not self.remaining:
            return self.now_ns
        if not self.per_second:
            return None
        at_ns = self.now_ns + round(self.remaining / self.per_second * 1e9)
        return at_ns if at_ns < self.reset_ns else None


def evaluate(
    reader: LedgerReader,
    policy: Policy,
    now_ns: int,
    *,
    used: Mapping[Window, Mapping[Labels, Used]] | None = None,
    pace: bool = False,
) -> tuple[Budget, ...]:
    """Every budget of a policy, in its order. Raises LedgerError.

    `used` has what was read already of the windows as of `now_ns`; `pace` asks for projections.
    """
    read = dict(used or {})
    found: dict[str, Budget] = {}
    by_window: dict[Window, list[Limit]] = defaultdict(list)
    for limit in policy.limits:
        by_window[limit.window].append(limit)
    for window, limits in by_window.items():
        span = span_of(window, now_ns, policy.zone)
        if window not in read:
            read[window] = _window_used(reader, window, span)
        scopes = tuple(dict.fromkeys(limit.scope for limit in limits))
        sums = _by_scope(scopes, read[window])
        recent = _recent(reader, window, scopes, now_ns) if pace and window in _PACE_NS else None
        for limit in limits:
            own = sums[limit.scope]
            found[limit.budget] = Budget(
                limit=limit,
                now_ns=now_ns,
                span=span,
                used=limit.unit.of(own),
                estimated=limit.unit.estimated(own),
                per_second=None if recent is None else recent.per_second(limit),
            )
    return tuple(found[limit.budget] for limit in policy.limits)


def window_totals(reader: LedgerReader, window: Window, span: Span) -> dict[Labels, Totals]:
    """What the calls of a window add up to, by labels. Raises LedgerError."""
    if window is Window.MINUTE:
        return reader.totals_of_records(span.start_ns, span.end_ns)
    return reader.totals(span.start_ns // QUARTER_NS, span.end_ns // QUARTER_NS)


def _window_used(reader: LedgerReader, window: Window, span: Span) -> dict[Labels, Used]:
    if window is Window.MINUTE:
        return reader.used_of_records(span.start_ns, span.end_ns)
    return reader.used(span.start_ns // QUARTER_NS, span.end_ns // QUARTER_NS)


def worst(budgets: Iterable[Budget]) -> BudgetStatus:
    """The worst status of them; NORMAL if there are none."""
    return max((budget.status for budget in budgets), default=BudgetStatus.NORMAL)


@dataclass(frozen=True, slots=True)
class _Recent:
    """What was used of late, and within how many seconds."""

    by_scope: Mapping[Scope, Used]
    seconds: float

    def per_second(self, limit: Limit) -> float:
        return limit.unit.of(self.by_scope[limit.scope]) / self.seconds


def _recent(
    reader: LedgerReader, window: Window, scopes: tuple[Scope, ...], now_ns: int
) -> _Recent:
    # Whole quarters: the one that has begun, and those before it.
    first = (now_ns - _PACE_NS[window]) // QUARTER_NS
    used = reader.used(first, now_ns // QUARTER_NS + 1)
    # A ledger that is younger than the look back was not idle before it began.
    start_ns = max(first * QUARTER_NS, reader.began_ns())
    return _Recent(_by_scope(scopes, used), max((now_ns - start_ns) / 1e9, _LEAST_SECONDS))


def _by_scope(scopes: tuple[Scope, ...], used: Mapping[Labels, Used]) -> dict[Scope, Used]:
    """What counts in each scope."""
    parts: list[list[Used]] = [[] for _ in scopes]
    places = _places(scopes)
    for labels, sums in used.items():
        for place in places(labels):
            parts[place].append(sums)
    return {
        scope: Used(*map(sum, zip(*found, strict=True))) if found else Used()
        for scope, found in zip(scopes, parts, strict=True)
    }


# By scopes first, which are hashed once, not for each label set.
@lru_cache(maxsize=8)
def _places(scopes: tuple[Scope, ...]) -> Callable[[Labels], tuple[int, ...]]:
    """Tells the places of the scopes that cover a label set."""
    return lru_cache(maxsize=4096)(
        lambda labels: tuple(n for n, scope in enumerate(scopes) if scope.covers(labels))
    )
