"""The recorded series that the dashboard asks for, made by deploy/prometheus/rules."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BUDGET_LIMIT",
    "BUDGET_PROJECTED_RATIO",
    "BUDGET_RESET",
    "BUDGET_STATUS",
    "BUDGET_THRESHOLD",
    "BUDGET_USED_RATIO",
    "BUDGET_WINDOW_START",
    "RECORDED",
    "TARGETS_SEEN",
]

BUDGET_USED_RATIO: Final = "budget:llm_budget_used:ratio"
BUDGET_LIMIT: Final = "budget:llm_budget_limit:min"
BUDGET_PROJECTED_RATIO: Final = "budget:llm_budget_projected:ratio"
BUDGET_RESET: Final = "budget:llm_budget_reset_timestamp_seconds:max"
BUDGET_WINDOW_START: Final = "budget:llm_budget_window_start_timestamp_seconds:max"
BUDGET_STATUS: Final = "budget:llm_budget_status:level"
BUDGET_THRESHOLD: Final = "budget:llm_budget_threshold_ratio:min"
TARGETS_SEEN: Final = "instance:otel_token_monitor_build_info:seen"

RECORDED: Final = (
    BUDGET_USED_RATIO,
    BUDGET_LIMIT,
    BUDGET_PROJECTED_RATIO,
    BUDGET_RESET,
    BUDGET_WINDOW_START,
    BUDGET_STATUS,
    BUDGET_THRESHOLD,
    TARGETS_SEEN,
)
"""All of them."""
