"""The usage of a body: five parts, whatever stands there, and never a fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.dialects.bodies import is_by_duration, parsed_usage, usage_in_body
from otel_token_monitor.dialects.tokens import MAX_TOKENS, ReadUsage
from otel_token_monitor.usage import TokenUsage

NAMES = (
    "input_tokens",
    "prompt_tokens",
    "output_tokens",
    "completion_tokens",
    "total_tokens",
    "reasoning_tokens",
    "cache_read_input_tokens",
    "prompt_cache_hit_tokens",
    "type",
)
DETAILS = (
    "input_tokens_details",
    "prompt_tokens_details",
    "completion_tokens_details",
    "output_tokens_details",
)
PARTS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_tokens")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
USAGES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6).flatmap(
    lambda flat: st.dictionaries(
        st.sampled_from(DETAILS),
        st.one_of(VALUES, st.dictionaries(st.sampled_from(PARTS), VALUES)),
        max_size=3,
    ).map(lambda nested: {**flat, **nested})
)


@given(USAGES)
def test_any_usage_is_five_counts_or_none(usage: dict[str, Any]) -> None:
    read = usage_in_body(usage).usage

    assert read is None or all(type(count) is int and count >= 0 for count in read)


@given(USAGES)
def test_no_usage_raises_when_it_is_asked_for_its_kind(usage: dict[str, Any]) -> None:
    assert is_by_duration(usage) == (usage.get("type") == "duration")


@given(VALUES)
def test_what_is_no_usage_raises_nothing(usage: object) -> None:
    usage_in_body(usage)


@pytest.mark.parametrize(
    "count",
    ["many", [7], -7, 7.5, float("nan"), float("inf"), 10**30, MAX_TOKENS, True],
    ids=repr,
)
def test_a_count_that_is_none_is_invalid(count: object) -> None:
    assert usage_in_body({"prompt_tokens": count}) == ReadUsage(None, invalid=True)


@pytest.mark.parametrize("count", ["7", 7.0], ids=repr)
def test_a_count_in_other_clothes_counts(count: object) -> None:
    assert usage_in_body({"prompt_tokens": count, "completion_tokens": 0}) == ReadUsage(
        TokenUsage(input=7)
    )


@pytest.mark.parametrize("details", ["none", [1], 7, None, {"cached_tokens": "x"}], ids=repr)
def test_details_that_are_none_hide_no_counts(details: object) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": details}

    assert usage_in_body(usage) == ReadUsage(TokenUsage(input=7, output=2))


def test_zeros_count() -> None:
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    assert usage_in_body(usage) == ReadUsage(TokenUsage())


@given(USAGES)
def test_a_usage_is_parsed_as_it_was_written(usage: dict[str, Any]) -> None:
    assert repr(parsed_usage(json.dumps(usage).encode())) == repr(usage)


@pytest.mark.parametrize("told", [b"", b"{", b"\xff", b'{"a": "\xff"}', b"[" * 100_000], ids=len)
def test_what_cannot_be_parsed_is_an_invalid_usage(told: bytes) -> None:
    assert usage_in_body(parsed_usage(told)) == ReadUsage(None, invalid=True)


@pytest.mark.parametrize("usage", ["7", [7], 7, 7.5, True], ids=repr)
def test_a_usage_that_is_no_object_is_invalid(usage: object) -> None:
    assert usage_in_body(usage) == ReadUsage(None, invalid=True)
