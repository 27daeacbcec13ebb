"""The budgets of the stack's application: one is reached within the minute, in two steps."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["BUDGET", "EARLIER", "LIMITS", "PAUSE_SECONDS", "PROJECT"]

PROJECT: Final = "checkout"
BUDGET: Final = f"project:{PROJECT}/tokens/day"
"""The budget that it is about."""

PAUSE_SECONDS: Final = 1.0
"""Between two calls of a thread: checkout takes about 3,000 tokens a second then."""

_DAILY: Final = 1_400_000
EARLIER: Final = _DAILY * 79 // 100
"""Tokens that the project has used already when it begins."""

# As the traffic goes, WARNING is reached after some 5 seconds, and CRITICAL 45 later: both are
# scraped, evaluated and delivered, one after the other. The other limits are ample.
LIMITS: Final[dict[str, Any]] = {
    "daily_limit": 20_000_000,
    "projects": {
        PROJECT: {"daily_limit": _DAILY},
        "search": {"requests_per_minute_limit": 800},
        "support": {"daily_cost_limit": 40},
    },
}
"""Arguments of TokenMonitorConfig."""
