"""The demo's limits: one is reached within seconds, one within the minute, the others are ample."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["LIMITS"]

# As the traffic goes: checkout takes 12,000 tokens a second, support 0.07 dollars, search makes
# seven requests, and all three together take 60,000 tokens. WARNING comes some seconds before
# CRITICAL, so that both are seen.
LIMITS: Final[dict[str, Any]] = {
    "daily_limit": 20_000_000,
    "projects": {
        "checkout": {"daily_limit": {"limit": 200_000, "warning_threshold": 0.75}},
        "search": {"requests_per_minute_limit": 800},
        "support": {"daily_cost_limit": 4},
    },
    "models": {"gpt-5*": {"daily_limit": 5_000_000}},
}
"""Arguments of TokenMonitorConfig."""
