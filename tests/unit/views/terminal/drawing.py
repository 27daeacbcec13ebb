"""What views look like, as text; and budgets to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console

from otel_token_monitor.budgets.evaluation import Budget
from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.windows import Span, Window

if TYPE_CHECKING:
    from rich.console import RenderableType

HOUR: Final = 3600 * 10**9
NOW: Final = 500_000 * HOUR


def drawn(view: RenderableType, width: int) -> str:
    """The text of a view, without styles."""
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def budget(
    used: int,
    amount: int,
    scope: Scope = Scope("checkout"),  # noqa: B008 - frozen
    unit: Unit = Unit.TOKENS,
    window: Window = Window.DAY,
    *,
    per_second: float | None = 0.0,
    estimated: int = 0,
) -> Budget:
    """A budget whose window ends in seven hours."""
    return Budget(
        limit=Limit(scope, unit, window, amount),
        now_ns=NOW,
        span=Span(NOW - 17 * HOUR, NOW + 7 * HOUR),
        used=used,
        estimated=estimated,
        per_second=per_second,
    )
