"""What a call used that was left: by a fixed rule, whatever the request is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.wire.estimates import estimated_usage

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(("messages", "input", "prompt", "instructions", "tools", "model"))


def test_a_token_is_four_bytes_begun_or_full() -> None:
    request = {"messages": [{"role": "user", "content": "12345"}]}

    assert estimated_usage(request, 8) == TokenUsage(input=2, output=2)


def test_numbers_are_tokens() -> None:
    assert estimated_usage({"input": [[1, 2], [3]]}, 0) == TokenUsage(input=3)


def test_what_is_no_text_counts_nothing() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:" + "x" * 1000}}

    assert estimated_usage({"messages": [{"role": "user", "content": [image]}]}, 0) == TokenUsage()


def test_a_request_that_contains_itself_has_an_end() -> None:
    messages: list[Any] = []
    messages += [messages, messages]

    assert estimated_usage({"messages": messages}, 0) == TokenUsage()


@pytest.mark.parametrize("request_", [None, b"bytes", "text", [1]], ids=repr)
def test_a_request_that_is_no_object_counts_nothing(request_: object) -> None:
    assert estimated_usage(request_, 4) == TokenUsage(output=1)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.integers(0, 2**40))
def test_any_request_has_an_estimate(request_: dict[str, Any], text_bytes: int) -> None:
    usage = estimated_usage(request_, text_bytes)

    assert usage.input >= 0
    assert usage.output == -(-text_bytes // 4)
