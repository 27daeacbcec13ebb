"""Which instrumentation scopes make spans of calls to models."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["MANUAL", "MARKERS", "WIRE", "is_client_scope", "is_llm_scope"]

# Scopes whose spans are recorded whatever the sampler says. A scope is the name that an
# instrumentation gives its tracer: these names, and all that continue them after a dot.
_PREFIXES: Final = (
    "openinference.instrumentation",
    "opentelemetry.instrumentation.agno",
    "opentelemetry.instrumentation.aleph_alpha",
    "opentelemetry.instrumentation.alephalpha",
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.bedrock",
    "opentelemetry.instrumentation.botocore.bedrock-runtime",
    "opentelemetry.instrumentation.cohere",
    "opentelemetry.instrumentation.crewai",
    "opentelemetry.instrumentation.genai",
    "opentelemetry.instrumentation.google_genai",
    "opentelemetry.instrumentation.google_generativeai",
    "opentelemetry.instrumentation.groq",
    "opentelemetry.instrumentation.haystack",
    "opentelemetry.instrumentation.langchain",
    "opentelemetry.instrumentation.llamaindex",
    "opentelemetry.instrumentation.mistralai",
    "opentelemetry.instrumentation.ollama",
    "opentelemetry.instrumentation.openai",
    "opentelemetry.instrumentation.openai_agents",
    "opentelemetry.instrumentation.openai_v2",
    "opentelemetry.instrumentation.replicate",
    "opentelemetry.instrumentation.sagemaker",
    "opentelemetry.instrumentation.together",
    "opentelemetry.instrumentation.transformers",
    "opentelemetry.instrumentation.vertexai",
    "opentelemetry.instrumentation.voyageai",
    "opentelemetry.instrumentation.watsonx",
    "opentelemetry.instrumentation.writer",
    "opentelemetry.util.genai",
    "agent_framework",
    "ai",
    "autogen-core",
    "gcp.vertex.agent",
    "langfuse-sdk",
    "litellm",
    "logfire.anthropic",
    "logfire.google_genai",
    "logfire.litellm",
    "logfire.openai",
    "openlit",
    "pydantic-ai",
    "semantic_kernel",
    "strands.telemetry.tracer",
    "traceloop.tracer",
)

MANUAL: Final = "manual"
"""Stands for an instrumentation where the application logs a call by hand."""

WIRE: Final = "wire"
"""Stands for an instrumentation where a call was observed below the client."""

MARKERS: Final = frozenset(
    {
        "ai.operationId",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.system",
        "llm.model_name",
        "llm.request.type",
        "llm.token_count.total",
        "openinference.span.kind",
    }
)
"""Attributes one of which every span of a call to a model carries, whatever its scope."""


_CLIENTS: Final = frozenset(
    {
        "aleph_alpha",
        "alephalpha",
        "anthropic",
        "bedrock",
        "bedrock-runtime",
        "cohere",
        "genai",
        "google_genai",
        "google_generativeai",
        "groq",
        "mistralai",
        "ollama",
        "openai",
        "openai_v2",
        "replicate",
        "sagemaker",
        "together",
        "transformers",
        "vertexai",
        "voyageai",
        "watsonx",
        "writer",
    }
)


@lru_cache(maxsize=4096)
def is_client_scope(name: str) -> bool:
    """Whether a scope instruments a provider's client, not a framework that sits above one.

    One call may have a span of each; the client's knows best.
    """
    return not _CLIENTS.isdisjoint(name.split("."))


def is_llm_scope(name: str | None) -> bool:
    """Whether a scope's spans are, as a rule, calls to models."""
    return name is not None and any(
        name == prefix or name.startswith(prefix + ".") for prefix in _PREFIXES
    )
