"""Counts of tokens, in every dialect, as five parts that do not overlap."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.dialects.tokens import MAX_TOKENS, ReadUsage, disjoint, read_usage
from otel_token_monitor.usage import TokenUsage

# The tables of facts/instrumentation.md, written out again: dropping a name must fail here.
INPUT = [
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
]
OUTPUT = [
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
]
TOTAL = [
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "ai.usage.totalTokens",
]
CACHE_READ = [
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.prompt_tokens_details.cached_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.input_tokens.cached",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.cachedInputTokens",
    "ai.usage.inputTokenDetails.cacheReadTokens",
]
CACHE_WRITE = [
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
    "gen_ai.usage.details.cache_write_tokens",
    "llm.token_count.prompt_details.cache_write",
    "ai.usage.inputTokenDetails.cacheWriteTokens",
]
REASONING = [
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.usage.reasoning_tokens",
    "gen_ai.usage.completion_tokens_details.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.reasoningTokens",
    "ai.usage.outputTokenDetails.reasoningTokens",
]
ALL_NAMES = [*INPUT, *OUTPUT, *TOTAL, *CACHE_READ, *CACHE_WRITE, *REASONING]

IN, OUT, SUM = INPUT[0], OUTPUT[0], TOTAL[0]


def usage_of(attributes: dict[str, object]) -> TokenUsage | None:
    return read_usage(attributes).usage


@pytest.mark.parametrize("name", INPUT)
def test_every_name_of_the_input_is_read(name: str) -> None:
    assert usage_of({name: 10, OUT: 5}) == TokenUsage(input=10, output=5)


@pytest.mark.parametrize("name", OUTPUT)
def test_every_name_of_the_output_is_read(name: str) -> None:
    assert usage_of({IN: 10, name: 5}) == TokenUsage(input=10, output=5)


@pytest.mark.parametrize("name", TOTAL)
def test_every_name_of_the_total_is_read(name: str) -> None:
    assert usage_of({IN: 10, name: 15}) == TokenUsage(input=10, output=5)


@pytest.mark.parametrize("name", CACHE_READ)
def test_every_name_of_tokens_read_from_the_cache_is_read(name: str) -> None:
    assert usage_of({IN: 10, OUT: 5, name: 4}) == TokenUsage(input=6, input_cached=4, output=5)


@pytest.mark.parametrize("name", CACHE_WRITE)
def test_every_name_of_tokens_written_to_the_cache_is_read(name: str) -> None:
    assert usage_of({IN: 10, OUT: 5, name: 4}) == TokenUsage(input=6, input_cache_write=4, output=5)


@pytest.mark.parametrize("name", REASONING)
def test_every_name_of_the_reasoning_is_read(name: str) -> None:
    assert usage_of({IN: 10, OUT: 5, name: 4}) == TokenUsage(input=10, output=1, output_reasoning=4)


@pytest.mark.parametrize("names", [INPUT, OUTPUT, TOTAL, CACHE_READ, CACHE_WRITE, REASONING])
def test_of_several_names_the_first_in_the_table_holds_and_none_is_added(names: list[str]) -> None:
    base: dict[str, object] = {IN: 1000, OUT: 1000}
    both = {**base, **{name: 2 + position for position, name in enumerate(names)}}
    first = {**base, names[0]: 2}
    assert usage_of(both) == usage_of(first)


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.aggregated_usage.input_tokens",
        "gen_ai.usage.partial.input_tokens",
        "gen_ai.usage.input_tokens.audio",
        "gen_ai.request.max_tokens",
        "llm.token_count.prompt_details.audio",
    ],
)
def test_sums_partial_counts_and_limits_are_not_usage(name: str) -> None:
    assert read_usage({name: 10}) == ReadUsage(None)


def test_both_families_on_one_span_are_counted_once() -> None:
    # As with OPENINFERENCE_ENABLE_GENAI_SEMCONV set.
    attributes: dict[str, object] = {
        "llm.token_count.prompt": 10,
        "llm.token_count.completion": 70,
        "llm.token_count.total": 80,
        "llm.token_count.completion_details.reasoning": 64,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 70,
        "gen_ai.usage.reasoning.output_tokens": 64,
    }
    assert usage_of(attributes) == TokenUsage(input=10, output=6, output_reasoning=64)


def test_without_any_attribute_there_is_no_usage() -> None:
    assert read_usage({}) == ReadUsage(None)


def test_zeros_alone_are_no_usage() -> None:
    assert read_usage({IN: 0, OUT: 0, SUM: 0}) == ReadUsage(None)


def test_a_zero_beside_a_count_is_a_count() -> None:
    assert usage_of({IN: 10, OUT: 0}) == TokenUsage(input=10)


def test_a_total_alone_is_input() -> None:
    assert usage_of({SUM: 15}) == TokenUsage(input=15)


def test_a_missing_input_comes_from_the_total() -> None:
    assert usage_of({OUT: 5, SUM: 15}) == TokenUsage(input=10, output=5)


def test_a_missing_output_comes_from_the_total() -> None:
    assert usage_of({IN: 10, SUM: 15}) == TokenUsage(input=10, output=5)


def test_a_total_that_is_too_small_makes_no_part_negative() -> None:
    assert usage_of({IN: 10, SUM: 3}) == TokenUsage(input=10)


def test_a_total_is_not_added_to_input_and_output() -> None:
    assert usage_of({IN: 10, OUT: 5, SUM: 100}) == TokenUsage(input=10, output=5)


def test_input_without_output_or_total_is_usage() -> None:
    assert usage_of({IN: 10}) == TokenUsage(input=10)


def test_output_without_input_or_total_is_usage() -> None:
    assert usage_of({OUT: 10}) == TokenUsage(output=10)


def test_anthropics_own_counts_leave_the_cache_out_of_the_input() -> None:
    assert disjoint(input_tokens=3, output_tokens=9, cache_read=1000, cache_write=200) == (
        TokenUsage(input=3, input_cached=1000, input_cache_write=200, output=9)
    )


def test_a_total_tells_that_a_small_cache_is_beside_the_input() -> None:
    assert disjoint(input_tokens=100, output_tokens=10, cache_read=40, total=150) == TokenUsage(
        input=100, input_cached=40, output=10
    )


def test_a_total_tells_that_the_cache_is_within_the_input() -> None:
    assert disjoint(input_tokens=100, output_tokens=10, cache_read=40, total=110) == TokenUsage(
        input=60, input_cached=40, output=10
    )


def test_geminis_own_counts_leave_thoughts_out_of_the_output() -> None:
    assert disjoint(input_tokens=10, output_tokens=5, reasoning=3, total=18) == TokenUsage(
        input=10, output=5, output_reasoning=3
    )


def test_more_reasoning_than_output_is_beside_it() -> None:
    assert disjoint(input_tokens=10, output_tokens=5, reasoning=64) == TokenUsage(
        input=10, output=5, output_reasoning=64
    )


def test_a_total_tells_that_cache_and_reasoning_are_both_beside() -> None:
    assert disjoint(
        input_tokens=10, output_tokens=5, cache_read=2, reasoning=3, total=20
    ) == TokenUsage(input=10, input_cached=2, output=5, output_reasoning=3)


def test_an_embedding_whose_total_is_repeated_as_output_has_none() -> None:
    attributes: dict[str, object] = {IN: 8, OUT: 8, SUM: 8}
    assert read_usage(attributes, is_embedding=True).usage == TokenUsage(input=8)


@pytest.mark.parametrize(
    ("value", "tokens"), [(7, 7), (7.0, 7), ("7", 7), ("007", 7), (MAX_TOKENS - 1, MAX_TOKENS - 1)]
)
def test_a_count_may_be_written_as_number_or_digits(value: object, tokens: int) -> None:
    assert usage_of({IN: value}) == TokenUsage(input=tokens)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        True,
        1.5,
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        MAX_TOKENS,
        2**63,
        pytest.param(10**5000, id="5000 digits"),
        "",
        "-1",
        "1e3",
        "٣",
        pytest.param("9" * 1_000_000, id="a million digits"),
        b"7",
        [7],
        [[7]],
        {"tokens": 7},
        object(),
    ],
)
def test_a_value_that_is_no_count_is_absent_and_said_to_be_invalid(value: object) -> None:
    assert read_usage({IN: value}) == ReadUsage(None, invalid=True)


def test_a_value_that_is_no_count_does_not_hide_the_next_name() -> None:
    assert usage_of({INPUT[0]: "many", INPUT[1]: 10}) == TokenUsage(input=10)


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**62, 2**66)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.lists(st.lists(st.integers(), max_size=2), max_size=2)
    | st.sampled_from(["9" * 1_000_000, 10**400, "x" * 1_000_000])
)
counts = st.integers(0, MAX_TOKENS - 1)


@given(st.dictionaries(st.sampled_from(ALL_NAMES), values, max_size=12), st.booleans())
def test_no_part_is_ever_negative(attributes: dict[str, object], is_embedding: bool) -> None:
    usage = read_usage(attributes, is_embedding=is_embedding).usage
    assert usage is None or min(usage) >= 0


@given(st.dictionaries(st.sampled_from(ALL_NAMES), counts, min_size=1))
def test_valid_counts_are_never_called_invalid(attributes: dict[str, object]) -> None:
    assert read_usage(attributes).invalid is False


@given(counts, counts, counts, counts, counts)
def test_parts_within_their_wholes_sum_to_input_and_output(
    plain: int, cached: int, written: int, output: int, reasoning: int
) -> None:
    usage = disjoint(
        input_tokens=plain + cached + written,
        output_tokens=output + reasoning,
        cache_read=cached,
        cache_write=written,
        reasoning=reasoning,
        total=plain + cached + written + output + reasoning,
    )
    assert usage == TokenUsage(plain, cached, written, output, reasoning)


@given(counts, counts, counts, counts, counts)
def test_parts_beside_their_wholes_sum_to_the_total_that_says_so(
    plain: int, cached: int, written: int, output: int, reasoning: int
) -> None:
    total = plain + cached + written + output + reasoning
    usage = disjoint(
        input_tokens=plain,
        output_tokens=output,
        cache_read=cached,
        cache_write=written,
        reasoning=reasoning,
        total=total,
    )
    assert usage.total_tokens == total


@given(counts, counts, counts, counts, counts, st.none() | counts)
def test_the_five_parts_sum_to_what_was_said_each_part_once(  # noqa: PLR0917 - drawn by name
    input_tokens: int, cached: int, written: int, output: int, reasoning: int, total: int | None
) -> None:
    usage = disjoint(
        input_tokens=input_tokens,
        output_tokens=output,
        cache_read=cached,
        cache_write=written,
        reasoning=reasoning,
        total=total,
    )
    beside = (0, cached + written, reasoning, cached + written + reasoning)
    assert usage.total_tokens - input_tokens - output in beside
