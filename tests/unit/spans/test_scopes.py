"""Which instrumentations make calls to models, and which of them are a client's."""

from __future__ import annotations

import pytest

from otel_token_monitor.spans.scopes import is_client_scope, is_llm_scope

CLIENTS = [
    "opentelemetry.instrumentation.openai.v1",
    "opentelemetry.instrumentation.openai_v2",
    "opentelemetry.instrumentation.genai.openai",
    "openinference.instrumentation.openai",
    "openinference.instrumentation.anthropic",
    "openinference.instrumentation.bedrock",
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.botocore.bedrock-runtime",
    "opentelemetry.instrumentation.google_generativeai",
    "opentelemetry.instrumentation.mistralai",
    "logfire.openai",
]
FRAMEWORKS = [
    "openinference.instrumentation.langchain",
    "opentelemetry.instrumentation.langchain",
    "opentelemetry.instrumentation.llamaindex",
    "opentelemetry.instrumentation.openai_agents",
    "litellm",
    "pydantic-ai",
    "ai",
    "traceloop.tracer",
    "strands.telemetry.tracer",
]


@pytest.mark.parametrize("scope", [*CLIENTS, *FRAMEWORKS])
def test_an_instrumentation_of_models_is_an_llm_scope(scope: str) -> None:
    assert is_llm_scope(scope)


@pytest.mark.parametrize(
    "scope",
    ["", "ai2", "airflow", "litellm_not", "opentelemetry.instrumentation.requests",
     "opentelemetry.instrumentation.openaix", "opentelemetry.instrumentation", "shop.openai"],
)  # fmt: skip
def test_every_other_scope_is_none(scope: str) -> None:
    assert not is_llm_scope(scope)


def test_a_span_without_a_scope_is_of_none() -> None:
    assert not is_llm_scope(None)


@pytest.mark.parametrize("scope", CLIENTS)
def test_an_instrumentation_of_a_client_is_a_clients(scope: str) -> None:
    assert is_client_scope(scope)


@pytest.mark.parametrize("scope", FRAMEWORKS)
def test_an_instrumentation_of_a_framework_is_not_a_clients(scope: str) -> None:
    assert not is_client_scope(scope)
