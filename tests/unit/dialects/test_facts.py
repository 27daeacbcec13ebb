"""All that one span says about one call, in every dialect; and hostile spans."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_token_monitor.dialects import attributes as names
from otel_token_monitor.dialects.facts import CallFacts, SpanView, label, read_call
from otel_token_monitor.dialects.tokens import MAX_TOKENS
from otel_token_monitor.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5-mini"}
USED = {**CHAT, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}


def maybe(attributes: Mapping[str, object], name: str = "chat", **view: Any) -> CallFacts | None:
    return read_call(SpanView(name=name, attributes=attributes, **view))


def facts(attributes: Mapping[str, object], name: str = "chat", **view: Any) -> CallFacts:
    read = maybe(attributes, name, **view)
    assert read is not None
    return read


def test_a_call_in_todays_conventions() -> None:
    # As opentelemetry-instrumentation-genai-openai writes it.
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "server.address": "api.openai.com",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.model": "gpt-5-mini-2025-08-07",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 1210,
        "gen_ai.usage.output_tokens": 70,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "gen_ai.usage.cache_write.input_tokens": 200,
        "gen_ai.usage.reasoning.output_tokens": 64,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "openai.api.type": "responses",
    }
    assert facts(attributes, "chat gpt-5-mini") == CallFacts(
        provider="openai",
        model="gpt-5-mini",
        endpoint="responses",
        usage=TokenUsage(10, 1000, 200, 6, 64),
        unmetered=None,
        error_type=None,
        response_model="gpt-5-mini-2025-08-07",
        response_id="chatcmpl-1",
        first_token_ns=250_000_000,
        cost_nanousd=None,
        fetched=False,
    )


def test_a_call_of_an_older_traceloop() -> None:
    read = facts(
        {
            "gen_ai.system": "OpenAI",
            "llm.request.type": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.openai.api_base": "https://api.openai.com/v1/",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 20,
            "gen_ai.usage.cache_read_input_tokens": 40,
            "gen_ai.usage.reasoning_tokens": 8,
            "llm.usage.total_tokens": 120,
        },
        "openai.chat",
    )
    assert (read.provider, read.endpoint, read.usage) == (
        "openai",
        "chat/completions",
        TokenUsage(60, 40, 0, 12, 8),
    )


def test_a_call_of_openinference() -> None:
    read = facts(
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.model_name": "gpt-5-mini-2025-08-07",
            "llm.invocation_parameters": '{"model": "openai/gpt-5-mini"}',
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 70,
            "llm.token_count.total": 170,
            "llm.token_count.prompt_details.cache_read": 40,
            "llm.token_count.completion_details.reasoning": 64,
        },
        "ChatCompletion",
    )
    assert (read.model, read.response_model, read.usage) == (
        "openai/gpt-5-mini",
        "gpt-5-mini-2025-08-07",
        TokenUsage(60, 40, 0, 6, 64),
    )


def test_a_call_of_vercels_ai_sdk() -> None:
    read = facts(
        {
            "ai.operationId": "ai.streamText.doStream",
            "ai.model.id": "claude-sonnet-4-5",
            "ai.model.provider": "anthropic.messages",
            "ai.response.id": "msg_1",
            "ai.response.model": "claude-sonnet-4-5-20250929",
            "ai.response.msToFirstChunk": 312.5,
            "ai.usage.inputTokens": 3,
            "ai.usage.outputTokens": 30,
            "ai.usage.cachedInputTokens": 1000,
            "ai.usage.reasoningTokens": 10,
            "ai.usage.totalTokens": 33,
        },
        "ai.streamText.doStream",
    )
    assert (read.provider, read.model, read.endpoint, read.usage, read.first_token_ns) == (
        "anthropic",
        "claude-sonnet-4-5",
        "chat",
        TokenUsage(3, 1000, 0, 20, 10),
        312_500_000,
    )


def test_an_embedding_of_vercels_ai_sdk() -> None:
    read = facts({"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 8}, "ai.embed.doEmbed")
    assert (read.endpoint, read.usage) == ("embeddings", TokenUsage(input=8))


def test_a_call_of_litellm() -> None:
    read = facts(
        {
            "gen_ai.operation.name": "acompletion",
            "llm.request.type": "acompletion",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-5",
            "llm.is_streaming": "True",
            "gen_ai.usage.input_tokens": 1010,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.total_tokens": 1015,
            "gen_ai.usage.cost": 0.00321,
        },
        "litellm_request",
    )
    assert (read.provider, read.endpoint, read.usage, read.cost_nanousd) == (
        "anthropic",
        "chat",
        TokenUsage(input=1010, output=5),
        3_210_000,
    )


def test_a_call_of_pydantic_ai() -> None:
    read = facts(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "google-gla",
            "gen_ai.request.model": "gemini-2.5-flash",
            "gen_ai.agent.name": "agent",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.details.cache_read_tokens": 30,
            "gen_ai.usage.details.reasoning_tokens": 15,
            "operation.cost": 0.5,
        },
        "chat gemini-2.5-flash",
    )
    assert (read.usage, read.cost_nanousd) == (TokenUsage(70, 30, 0, 5, 15), 500_000_000)


def test_a_call_of_logfire() -> None:
    read = facts(
        {
            "logfire.span_type": "span",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 2,
            "gen_ai.usage.output_tokens": 1,
            "operation.cost": 0.000012,
        },
        "Chat Completion with {request_data[model]!r}",
    )
    assert (read.endpoint, read.usage, read.cost_nanousd) == (
        "chat/completions",
        TokenUsage(input=2, output=1),
        12_000,
    )


def test_a_span_that_is_no_call_says_nothing() -> None:
    assert maybe({**USED, "gen_ai.operation.name": "invoke_agent"}) is None


@pytest.mark.parametrize("name", ["gen_ai.request.model", "ai.model.id"])
def test_every_name_of_the_requested_model_is_read(name: str) -> None:
    assert facts({"gen_ai.operation.name": "chat", name: "m"}).model == "m"


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.response.model",
        "llm.response.model",
        "ai.response.model",
        "llm.model_name",
        "embedding.model_name",
    ],
)
def test_every_name_of_the_response_model_stands_in_for_the_request(name: str) -> None:
    read = facts({"gen_ai.operation.name": "chat", name: "m"})
    assert (read.model, read.response_model) == ("m", "m")


@pytest.mark.parametrize("name", ["llm.invocation_parameters", "embedding.invocation_parameters"])
def test_openinference_hides_the_requested_model_in_json(name: str) -> None:
    attributes = {"openinference.span.kind": "LLM", name: '{"model": "asked", "temperature": 1}'}
    assert facts(attributes).model == "asked"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"model": 7}', '{"model": ""}', "[" * 50_000, f'"{"x" * 65537}"',
     f'{{"n": {"9" * 5000}}}'],
    ids=range(9),
)  # fmt: skip
def test_parameters_that_cannot_be_read_leave_the_model_unknown(text: str) -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.invocation_parameters": text}
    assert facts(attributes).model == "unknown"


@pytest.mark.parametrize("name", ["gen_ai.response.id", "llm.response.id", "ai.response.id"])
def test_every_name_of_the_response_id_is_read(name: str) -> None:
    assert facts({**CHAT, name: "id-1"}).response_id == "id-1"


@pytest.mark.parametrize("name", ["gen_ai.usage.cost", "operation.cost", "llm.cost.total"])
def test_every_name_of_the_cost_is_read(name: str) -> None:
    assert facts({**USED, name: 1.25}).cost_nanousd == 1_250_000_000


def test_a_cost_of_nothing_is_a_cost() -> None:
    assert facts({**USED, "gen_ai.usage.cost": 0}).cost_nanousd == 0


@pytest.mark.parametrize(
    "value",
    [-0.1, math.nan, math.inf, -math.inf, 10_000, 10**400, 10**5000, True, "0.5", [0.5]],
    ids=type,
)
def test_a_cost_that_no_call_can_have_is_not_believed(value: object) -> None:
    assert facts({**USED, "gen_ai.usage.cost": value}).cost_nanousd is None


@pytest.mark.parametrize(
    "value", [-1, math.nan, math.inf, 1e12, 10**400, 10**5000, True, "1", None], ids=type
)
@pytest.mark.parametrize(
    "name", ["gen_ai.response.time_to_first_chunk", "ai.response.msToFirstChunk"]
)
def test_a_time_to_the_first_token_that_none_can_have_is_not_believed(
    name: str, value: object
) -> None:
    assert facts({**USED, name: value}).first_token_ns is None


def test_the_first_tokens_event_tells_where_no_attribute_does() -> None:
    assert facts(USED, first_token_ns=77).first_token_ns == 77


def test_an_event_years_after_the_start_is_not_believed() -> None:
    assert facts(USED, first_token_ns=2**70).first_token_ns is None


def test_a_failed_call_keeps_the_usage_that_it_has() -> None:
    read = facts(USED, status="ERROR", exception_type="KeyError")
    assert (read.error_type, read.usage) == ("KeyError", TokenUsage(input=10, output=5))


@pytest.mark.parametrize(
    "exception",
    ["openai.RateLimitError", "anthropic.BadRequestError", "google.genai.errors.ClientError",
     "botocore.errorfactory.ThrottlingException", "groq.InternalServerError"],
)  # fmt: skip
def test_a_refused_call_of_any_provider_is_an_error_and_not_unmetered(exception: str) -> None:
    read = facts(CHAT, status="ERROR", exception_type=exception)
    assert (read.error_type, read.unmetered) == (exception.rpartition(".")[2], None)


def test_unusable_usage_is_said_to_be_invalid() -> None:
    assert facts({**CHAT, "gen_ai.usage.input_tokens": -1}).unmetered == "invalid_usage"


def test_a_call_in_the_background_has_its_own_reason() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.invocation_parameters": '{"model": "m", "background": true}',
    }
    assert facts(attributes, "Response").unmetered == "background"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gen_ai.is_streaming", True),
        ("gen_ai.request.stream", True),
        ("llm.is_streaming", True),
        ("llm.is_streaming", "True"),
    ],
)
def test_every_name_of_a_stream_is_read(name: str, value: object) -> None:
    read = facts({**CHAT, name: value, "gen_ai.response.finish_reasons": ("stop",)})
    assert read.unmetered == "stream_without_usage"


@pytest.mark.parametrize("value", [False, "False", None, 1, "yes"])
def test_what_is_not_said_to_be_a_stream_is_none(value: object) -> None:
    read = facts({**CHAT, "llm.is_streaming": value, "llm.finish_reason": "stop"})
    assert read.unmetered == "no_usage"


def test_a_stream_of_openinference_is_told_by_its_parameters() -> None:
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.invocation_parameters": '{"model": "m", "stream": true}',
    }
    assert facts(attributes, status="OK").unmetered == "stream_without_usage"


def test_a_response_without_a_requested_model_was_fetched() -> None:
    attributes = {"gen_ai.response.id": "resp_1", "gen_ai.operation.name": "chat"}
    assert facts(attributes, "openai.response").fetched is True


def test_a_response_that_was_asked_for_is_not_fetched() -> None:
    assert facts({**CHAT, "gen_ai.response.id": "resp_1"}, "openai.response").fetched is False


@pytest.mark.parametrize("text", ["m", "gpt-5-mini", "x" * 128, "ü/模型"])
def test_a_text_that_fits_is_its_own_label(text: str) -> None:
    assert label(text) == text


@pytest.mark.parametrize(
    ("text", "expected"), [("a\nb", "a b"), ("\x00", " "), ("a\u2028b", "a b"), ("\ud800", " ")]
)
def test_what_cannot_be_printed_becomes_a_space(text: str, expected: str) -> None:
    assert label(text) == expected


def test_a_long_text_is_cut_and_marked() -> None:
    cut = label("x" * 1_000_000)
    assert (cut[:112], len(cut)) == ("x" * 111 + "~", 128)


def test_two_long_texts_stay_distinct() -> None:
    assert label("x" * 1000 + "a") != label("x" * 1000 + "b")


@given(st.text(max_size=300))
def test_every_label_is_printable_and_short(text: str) -> None:
    made = label(text)
    assert made.isprintable()
    assert len(made) <= 128


@given(st.text(min_size=129, max_size=200), st.text(min_size=129, max_size=200), st.booleans())
def test_texts_that_were_cut_stay_distinct(one: str, two: str, same_start: bool) -> None:
    if same_start:
        two = one[:129] + two
    assert (label(one) == label(two)) == (one == two)


READ_NAMES = sorted(
    {
        "ai.operationId",
        "traceloop.span.kind",
        *(
            name
            for table in names.__all__
            for name in (
                [getattr(names, table)]
                if isinstance(getattr(names, table), str)
                else getattr(names, table)
            )
        ),
    }
)
SAID = sorted(
    {"chat", "embeddings", "LLM", "EMBEDDING", "openai", "responses", "ai.x.doStream", "True",
     "RateLimitError", "https://api.openai.com/v1", '{"model": "m"}', "http://[", "7"}
)  # fmt: skip
MEGABYTE = "x\n" * 500_000
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 2**31, 2**63, 10**400, math.nan, math.inf, MEGABYTE, *SAID])
    | st.floats()
    | st.text(st.characters(codec=None), max_size=200)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
hostile = st.dictionaries(st.sampled_from(READ_NAMES) | st.text(max_size=10), values, max_size=15)
span_names = st.sampled_from(["openai.chat", "openai.response", "Response", "x", MEGABYTE])


def view(attributes: dict[str, object], name: str) -> CallFacts | None:
    return maybe(attributes, name, status="ERROR", exception_type="x.KeyError")


@pytest.mark.parametrize("name", READ_NAMES)
def test_an_integer_that_python_refuses_to_print_makes_no_name_raise(name: str) -> None:
    attributes: dict[str, object] = {**USED, name: 10**5000}
    attributes.setdefault("server.address", "api.openai.com")
    read = maybe(attributes, "openai.chat")
    assert read is not None or name == "traceloop.span.kind"


@example({**CHAT, "gen_ai.usage.cost": 10**400}, "x")
@example({**CHAT, "gen_ai.response.time_to_first_chunk": 10**400}, "x")
@given(hostile, span_names)
def test_no_attributes_make_the_extraction_raise(attributes: dict[str, object], name: str) -> None:
    read = view(attributes, name)
    assert read is None or isinstance(read, CallFacts)


@settings(max_examples=30)
@given(hostile, span_names)
def test_every_text_of_a_call_is_printable_and_short(
    attributes: dict[str, object], name: str
) -> None:
    read = view({**CHAT, **attributes}, name)
    texts = (
        []
        if read is None
        else [read.provider, read.model, read.endpoint, read.error_type, read.response_model]
    )
    bad = [t for t in texts if t is not None and (len(t) > 128 or not t.isprintable() or not t)]
    assert bad == []


@settings(max_examples=30)
@given(hostile)
def test_a_response_id_can_be_stored(attributes: dict[str, object]) -> None:
    read = view({**CHAT, **attributes}, "openai.chat")
    said = "" if read is None or read.response_id is None else read.response_id
    assert len(said.encode()) <= 4 * 256


@settings(max_examples=30)
@given(hostile)
def test_no_part_is_negative_or_larger_than_any_call(attributes: dict[str, object]) -> None:
    read = view({**CHAT, **attributes}, "openai.chat")
    usage = None if read is None else read.usage
    assert usage is None or all(0 <= part < MAX_TOKENS for part in usage)


@settings(max_examples=30)
@given(hostile)
def test_a_call_has_either_usage_or_a_reason_or_was_refused(attributes: dict[str, object]) -> None:
    read = view({**CHAT, **attributes}, "openai.chat")
    assert read is None or read.usage is None or read.unmetered is None


@pytest.mark.parametrize("name", ["gen_ai.provider.name", "gen_ai.system", "llm.provider"])
def test_two_long_providers_stay_distinct(name: str) -> None:
    one, two = (facts({**CHAT, name: "p" * 200 + end}).provider for end in "ab")
    assert one != two


def test_a_model_from_json_may_hold_what_no_database_can_store() -> None:
    parameters = json.dumps({"model": "m\ud800"})
    attributes = {"openinference.span.kind": "LLM", "llm.invocation_parameters": parameters}
    assert facts(attributes).model == "m "
