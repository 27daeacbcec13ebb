"""What one call adds, and what many add up to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.usage import (
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    MAX_PROJECT_LENGTH,
    TOKEN_BOUNDS,
    Labels,
    Sums,
    TokenUsage,
    Totals,
    UsageRecord,
    check_project,
)

LABELS = Labels("shop", "openai", "gpt-5-mini", "chat/completions")
USAGE = TokenUsage(1, 20, 300, 4000, 50000)
SECOND = 1_000_000_000

counts = st.integers(0, 2**40)
usages = st.builds(TokenUsage, counts, counts, counts, counts, counts)


def record(**fields: Any) -> UsageRecord:
    return UsageRecord(**{"time_ns": 1, "nonce": 1, "labels": LABELS, "source": "test", **fields})


records = st.builds(
    record,
    usage=st.none() | usages,
    estimated=st.booleans(),
    unmetered=st.sampled_from([None, "no_usage", "abandoned"]),
    status=st.sampled_from(["ok", "error"]),
    duration_ns=st.none() | st.integers(0, 2**50),
    first_token_ns=st.none() | st.integers(0, 2**50),
    cost_nanousd=st.none() | st.integers(0, 2**40),
)


def test_input_tokens_are_the_three_input_parts() -> None:
    assert USAGE.input_tokens == 321


def test_output_tokens_are_the_two_output_parts() -> None:
    assert USAGE.output_tokens == 54000


def test_the_total_is_the_sum_of_all_parts() -> None:
    assert USAGE.total_tokens == 54321


@pytest.mark.parametrize("name", ["shop", "a", "x" * MAX_PROJECT_LENGTH, "søk 検索", "a/b:c"])
def test_a_printable_name_names_a_project(name: str) -> None:
    assert check_project(name) == name


@pytest.mark.parametrize(
    "name", ["", "   ", "a\nb", "a\x00b", "\ud800", "x" * (MAX_PROJECT_LENGTH + 1)]
)
def test_a_name_that_no_label_could_show_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="use 1 to 128 printable characters"):
        check_project(name)


def test_the_message_shows_no_more_than_the_beginning_of_a_long_name() -> None:
    with pytest.raises(ValueError, match="cannot name a project") as caught:
        check_project("x" * 1_000_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", [None, 1, b"shop", ["shop"]])
def test_a_project_that_is_no_string_is_refused(name: object) -> None:
    with pytest.raises(TypeError, match="must be a string, not"):
        check_project(name)


@pytest.mark.parametrize(
    ("time_ns", "quarter"),
    [(0, 0), (900 * SECOND - 1, 0), (900 * SECOND, 1), (1_790_000_000 * SECOND, 1_988_888)],
)
def test_a_call_belongs_to_the_quarter_hour_in_which_it_ended(time_ns: int, quarter: int) -> None:
    assert record(time_ns=time_ns).quarter == quarter


def test_a_metered_call_adds_its_parts_its_request_and_its_cost() -> None:
    assert Sums.of([record(usage=USAGE, cost_nanousd=7)]).totals == Totals(
        *USAGE, requests_ok=1, cost_nanousd=7
    )


def test_a_call_without_a_known_price_is_counted_as_unpriced() -> None:
    assert Sums.of([record(usage=USAGE)]).totals == Totals(*USAGE, requests_ok=1, unpriced=1)


def test_a_free_call_is_not_unpriced() -> None:
    assert Sums.of([record(usage=USAGE, cost_nanousd=0)]).totals.unpriced == 0


def test_an_estimate_adds_to_the_estimated_tokens_only() -> None:
    totals = Sums.of([record(usage=USAGE, estimated=True, unmetered="abandoned")]).totals
    assert totals == Totals(
        estimated_input=321, estimated_output=54000, requests_ok=1, unmetered=1, unpriced=1
    )


def test_an_unmetered_call_adds_a_request_and_no_tokens() -> None:
    assert Sums.of([record(unmetered="no_usage")]).totals == Totals(requests_ok=1, unmetered=1)


def test_a_refused_call_is_an_error_and_not_unmetered() -> None:
    assert Sums.of([record(status="error")]).totals == Totals(requests_error=1)


def test_totals_know_their_requests_of_both_statuses() -> None:
    assert Totals(requests_ok=3, requests_error=4).requests == 7


def test_totals_leave_estimates_out_of_the_exact_sums() -> None:
    totals = Totals(*USAGE, estimated_input=1000, estimated_output=1000)
    assert (totals.input_tokens, totals.output_tokens, totals.total_tokens) == (321, 54000, 54321)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (0.08, 0), (0.081, 1), (81.92, 10), (82, 11), (1e6, 11)]
)
def test_a_duration_counts_in_the_bucket_whose_bound_it_does_not_exceed(
    seconds: float, bucket: int
) -> None:
    sums = Sums()
    sums.merge(Sums.of([record(duration_ns=int(seconds * SECOND))]))
    assert [index for index, count in enumerate(sums.duration) if count] == [bucket]


@pytest.mark.parametrize(("seconds", "bucket"), [(0.1, 0), (0.11, 1), (10, 8), (11, 9)])
def test_a_time_to_first_token_counts_in_its_bucket(seconds: float, bucket: int) -> None:
    sums = Sums()
    sums.merge(Sums.of([record(first_token_ns=int(seconds * SECOND))]))
    assert [index for index, count in enumerate(sums.first_token) if count] == [bucket]


@pytest.mark.parametrize(
    ("tokens", "bucket"), [(0, 0), (16, 0), (17, 1), (1_048_576, 8), (1_048_577, 9)]
)
def test_tokens_count_in_their_bucket(tokens: int, bucket: int) -> None:
    sums = Sums()
    sums.merge(Sums.of([record(usage=TokenUsage(input=tokens))]))
    assert [index for index, count in enumerate(sums.input_tokens) if count] == [bucket]


def test_an_estimate_is_in_no_histogram_of_tokens() -> None:
    sums = Sums()
    sums.merge(Sums.of([record(usage=USAGE, estimated=True)]))
    assert sums.metered_count == 0


def test_unmetered_calls_are_counted_by_reason() -> None:
    sums = Sums()
    for reason in ("abandoned", "no_usage", "abandoned"):
        sums.merge(Sums.of([record(unmetered=reason)]))
    assert sums.unmetered == {"abandoned": 2, "no_usage": 1}


def test_what_is_not_known_of_a_call_is_in_no_histogram() -> None:
    sums = Sums()
    sums.merge(Sums.of([record()]))
    assert (sums.duration_count, sums.first_token_count, sums.metered_count) == (0, 0, 0)


def test_sums_of_two_label_sets_share_nothing() -> None:
    first, second = Sums(), Sums()
    first.merge(Sums.of([record(usage=USAGE, duration_ns=1, unmetered="x")]))
    assert second == Sums()


@given(st.lists(records, max_size=6), st.lists(records, max_size=6))
def test_merged_sums_are_those_of_all_records_together(
    first: list[UsageRecord], second: list[UsageRecord]
) -> None:
    one, two, both = Sums(), Sums(), Sums()
    for item in first:
        one.merge(Sums.of([item]))
        both.merge(Sums.of([item]))
    for item in second:
        two.merge(Sums.of([item]))
        both.merge(Sums.of([item]))
    one.merge(two)
    assert one == both


@given(records)
def test_each_histogram_has_a_bucket_more_than_bounds(item: UsageRecord) -> None:
    sums = Sums()
    sums.merge(Sums.of([item]))
    assert (len(sums.duration), len(sums.first_token), len(sums.input_tokens)) == (
        len(DURATION_BOUNDS) + 1,
        len(FIRST_TOKEN_BOUNDS) + 1,
        len(TOKEN_BOUNDS) + 1,
    )


@given(records)
def test_no_token_is_both_exact_and_estimated(item: UsageRecord) -> None:
    totals = Sums.of([item]).totals
    known = 0 if item.usage is None else item.usage.total_tokens
    assert totals.total_tokens + totals.estimated_input + totals.estimated_output == known
