"""Records of calls that were made by hand: what is understood, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from otel_token_monitor.records import endpoint_of, labels_of, new_record, usage_of
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

LABELS = Labels("shop", "openai", "gpt-5-mini", "chat/completions")
USED = TokenUsage(input=1)


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("chat_completion", "chat/completions"),
        ("completion", "completions"),
        ("embedding", "embeddings"),
        ("response", "responses"),
        ("image_generation", "images/generations"),
        ("transcription", "audio/transcriptions"),
        ("chat/completions", "chat/completions"),
        ("/v1/chat/completions", "chat/completions"),
        ("v1/responses", "responses"),
        ("https://api.openai.com/v1/embeddings/", "embeddings"),
        ("generate_content", "generate_content"),
    ],
)
def test_an_endpoint_is_openais_path_whatever_it_is_called(said: str, path: str) -> None:
    assert endpoint_of(said) == path


def test_the_five_parts_do_not_overlap() -> None:
    usage = usage_of(100, 50, cached_tokens=30, cache_write_tokens=10, reasoning_tokens=20)
    assert usage == TokenUsage(60, 30, 10, 30, 20)


def test_without_any_count_the_usage_is_unknown() -> None:
    assert usage_of(None, None) is None
    record = new_record(LABELS, None)
    assert (record.usage, record.unmetered) == (None, "no_usage")


def test_a_record_says_all_that_it_was_given() -> None:
    record = new_record(
        LABELS,
        USED,
        response_id="r",
        response_model="gpt-5-mini-2025-08-07",
        duration=1.5,
        time=datetime(2026, 3, 1, 9, 30, 0, 5, tzinfo=timezone(timedelta(hours=9))),
        cost_usd=Decimal("0.000000123"),
        estimated=True,
        trace_id=255,
    )
    assert record == UsageRecord(
        time_ns=1_772_325_000_000_005_000,
        nonce=record.nonce,
        labels=LABELS,
        source="manual",
        usage=USED,
        estimated=True,
        response_model="gpt-5-mini-2025-08-07",
        response_id="r",
        duration_ns=1_500_000_000,
        cost_nanousd=123,
        trace_id="000000000000000000000000000000ff",
    )


def test_each_record_is_another() -> None:
    nonces = {new_record(LABELS, USED).nonce for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(-(2**63) <= nonce < 2**63 for nonce in nonces)


@pytest.mark.parametrize(
    ("given", "error_type"),
    [({"status": "error"}, "_OTHER"), ({"error_type": "RateLimitError"}, "RateLimitError")],
)
def test_a_refused_call_is_an_error_that_used_nothing(
    given: dict[str, Any], error_type: str
) -> None:
    record = new_record(LABELS, TokenUsage(), **given)
    assert (record.status, record.error_type) == ("error", error_type)
    assert (record.usage, record.unmetered) == (None, None)


def test_a_call_that_failed_midway_may_have_used_something() -> None:
    assert new_record(LABELS, USED, status="error").usage == USED


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"input_tokens": -1}, ValueError, "input_tokens=-1: use a number from 0 to 4294967295"),
        ({"output_tokens": 2**32}, ValueError, "output_tokens=4294967296: use a number from 0"),
        ({"input_tokens": 1.0}, TypeError, "input_tokens=1.0: use a whole number of tokens"),
        ({"input_tokens": True}, TypeError, "input_tokens=True: use a whole number of tokens"),
        ({"output_tokens": "5"}, TypeError, "output_tokens='5': use a whole number of tokens"),
        (
            {"output_tokens": None},
            ValueError,
            "output_tokens is None: give both counts, or None for both if the usage is unknown",
        ),
        ({"input_tokens": None}, ValueError, "input_tokens is None: give both counts"),
        (
            {"input_tokens": None, "output_tokens": None, "cached_tokens": 1},
            ValueError,
            "parts are known, but input_tokens and output_tokens are None: give both",
        ),
        (
            {"cached_tokens": 8, "cache_write_tokens": 3},
            ValueError,
            "cached_tokens=8 and cache_write_tokens=3 are more than input_tokens=10: input_tokens",
        ),
        (
            {"reasoning_tokens": 6},
            ValueError,
            "reasoning_tokens=6 are more than output_tokens=5: output_tokens must include them",
        ),
    ],
)
def test_counts_that_cannot_be_are_refused(
    given: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as caught:
        usage_of(**{"input_tokens": 10, "output_tokens": 5, **given})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"model": ""}, ValueError, "model='': use 1 to 128 printable characters"),
        ({"model": "m" * 129}, ValueError, "use 1 to 128 printable characters"),
        ({"model": None}, TypeError, "model=None: use a string"),
        ({"provider": "a\nb"}, ValueError, "provider='a\\nb': use 1 to 128 printable characters"),
        ({"endpoint": "/v1/"}, ValueError, "endpoint='': use 1 to 128 printable characters"),
        ({"endpoint": 7}, TypeError, "endpoint=7: use a string"),
    ],
)
def test_labels_that_cannot_be_are_refused(
    given: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as caught:
        labels_of(**{"project": "p", "provider": "o", "model": "m", "endpoint": "chat", **given})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"status": "fine"}, ValueError, "status='fine': use 'ok' or 'error'"),
        ({"response_id": "r" * 257}, ValueError, "use 1 to 256 printable characters"),
        ({"response_model": 1}, TypeError, "response_model=1: use a string"),
        ({"duration": -0.1}, ValueError, "duration=-0.1: use seconds, from 0 to a week"),
        ({"duration": float("nan")}, ValueError, "duration=nan: use a number of seconds"),
        ({"duration": "1"}, TypeError, "duration='1': use a number of seconds"),
        ({"cost_usd": -1}, ValueError, "cost_usd=-1: use dollars, from 0 to 10000"),
        ({"cost_usd": True}, TypeError, "cost_usd=True: use a number of dollars"),
        ({"cost_usd": Decimal("NaN")}, ValueError, "use a number of dollars"),
        ({"time": 1.0}, TypeError, "time=1.0: use a datetime with a time zone"),
        (
            {"time": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the fault
            ValueError,
            "has no time zone: use datetime.now(timezone.utc), say",
        ),
        (
            {"time": datetime(2101, 1, 1, tzinfo=UTC)},
            ValueError,
            "use a time between the years 1970 and 2100",
        ),
    ],
)
def test_facts_that_cannot_be_are_refused(
    given: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as caught:
        new_record(LABELS, USED, **given)
    assert said in str(caught.value)


def test_an_estimate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="estimated=True goes with a usage: give input_tokens"):
        new_record(LABELS, None, estimated=True)
