"""What a call costs: to the nano-dollar what genai-prices says."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor import pricing
from otel_token_monitor.pricing import cost_nanousd
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

TIME_NS = 1_790_000_000_000_000_000
NANO = 1_000_000_000

# Providers as the conventions name them, and as genai-prices does.
MODELS = [
    ("openai", "openai", "gpt-4o"),
    ("openai", "openai", "gpt-4o-mini"),
    ("openai", "openai", "gpt-5"),
    ("openai", "openai", "gpt-5-mini"),
    ("openai", "openai", "o3"),
    ("openai", "openai", "gpt-3.5-turbo"),
    ("openai", "openai", "gpt-4.1-nano"),
    ("anthropic", "anthropic", "claude-3-5-haiku-latest"),
    ("anthropic", "anthropic", "claude-sonnet-4-5"),
    ("anthropic", "anthropic", "claude-opus-4-1"),
    ("gcp.gemini", "google", "gemini-2.5-flash"),
    ("gcp.gemini", "google", "gemini-2.5-pro"),
    ("gcp.vertex_ai", "google", "gemini-2.5-pro"),
    ("azure.ai.openai", "azure", "gpt-4o"),
    ("aws.bedrock", "aws", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
    ("mistral_ai", "mistral", "mistral-large-latest"),
    ("x_ai", "x-ai", "grok-4"),
    ("groq", "groq", "llama-3.3-70b-versatile"),
    ("deepseek", "deepseek", "deepseek-chat"),
    ("openrouter", "openrouter", "openai/gpt-4o"),
    ("perplexity", "perplexity", "sonar"),
    ("perplexity", "perplexity", "sonar-deep-research"),
    ("cohere", "cohere", "command-r"),
]
USAGES = [
    TokenUsage(1000, 0, 0, 500, 0),
    TokenUsage(1, 0, 0, 0, 0),
    TokenUsage(0, 0, 0, 0, 1),
    TokenUsage(123, 4567, 89, 1011, 1213),
    TokenUsage(200_000, 0, 0, 1, 0),
    TokenUsage(200_001, 0, 0, 1, 0),
    TokenUsage(1, 199_999, 0, 1, 0),
    TokenUsage(1, 200_000, 0, 1, 1),
    TokenUsage(900_000, 50_000, 50_000, 100_000, 100_000),
]


def record(provider: str, model: str, usage: TokenUsage | None, **fields: Any) -> UsageRecord:
    labels = Labels("shop", provider, model, "chat")
    known = {"time_ns": TIME_NS, "nonce": 1, "labels": labels, "source": "test", "usage": usage}
    return UsageRecord(**{**known, **fields})


def expected(provider: str, model: str, usage: TokenUsage) -> int:
    """What genai-prices itself says, rounded to a nano-dollar."""
    price = calc_price(
        Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.input_cached,
            cache_write_tokens=usage.input_cache_write,
            output_tokens=usage.output_tokens,
            output_reasoning_tokens=usage.output_reasoning,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=datetime.fromtimestamp(TIME_NS // NANO, UTC),
    ).total_price
    return int((price * NANO).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize("usage", USAGES, ids=str)
@pytest.mark.parametrize(("provider", "theirs", "model"), MODELS)
def test_a_price_is_exact(provider: str, theirs: str, model: str, usage: TokenUsage) -> None:
    assert cost_nanousd(record(provider, model, usage)) == expected(theirs, model, usage)


counts = st.integers(0, 300_000)


@given(st.sampled_from(MODELS), st.builds(TokenUsage, counts, counts, counts, counts, counts))
def test_a_price_is_exact_for_any_usage(names: tuple[str, str, str], usage: TokenUsage) -> None:
    provider, theirs, model = names
    assert cost_nanousd(record(provider, model, usage)) == expected(theirs, model, usage)


def test_a_price_is_that_of_the_time_of_the_call() -> None:
    usage = TokenUsage(input=1_000_000)
    before, after = (
        int(datetime(2025, month, 1, tzinfo=UTC).timestamp()) * NANO for month in (6, 7)
    )
    # o3 became cheaper on 10 June 2025.
    assert [cost_nanousd(record("openai", "o3", usage, time_ns=at)) for at in (before, after)] == [
        10 * NANO,
        2 * NANO,
    ]


@pytest.mark.parametrize("count", [1000, 1001])
def test_what_is_done_in_batches_costs_half(count: int) -> None:
    usage = TokenUsage(input=count, output=count)
    batch = Labels("shop", "openai", "gpt-5-mini", "batches")
    whole = expected("openai", "gpt-5-mini", usage)
    assert cost_nanousd(record("openai", "gpt-5-mini", usage, labels=batch)) == whole // 2


def test_a_batch_is_many_calls_of_which_none_need_be_large() -> None:
    small = TokenUsage(input=100_000)
    batch = Labels("shop", "gcp.gemini", "gemini-2.5-pro", "batches")
    of_many = record("gcp.gemini", "gemini-2.5-pro", TokenUsage(input=400_000), labels=batch)
    assert cost_nanousd(of_many) == 4 * expected("google", "gemini-2.5-pro", small) // 2


def test_a_fee_a_call_is_paid_once() -> None:
    small, large = (
        cost_nanousd(record("perplexity", "sonar", TokenUsage(input=tokens)))
        for tokens in (1, 1_000_001)
    )
    assert (small, large) == (12_001_000, 1_012_001_000)


def test_reasoning_may_have_a_price_of_its_own() -> None:
    costs = [
        cost_nanousd(record("perplexity", "sonar-deep-research", usage))
        for usage in (TokenUsage(output=1_000_000), TokenUsage(output_reasoning=1_000_000))
    ]
    assert costs == [8 * NANO, 3 * NANO]


def test_the_model_that_answered_goes_before_the_one_that_was_asked() -> None:
    made = record("openai", "router", TokenUsage(input=1000), response_model="gpt-4o")
    assert cost_nanousd(made) == 2_500_000


def test_the_model_that_was_asked_helps_where_the_one_that_answered_is_unknown() -> None:
    made = record("openai", "gpt-4o", TokenUsage(input=1000), response_model="mystery-1")
    assert cost_nanousd(made) == 2_500_000


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "mystery-1"), ("nobody", "gpt-4o-mystery"), ("unknown", "unknown"), ("", "")],
)
def test_an_unknown_price_is_none_and_not_nothing(provider: str, model: str) -> None:
    assert cost_nanousd(record(provider, model, TokenUsage(input=1000))) is None


def test_a_call_without_usage_has_no_price() -> None:
    assert cost_nanousd(record("openai", "gpt-4o", None)) is None


def test_an_embedding_costs_its_input() -> None:
    made = record("openai", "text-embedding-3-small", TokenUsage(input=1_000_000))
    assert cost_nanousd(made) == 20_000_000


def test_output_of_a_model_that_has_no_price_for_it_is_not_free() -> None:
    made = record("openai", "text-embedding-3-small", TokenUsage(input=1000, output=1))
    assert cost_nanousd(made) is None


def test_a_model_that_is_priced_by_other_units_is_not_free() -> None:
    made = record("x_ai", "grok-voice-think-fast-2.0", TokenUsage(input=1000))
    assert cost_nanousd(made) is None


def test_a_price_that_no_call_can_have_is_none() -> None:
    assert cost_nanousd(record("openai", "gpt-4o", TokenUsage(output=2**32 - 1))) is None


@pytest.mark.parametrize("time_ns", [-(2**62), 0, 2**62, 2**90])
def test_a_time_that_no_calendar_has_never_raises(time_ns: int) -> None:
    made = record("openai", "gpt-4o", TokenUsage(input=1000), time_ns=time_ns)
    assert cost_nanousd(made) in {None, 2_500_000}


def test_a_fault_of_the_prices_is_a_warning_and_no_price(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = record("openai", "gpt-4o", TokenUsage(input=1), time_ns=2**91)
    with caplog.at_level(logging.WARNING, "otel_token_monitor"):
        cost = cost_nanousd(made)
    assert (cost, [r.levelname for r in caplog.records]) == (None, ["WARNING"])


def test_a_price_is_looked_up_once_a_quarter_hour() -> None:
    pricing._tiers.cache_clear()
    for second in range(100):
        made = record("openai", "gpt-4o", USAGES[0], time_ns=TIME_NS + second * NANO)
        cost_nanousd(made)
    assert pricing._tiers.cache_info().misses == 1
