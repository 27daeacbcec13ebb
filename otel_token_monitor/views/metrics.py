"""Every metric's name, type, help text and labels: the one table of what is exposed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from otel_token_monitor.usage import Labels, TokenUsage

__all__ = [
    "BACKLOG_RECORDS",
    "BUDGET_LABELS",
    "BUDGET_LIMIT",
    "BUDGET_PROJECTED",
    "BUDGET_RESET",
    "BUDGET_STATUS",
    "BUDGET_THRESHOLD",
    "BUDGET_USED",
    "BUDGET_WINDOW_START",
    "BUILD_INFO",
    "COST",
    "DIRECTIONS",
    "DURATION",
    "ESTIMATED_TOKENS",
    "FIRST_TOKEN",
    "HEALTH_COUNTERS",
    "LABELS",
    "LABEL_SETS",
    "LAST_WRITE",
    "LEDGER_UP",
    "LIMITS_CONTESTED",
    "METRICS",
    "MODALITY_TOKENS",
    "OPEN_SPANS",
    "QUEUE_LENGTH",
    "REQUESTS",
    "REQUEST_TOKENS",
    "STATUSES",
    "TEST_ALERT",
    "TOKENS",
    "TYPES",
    "UNMETERED_REQUESTS",
    "UNPRICED_REQUESTS",
    "MetricSpec",
    "health_counter",
]

LABELS: Final = Labels._fields
"""The labels of everything that is counted per label set."""
TYPES: Final = TokenUsage._fields
"""The values of the label `type`: parts that do not overlap, so that they may be added up."""
STATUSES: Final = ("ok", "error")
"""The values of the label `status`."""
DIRECTIONS: Final = ("input", "output")
"""The values of the label `direction`."""

_HEALTH: Final = "otel_token_monitor_"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric: `name` is what PromQL calls it, `_total` of a counter and `_info` included.

    A histogram's series carry the suffixes `_bucket`, `_count` and `_sum`.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: tuple[str, ...] = ()


TOKENS: Final = MetricSpec(
    name="llm_tokens_total",
    kind="counter",
    help="Tokens used, as reported by the provider. The types do not overlap: their sum is the "
    "total.",
    labels=(*LABELS, "type"),
)
REQUESTS: Final = MetricSpec(
    name="llm_requests_total",
    kind="counter",
    help="Calls to a model.",
    labels=(*LABELS, "status"),
)
MODALITY_TOKENS: Final = MetricSpec(
    name="llm_modality_tokens_total",
    kind="counter",
    help="Tokens of audio and of images. They are among those in llm_tokens_total.",
    labels=(*LABELS, "direction", "modality"),
)
UNMETERED_REQUESTS: Final = MetricSpec(
    name="llm_unmetered_requests_total",
    kind="counter",
    help="Calls whose exact token usage is not known. They are in llm_requests_total too.",
    labels=(*LABELS, "reason"),
)
ESTIMATED_TOKENS: Final = MetricSpec(
    name="llm_estimated_tokens_total",
    kind="counter",
    help="Estimated tokens of unmetered calls. They are not in llm_tokens_total.",
    labels=(*LABELS, "direction"),
)
COST: Final = MetricSpec(
    name="llm_cost_usd_total",
    kind="counter",
    help="Cost in US dollars of the calls whose price is known.",
    labels=LABELS,
)
DURATION: Final = MetricSpec(
    name="llm_request_duration_seconds",
    kind="histogram",
    help="Duration of a call, in seconds.",
    labels=LABELS,
)
REQUEST_TOKENS: Final = MetricSpec(
    name="llm_request_tokens",
    kind="histogram",
    help="Tokens of a call, as reported by the provider.",
    labels=(*LABELS, "direction"),
)
FIRST_TOKEN: Final = MetricSpec(
    name="llm_time_to_first_token_seconds",
    kind="histogram",
    help="Time from a streamed call's start to its first token, in seconds.",
    labels=LABELS,
)
UNPRICED_REQUESTS: Final = MetricSpec(
    name=f"{_HEALTH}unpriced_requests_total",
    kind="counter",
    help="Calls with token usage whose price is not known. They are not in llm_cost_usd_total.",
    labels=LABELS,
)

BUDGET_LABELS: Final = ("ledger", "budget", "scope", "project", "model", "window", "unit")
"""The labels of what is shown per budget."""

BUDGET_LIMIT: Final = MetricSpec(
    name="llm_budget_limit",
    kind="gauge",
    help="The limit of a budget, in its unit: tokens, requests or US dollars.",
    labels=BUDGET_LABELS,
)
BUDGET_USED: Final = MetricSpec(
    name="llm_budget_used",
    kind="gauge",
    help="What is used of a budget in its window, estimated tokens included.",
    labels=BUDGET_LABELS,
)
BUDGET_PROJECTED: Final = MetricSpec(
    name="llm_budget_projected",
    kind="gauge",
    help="What will be used of a budget when it resets, if the pace of late goes on: that of the "
    "last hour for a day, of the last 24 hours for a month. A trailing minute has none.",
    labels=BUDGET_LABELS,
)
BUDGET_RESET: Final = MetricSpec(
    name="llm_budget_reset_timestamp_seconds",
    kind="gauge",
    help="When a budget starts anew, in seconds since the epoch; for a trailing minute, when all "
    "that counts now has passed.",
    labels=BUDGET_LABELS,
)
BUDGET_WINDOW_START: Final = MetricSpec(
    name="llm_budget_window_start_timestamp_seconds",
    kind="gauge",
    help="When a budget's window began, in seconds since the epoch.",
    labels=BUDGET_LABELS,
)
BUDGET_STATUS: Final = MetricSpec(
    name="llm_budget_status",
    kind="gauge",
    help="The status of a budget: 0 NORMAL, 1 WARNING, 2 CRITICAL.",
    labels=BUDGET_LABELS,
)
BUDGET_THRESHOLD: Final = MetricSpec(
    name="llm_budget_threshold_ratio",
    kind="gauge",
    help="The share of a budget from which on its status is WARNING (severity warning) or "
    "CRITICAL (critical).",
    labels=("ledger", "budget", "severity"),
)
LIMITS_CONTESTED: Final = MetricSpec(
    name=f"{_HEALTH}limits_contested",
    kind="gauge",
    help="Whether applications that count into this ledger disagree about limits, thresholds or "
    "the time zone (1) or not (0).",
)

PENDING_DELIVERIES: Final = MetricSpec(
    name=f"{_HEALTH}pending_deliveries",
    kind="gauge",
    help="Deliveries of alerts that wait in the ledger, each to one webhook or to the alert log.",
)
TEST_ALERT: Final = MetricSpec(
    name=f"{_HEALTH}test_alert",
    kind="gauge",
    help="Whether somebody has asked for a test alert within the last five minutes (1) or not (0).",
)

LEDGER_UP: Final = MetricSpec(
    name=f"{_HEALTH}ledger_up",
    kind="gauge",
    help="Whether the ledger could be read (1) or not (0). While it cannot, there are no llm_ "
    "series.",
)
LABEL_SETS: Final = MetricSpec(
    name=f"{_HEALTH}label_sets",
    kind="gauge",
    help="Label sets in the exposition. Those beyond the limit count as 'other'.",
)
QUEUE_LENGTH: Final = MetricSpec(
    name=f"{_HEALTH}queue_length",
    kind="gauge",
    help="Spans that wait to be counted.",
)
BACKLOG_RECORDS: Final = MetricSpec(
    name=f"{_HEALTH}backlog_records",
    kind="gauge",
    help="Calls that are counted but not written to the ledger yet.",
)
OPEN_SPANS: Final = MetricSpec(
    name=f"{_HEALTH}open_spans",
    kind="gauge",
    help="Calls in flight.",
)
LAST_WRITE: Final = MetricSpec(
    name=f"{_HEALTH}last_write_timestamp_seconds",
    kind="gauge",
    help="When this process last wrote to the ledger, in seconds since the epoch.",
)
BUILD_INFO: Final = MetricSpec(
    name=f"{_HEALTH}build_info",
    kind="info",
    help="The version of the monitor and the id of the ledger. Targets that show the same ledger "
    "must not be added up.",
    labels=("version", "ledger"),
)


def health_counter(name: str, text: str | None = None) -> MetricSpec:
    """The counter of an event of the monitor's own health, by its name in the ledger."""
    return MetricSpec(
        name=f"{_HEALTH}{name}_total",
        kind="counter",
        help=text or f"Events that the ledger counts as {name}.",
    )


