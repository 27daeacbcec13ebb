"""Sums, put together and written down."""

from __future__ import annotations

import json

from hypothesis import given, strategies

from otel_token_monitor.usage import Labels, Totals
from otel_token_monitor.views.sums import cost_usd, grouped, summed, totals_document, totals_of

MINI = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")
NANO = Labels("checkout", "openai", "gpt-5-nano", "responses")
HOUSE = Labels("search", "vllm", "house-model", "chat/completions")


def test_the_sum_of_nothing() -> None:
    assert summed([]) == Totals()


def test_a_group_has_the_sum_of_its_labels_and_the_largest_comes_first() -> None:
    by_labels = {MINI: Totals(input=2), NANO: Totals(output=3), HOUSE: Totals(input_cached=7)}
    groups = grouped(by_labels, lambda labels: labels.project)
    assert list(groups.items()) == [
        ("search", Totals(input_cached=7)),
        ("checkout", Totals(input=2, output=3)),
    ]


def test_groups_of_equal_size_are_in_order_of_their_labels() -> None:
    groups = grouped({HOUSE: Totals(), NANO: Totals(), MINI: Totals()}, lambda labels: labels.model)
    assert list(groups) == ["gpt-5-mini", "gpt-5-nano", "house-model"]


def test_an_unknown_cost_is_none() -> None:
    assert cost_usd(Totals(input=5, unpriced=1)) is None


def test_a_cost_of_which_a_part_is_known_is_that_part() -> None:
    assert cost_usd(Totals(cost_nanousd=1_500_000, unpriced=1)) == 0.0015


def test_no_calls_cost_nothing() -> None:
    assert cost_usd(Totals()) == 0.0


def test_the_document() -> None:
    totals = Totals(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11_000_000, 12)
    assert totals_document(totals) == {
        "total_tokens": 15,
        "input_tokens": 6,
        "output_tokens": 9,
        "tokens": {
            "input": 1,
            "input_cached": 2,
            "input_cache_write": 3,
            "output": 4,
            "output_reasoning": 5,
        },
        "estimated_tokens": 13,
        "estimated_input_tokens": 6,
        "estimated_output_tokens": 7,
        "requests": 17,
        "errors": 9,
        "unmetered_requests": 10,
        "unpriced_requests": 12,
        "cost_usd": 0.011,
        "cost_nanousd": 11_000_000,
    }


@given(strategies.lists(strategies.integers(0, 2**53), min_size=12, max_size=12))
def test_nothing_is_lost_in_the_document(columns: list[int]) -> None:
    totals = Totals(*columns)
    assert totals_of(json.loads(json.dumps(totals_document(totals)))) == totals
