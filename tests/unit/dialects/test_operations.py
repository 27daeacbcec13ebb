"""Which spans are calls to models, and to which endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.dialects.operations import endpoint_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = {"gen_ai.request.model": "gpt-5-mini"}
HUGE = 10**5000
"""An integer that Python refuses to print."""


def endpoint(name: str, attributes: Mapping[str, object], provider: str = "openai") -> str | None:
    return endpoint_of(attributes, name, provider)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai.chat", "chat/completions"),
        ("openai.completion", "completions"),
        ("openai.embeddings", "embeddings"),
        ("openai.response", "responses"),
        ("openai.image_generation", "images/generations"),
    ],
)
def test_traceloops_span_name_tells_the_endpoint(name: str, expected: str) -> None:
    # It writes `chat` for every operation of the Responses API too.
    assert endpoint(name, {"gen_ai.operation.name": "chat"}) == expected


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("ChatCompletion", "LLM", "chat/completions"),
        ("Completion", "LLM", "completions"),
        ("Response", "LLM", "responses"),
        ("CreateEmbeddingResponse", "EMBEDDING", "embeddings"),
        ("CreateEmbeddings", "EMBEDDING", "embeddings"),
        ("ImagesResponse", "LLM", "images/generations"),
        ("Transcription", "LLM", "audio/transcriptions"),
    ],
)
def test_openinferences_span_name_tells_the_endpoint(name: str, kind: str, expected: str) -> None:
    assert endpoint(name, {"openinference.span.kind": kind}) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("chat", "chat/completions"),
        ("generate_content", "chat/completions"),
        ("text_completion", "completions"),
        ("completion", "completions"),
        ("embeddings", "embeddings"),
        ("embedding", "embeddings"),
        ("rerank", "rerank"),
        ("responses", "responses"),
    ],
)
def test_an_operation_of_openai_is_its_path(operation: str, expected: str) -> None:
    assert endpoint("x", {"gen_ai.operation.name": operation}) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("chat", "chat"),
        ("generate_content", "generate_content"),
        ("completion", "text_completion"),
        ("embedding", "embeddings"),
        ("rerank", "rerank"),
    ],
)
def test_an_operation_of_another_provider_keeps_the_conventions_name(
    operation: str, expected: str
) -> None:
    assert endpoint("x", {"gen_ai.operation.name": operation}, "anthropic") == expected


@pytest.mark.parametrize("provider", ["openai", "azure.ai.openai", "azure.ai.inference"])
def test_azure_has_openais_paths(provider: str) -> None:
    assert endpoint("x", {"gen_ai.operation.name": "chat"}, provider) == "chat/completions"


@pytest.mark.parametrize(
    ("api_type", "expected"),
    [("responses", "responses"), ("chat_completions", "chat/completions")],
)
def test_the_api_type_goes_before_the_operation(api_type: str, expected: str) -> None:
    attributes = {"gen_ai.operation.name": "chat", "openai.api.type": api_type}
    assert endpoint("chat gpt-5-mini", attributes) == expected


def test_an_older_traceloop_writes_the_operation_as_request_type() -> None:
    assert endpoint("groq.chat", {"llm.request.type": "chat"}, "groq") == "chat"


@pytest.mark.parametrize(
    "operation",
    [
        "invoke_agent",
        "invoke_workflow",
        "agent_step",
        "create_agent",
        "execute_tool",
        "fetch_response",
        "retrieval",
        "plan",
        "something_new",
    ],
)
@pytest.mark.parametrize("name", ["x", "openai.chat", "Response"])
def test_agents_workflows_tools_and_fetches_are_no_calls(operation: str, name: str) -> None:
    attributes = {**MODEL, "gen_ai.operation.name": operation, "gen_ai.usage.input_tokens": 10}
    assert endpoint(name, attributes) is None


@pytest.mark.parametrize(
    "kind",
    ["CHAIN", "AGENT", "TOOL", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT", "?"],
)
def test_of_openinferences_kinds_only_llm_and_embedding_are_calls(kind: str) -> None:
    attributes = {"openinference.span.kind": kind, "llm.token_count.total": 10}
    assert endpoint("ChatCompletion", attributes) is None


@pytest.mark.parametrize(("kind", "expected"), [("LLM", "chat"), ("EMBEDDING", "embeddings")])
def test_the_kind_tells_the_operation_where_nothing_else_does(kind: str, expected: str) -> None:
    assert endpoint("ChatAnthropic", {"openinference.span.kind": kind}, "anthropic") == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("ai.generateText.doGenerate", "chat/completions"),
        ("ai.streamText.doStream", "chat/completions"),
        ("ai.generateObject.doGenerate", "chat/completions"),
        ("ai.streamObject.doStream", "chat/completions"),
        ("ai.embed.doEmbed", "embeddings"),
        ("ai.embedMany.doEmbed", "embeddings"),
    ],
)
def test_vercels_inner_spans_are_calls(operation: str, expected: str) -> None:
    assert endpoint(operation, {"ai.operationId": operation}) == expected


@pytest.mark.parametrize(
    "operation",
    [
        "ai.generateText",
        "ai.streamText",
        "ai.generateObject",
        "ai.streamObject",
        "ai.embed",
        "ai.embedMany",
        "ai.toolCall",
    ],
)
def test_vercels_wrappers_are_no_calls(operation: str) -> None:
    attributes: dict[str, object] = {"ai.operationId": operation, "ai.usage.inputTokens": 10}
    assert endpoint(operation, attributes) is None


def test_litellms_copy_of_the_raw_request_is_no_call() -> None:
    attributes = {**MODEL, "gen_ai.operation.name": "chat"}
    assert endpoint("raw_gen_ai_request", attributes) is None


@pytest.mark.parametrize(
    ("call_type", "expected"),
    [
        ("acompletion", "chat/completions"),
        ("atext_completion", "completions"),
        ("aembedding", "embeddings"),
        ("aresponses", "responses"),
        ("anthropic_messages", "chat/completions"),
        ("arerank", "rerank"),
    ],
)
def test_litellms_async_functions_are_calls(call_type: str, expected: str) -> None:
    attributes = {
        **MODEL,
        "llm.request.type": call_type,
        "gen_ai.operation.name": call_type,
    }
    assert endpoint("litellm_request", attributes) == expected


@pytest.mark.parametrize("kind", ["workflow", "task", "agent", "tool"])
def test_traceloops_workflows_and_tasks_are_no_calls(kind: str) -> None:
    assert endpoint("x", {**MODEL, "traceloop.span.kind": kind}) is None


def test_an_agents_run_that_names_no_operation_and_no_model_is_no_call() -> None:
    # An older pydantic-ai's, which sums up the usage of the calls within.
    attributes = {
        "model_name": "gpt-5-mini",
        "agent_name": "agent",
        "gen_ai.usage.input_tokens": 51,
        "gen_ai.usage.output_tokens": 1,
    }
    assert endpoint("agent run", attributes) is None


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.request.model",
        "gen_ai.response.model",
        "llm.model_name",
        "llm.response.model",
        "embedding.model_name",
        "ai.model.id",
    ],
)
def test_a_span_that_names_a_model_is_a_call(name: str) -> None:
    assert endpoint("Chat Completion with 'gpt-5-mini'", {name: "m"}) == "chat/completions"


def test_a_span_that_says_nothing_of_models_is_no_call() -> None:
    assert endpoint("running 2 tools", {"tools": ["a", "b"]}) is None


@pytest.mark.parametrize("value", [None, True, 7, HUGE, 1.5, b"x", ["LLM"]], ids=type)
@pytest.mark.parametrize(
    "key", ["openai.api.type", "openinference.span.kind", "gen_ai.operation.name", "ai.operationId"]
)
def test_a_value_of_another_type_counts_as_absent(key: str, value: object) -> None:
    assert endpoint("openai.chat", {**MODEL, key: value}) == "chat/completions"
