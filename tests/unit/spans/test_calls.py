"""A call as one span tells it, and as several together tell it."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from otel_token_monitor.spans.calls import read_ended, record_of
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from tests.spans import EPOCH_NS, LANGCHAIN, MS, OFFICIAL, OPENINFERENCE, TRACELOOP, SpanLab

NOW_NS = EPOCH_NS + 3_600_000_000_000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5-mini"}
USED = {**CHAT, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 70}
AT_OPENAI = {"gen_ai.provider.name": "openai", "server.address": "api.openai.com"}


@pytest.fixture
def lab() -> SpanLab:
    return SpanLab()


def record(lab: SpanLab, *spans: tuple[str, dict[str, Any]]) -> UsageRecord:
    """The record that spans of these scopes and attributes make together."""
    for scope, attributes in spans:
        lab.end(lab.start(attributes, scope=scope, name="openai.chat"))
    return record_of(lab.calls())


def test_one_span_makes_a_whole_record(lab: SpanLab) -> None:
    span = lab.start({**USED, **AT_OPENAI, "gen_ai.response.id": "r1"}, start_ns=EPOCH_NS)
    identity = span.context
    lab.end(span, after_ms=250)
    assert record_of(lab.calls()) == UsageRecord(
        time_ns=EPOCH_NS + 250 * MS,
        nonce=identity.span_id - 2**63,
        labels=Labels("shop", "openai", "gpt-5-mini", "chat/completions"),
        source=TRACELOOP,
        usage=TokenUsage(input=10, output=70),
        response_id="r1",
        duration_ns=250 * MS,
        trace_id=f"{identity.trace_id:032x}",
        span_id=f"{identity.span_id:016x}",
    )


def test_a_span_that_is_no_call_makes_none(lab: SpanLab) -> None:
    lab.end(lab.start({"gen_ai.operation.name": "invoke_agent"}))
    assert lab.calls() == []


def test_the_last_exception_is_the_one_that_ended_the_call(lab: SpanLab) -> None:
    span = lab.start(CHAT)
    span.record_exception(KeyError())
    lab.fail(span, ValueError())
    assert record_of(lab.calls()).error_type == "ValueError"


@pytest.mark.parametrize(
    "name", ["First Token Stream Event", "gen_ai.content.completion.chunk", "ai.stream.firstChunk"]
)
def test_the_first_chunks_event_tells_the_time_to_the_first_token(lab: SpanLab, name: str) -> None:
    span = lab.start(USED)
    for after_ms in (30, 40):
        span.add_event(name, timestamp=EPOCH_NS + after_ms * MS)
    lab.end(span)
    assert record_of(lab.calls()).first_token_ns == 30 * MS


def test_another_event_is_no_token(lab: SpanLab) -> None:
    span = lab.start(USED)
    span.add_event("retry", timestamp=EPOCH_NS + MS)
    lab.end(span)
    assert record_of(lab.calls()).first_token_ns is None


def test_a_span_that_never_ended_tells_of_an_abandoned_call(lab: SpanLab) -> None:
    span = lab.start({**CHAT, "gen_ai.is_streaming": True})
    del span
    gc.collect()
    (ended,) = lab.ended()
    call = read_ended(ended, (), NOW_NS)
    assert call is not None
    assert (call.end_ns, call.facts.error_type, call.facts.unmetered) == (
        NOW_NS,
        "GeneratorExit",
        "abandoned",
    )


def test_a_span_that_never_ended_and_is_no_call_makes_none(lab: SpanLab) -> None:
    span = lab.start({"gen_ai.operation.name": "execute_tool"})
    del span
    gc.collect()
    (ended,) = lab.ended()
    assert read_ended(ended, (), NOW_NS) is None


@pytest.mark.parametrize("end_ns", [-1, 2**62, 2**70])
def test_an_end_that_no_call_can_have_is_now(lab: SpanLab, end_ns: int) -> None:
    lab.start(USED).end(end_ns)
    (ended,) = lab.ended()
    call = read_ended(ended, (), NOW_NS)
    assert call is not None
    assert call.end_ns == NOW_NS


@pytest.mark.parametrize("start_ns", [-(2**70), -1, 1, EPOCH_NS - 30 * 86400 * 1000 * MS])
def test_a_duration_that_no_call_can_have_is_unknown(lab: SpanLab, start_ns: int) -> None:
    lab.start(USED, start_ns=start_ns).end(EPOCH_NS)
    assert record_of(lab.calls()).duration_ns is None


def test_a_clock_that_went_back_makes_no_negative_duration(lab: SpanLab) -> None:
    lab.start(USED).end(EPOCH_NS - 5)
    assert record_of(lab.calls()).duration_ns == 0


def test_a_hostile_scope_makes_a_source_that_can_be_stored(lab: SpanLab) -> None:
    lab.end(lab.start(USED, scope="litellm." + "\ud800" * 1_000_000))
    source = record_of(lab.calls()).source
    assert (len(source), source.isprintable()) == (128, True)


def test_the_clients_span_is_believed_before_the_frameworks(lab: SpanLab) -> None:
    made = record(lab, (LANGCHAIN, USED), (OFFICIAL, USED))
    assert made.source == OFFICIAL


def test_of_two_clients_the_one_that_knows_the_usage_is_believed(lab: SpanLab) -> None:
    made = record(lab, (TRACELOOP, CHAT), (OPENINFERENCE, USED))
    assert (made.source, made.usage) == (OPENINFERENCE, TokenUsage(input=10, output=70))


def test_details_come_from_whichever_span_has_them(lab: SpanLab) -> None:
    detailed = {**USED, "gen_ai.usage.reasoning.output_tokens": 64}
    made = record(lab, (TRACELOOP, USED), (LANGCHAIN, detailed))
    assert made.usage == TokenUsage(input=10, output=6, output_reasoning=64)


def test_a_response_id_comes_from_whichever_span_has_one(lab: SpanLab) -> None:
    made = record(lab, (TRACELOOP, USED), (LANGCHAIN, {**USED, "gen_ai.response.id": "r1"}))
    assert made.response_id == "r1"


def test_the_model_keeps_the_vendor_that_some_instrumentations_strip(lab: SpanLab) -> None:
    full = {**USED, "gen_ai.request.model": "openai/gpt-5-mini"}
    assert record(lab, (TRACELOOP, USED), (OFFICIAL, full)).labels.model == "openai/gpt-5-mini"


def test_a_model_that_the_client_does_not_know_comes_from_the_framework(lab: SpanLab) -> None:
    unnamed = {key: value for key, value in USED.items() if key != "gen_ai.request.model"}
    assert record(lab, (TRACELOOP, unnamed), (LANGCHAIN, USED)).labels.model == "gpt-5-mini"


def test_the_provider_comes_from_the_span_that_knows_the_host(lab: SpanLab) -> None:
    groq = {**USED, "server.address": "api.groq.com"}
    made = record(lab, (TRACELOOP, {**USED, "gen_ai.system": "openai"}), (OFFICIAL, groq))
    assert made.labels.provider == "groq"


def test_a_retry_of_a_framework_that_ended_well_is_no_error(lab: SpanLab) -> None:
    made = record(lab, (TRACELOOP, USED), (LANGCHAIN, {**CHAT, "error.type": "X"}))
    assert (made.status, made.error_type) == ("ok", None)


def test_a_call_is_an_error_if_no_span_has_usage(lab: SpanLab) -> None:
    failed = {**CHAT, "error.type": "openai.APIConnectionError"}
    made = record(lab, (TRACELOOP, failed), (OFFICIAL, failed))
    assert (made.status, made.error_type, made.unmetered) == (
        "error",
        "APIConnectionError",
        "no_response",
    )


def test_a_call_that_one_span_says_was_refused_is_not_unmetered(lab: SpanLab) -> None:
    made = record(
        lab,
        (TRACELOOP, {**CHAT, "error.type": "RateLimitError"}),
        (LANGCHAIN, {**CHAT, "error.type": "SomethingOfTheFramework"}),
    )
    assert (made.status, made.error_type, made.unmetered) == ("error", "RateLimitError", None)


def test_a_cost_that_a_span_tells_is_the_calls(lab: SpanLab) -> None:
    made = record(lab, (TRACELOOP, USED), ("litellm", {**USED, "gen_ai.usage.cost": 0.5}))
    assert made.cost_nanousd == 500_000_000
