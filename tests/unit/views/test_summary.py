"""Today's sums, from a real ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerMissingError
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, Totals, UsageRecord
from otel_token_monitor.views.summary import DaySummary, cost_usd, grouped, today, tokens_by_project

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_763_985_600  # 2025-11-24T12:00:00Z
MINI = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")
NANO = Labels("checkout", "openai", "gpt-5-nano", "responses")
HOUSE = Labels("search", "vllm", "house-model", "chat/completions")


def record(labels: Labels, at: int, nonce: int, usage: TokenUsage) -> UsageRecord:
    return UsageRecord(
        time_ns=at * 1_000_000_000, nonce=nonce, labels=labels, source="manual", usage=usage
    )


def summary_of(tmp_path: Path, *records: UsageRecord) -> DaySummary:
    location = Location.in_directory(tmp_path)
    writer = LedgerWriter(location, max_label_sets=10)
    writer.write(Batch(records=list(records)))
    writer.close()
    reader = LedgerReader(location)
    try:
        return today(reader, now=NOON)
    finally:
        reader.close()


def test_today_begins_and_ends_at_midnight_utc(tmp_path: Path) -> None:
    midnight = NOON - 12 * 3600
    times = (midnight - 1, midnight, midnight + 86_399, midnight + 86_400)
    summary = summary_of(
        tmp_path,
        *(record(MINI, at, 1, TokenUsage(input=10**index)) for index, at in enumerate(times)),
    )
    assert summary.total.input == 110


def test_the_date_is_todays(tmp_path: Path) -> None:
    assert summary_of(tmp_path).date == "2025-11-24"


def test_a_missing_ledger_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    with pytest.raises(LedgerMissingError):
        today(LedgerReader(Location.in_directory(tmp_path / "none")))
    assert list(tmp_path.iterdir()) == []


def test_tokens_by_project_has_most_first() -> None:
    by_labels = {MINI: Totals(input=2), NANO: Totals(output=3), HOUSE: Totals(input_cached=7)}
    summary = DaySummary(date="2025-11-24", by_labels=by_labels)
    assert list(tokens_by_project(summary).items()) == [("search", 7), ("checkout", 5)]


def test_groups_of_equal_size_are_in_order_of_their_labels() -> None:
    groups = grouped({HOUSE: Totals(), NANO: Totals(), MINI: Totals()}, lambda labels: labels.model)
    assert list(groups) == ["gpt-5-mini", "gpt-5-nano", "house-model"]


def test_an_unknown_cost_is_none() -> None:
    assert cost_usd(Totals(input=5, unpriced=1)) is None


def test_a_cost_of_which_a_part_is_known_is_that_part() -> None:
    assert cost_usd(Totals(cost_nanousd=1_500_000, unpriced=1)) == 0.0015


def test_no_calls_cost_nothing() -> None:
    assert cost_usd(Totals()) == 0.0


def test_the_document_of_a_day_without_calls() -> None:
    nothing = {
        "total_tokens": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "tokens": {
            "input": 0,
            "input_cached": 0,
            "input_cache_write": 0,
            "output": 0,
            "output_reasoning": 0,
        },
        "estimated_tokens": 0,
        "requests": 0,
        "errors": 0,
        "unmetered_requests": 0,
        "unpriced_requests": 0,
        "cost_usd": 0.0,
    }
    assert DaySummary(date="2025-11-24", by_labels={}).document() == {
        "schema_version": 1,
        "date": "2025-11-24",
        "timezone": "UTC",
        "total": nothing,
        "usage": [],
    }


def test_the_documents_rows_are_in_order_of_their_labels() -> None:
    by_labels = {HOUSE: Totals(), NANO: Totals(), MINI: Totals()}
    document = DaySummary(date="2025-11-24", by_labels=by_labels).document()
    assert [row["model"] for row in document["usage"]] == [
        "gpt-5-mini",
        "gpt-5-nano",
        "house-model",
    ]