HEALTH_COUNTERS: Final = {
    name: health_counter(name, text)
    for name, text in (
        ("dropped_spans", "Spans of calls that were not counted because the queue was full."),
        ("duplicate_spans", "Spans of calls that another span had already told of."),
        ("hook_errors", "Errors caught in the monitor's hooks. Calls may be missing."),
        ("ledger_errors", "Failed attempts to write to the ledger. Each is tried again."),
        (
            "condensed_records",
            "Calls of which the ledger has the sums only, because they waited too long.",
        ),
        (
            "label_overflow_requests",
            "Calls counted as 'other' because the limit on label sets was reached.",
        ),
        (
            "undelivered_alerts",
            "Deliveries of alerts that were given up: refused, or tried for 7 days.",
        ),
    )
}
"""The counters that are always shown, by name in the ledger; others appear once they count."""

METRICS: Final = (
    TOKENS,
    REQUESTS,
    MODALITY_TOKENS,
    UNMETERED_REQUESTS,
    ESTIMATED_TOKENS,
    COST,
    DURATION,
    REQUEST_TOKENS,
    FIRST_TOKEN,
    UNPRICED_REQUESTS,
    BUDGET_LIMIT,
    BUDGET_USED,
    BUDGET_PROJECTED,
    BUDGET_RESET,
    BUDGET_WINDOW_START,
    BUDGET_STATUS,
    BUDGET_THRESHOLD,
    LIMITS_CONTESTED,
    PENDING_DELIVERIES,
    TEST_ALERT,
    *HEALTH_COUNTERS.values(),
    LEDGER_UP,
    LABEL_SETS,
    QUEUE_LENGTH,
    BACKLOG_RECORDS,
    OPEN_SPANS,
    LAST_WRITE,
    BUILD_INFO,
)
"""All of them, in the order in which they are shown."""
