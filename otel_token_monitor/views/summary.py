"""What was spent today, by project and model: for people and for programs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.usage import QUARTER_SECONDS, Labels, Totals

if TYPE_CHECKING:
    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["SCHEMA_VERSION", "DaySummary", "tokens_by_project", "today"]

SCHEMA_VERSION: Final = 1
_DAY_SECONDS: Final = 86400
_NANODOLLARS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySummary:
    """One UTC day: its sums by label set."""

    date: str
    by_labels: dict[Labels, Totals]

    @property
    def total(self) -> Totals:
        """The sum over everything."""
        return _sum(self.by_labels)

    def document(self) -> dict[str, Any]:
        """The summary as JSON: tokens are exact integers, cost is in dollars."""
        rows = sorted(self.by_labels.items(), key=lambda item: (item[0].project, item[0]))
        return {
            "schema_version": SCHEMA_VERSION,
            "date": self.date,
            "timezone": "UTC",
            "total": _document(self.total),
            "usage": [{**labels._asdict(), **_document(totals)} for labels, totals in rows],
        }


def today(reader: LedgerReader, *, now: float | None = None) -> DaySummary:
    """The sums of the current UTC day. Raises LedgerError."""
    moment = time.time() if now is None else now
    start = int(moment // _DAY_SECONDS) * _DAY_SECONDS
    quarter = start // QUARTER_SECONDS
    return DaySummary(
        date=datetime.fromtimestamp(start, UTC).date().isoformat(),
        by_labels=reader.totals(quarter, quarter + _DAY_SECONDS // QUARTER_SECONDS),
    )


def tokens_by_project(summary: DaySummary) -> dict[str, int]:
    """The tokens of each project, most first."""
    tokens: dict[str, int] = {}
    for labels, totals in summary.by_labels.items():
        tokens[labels.project] = tokens.get(labels.project, 0) + totals.total_tokens
    return dict(sorted(tokens.items(), key=lambda item: -item[1]))


def _sum(by_labels: dict[Labels, Totals]) -> Totals:
    result = Totals()
    for totals in by_labels.values():
        result = result.plus(totals)
    return result


def _document(totals: Totals) -> dict[str, Any]:
    return {
        "total_tokens": totals.total_tokens,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "tokens": {
            name: getattr(totals, name)
            for name in ("input", "input_cached", "input_cache_write", "output", "output_reasoning")
        },
        "estimated_tokens": totals.estimated_input + totals.estimated_output,
        "requests": totals.requests,
        "errors": totals.requests_error,
        "unmetered_requests": totals.unmetered,
        "unpriced_requests": totals.unpriced,
        "cost_usd": totals.cost_nanousd / _NANODOLLARS,
    }
