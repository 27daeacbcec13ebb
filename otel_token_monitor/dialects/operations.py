"""What kind of call a span is: its endpoint, or that it is no call to a model at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.dialects import attributes as name
from otel_token_monitor.dialects.names import ALL_NAMES, Names
from otel_token_monitor.dialects.providers import OPENAI_COMPATIBLE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EMBEDDINGS", "endpoint_of"]

EMBEDDINGS: Final = "embeddings"

# The OpenAI path without `/v1/` that a span's name tells.
_BY_SPAN_NAME: Final = {
    "openai.chat": "chat/completions",
    "openai.completion": "completions",
    "openai.embeddings": EMBEDDINGS,
    "openai.response": "responses",
    "openai.image_generation": "images/generations",
    "ChatCompletion": "chat/completions",
    "Completion": "completions",
    "CreateEmbeddingResponse": EMBEDDINGS,
    "CreateEmbeddings": EMBEDDINGS,
    "Response": "responses",
    "ImagesResponse": "images/generations",
    "Transcription": "audio/transcriptions",
}

_BY_API_TYPE: Final = {"chat_completions": "chat/completions", "responses": "responses"}

# OpenAI's endpoint for an operation of the conventions, and for the words of other dialects.
_OPENAI_BY_OPERATION: Final = {
    "chat": "chat/completions",
    "completion": "completions",
    "text_completion": "completions",
    "embedding": EMBEDDINGS,
    "embeddings": EMBEDDINGS,
    "rerank": "rerank",
    "generate_content": "chat/completions",
}
_OPENAI_LIKE: Final = frozenset(
    {"openai", "azure.ai.openai", "azure.ai.inference", OPENAI_COMPATIBLE}
)

_OPERATION_NAMES: Final = {"completion": "text_completion", "embedding": EMBEDDINGS}

_KINDS: Final = {"LLM": "chat", "EMBEDDING": EMBEDDINGS}

# LiteLLM writes the name of the function that was called.
_LITELLM_FUNCTIONS: Final = {
    "acompletion": "chat",
    "atext_completion": "text_completion",
    "aembedding": EMBEDDINGS,
    "agenerate_content": "generate_content",
    "aimage_generation": "image_generation",
    "amoderation": "moderation",
    "anthropic_messages": "chat",
    "arerank": "rerank",
    "aresponses": "responses",
    "aspeech": "speech",
    "atranscription": "transcription",
}

# The operations of calls to models; every other one (agents, workflows, tools, retrieval, fetching
# what was paid for already) is never counted.
_CALLS: Final = frozenset(
    {
        "chat",
        "completion",
        "text_completion",
        "embedding",
        "embeddings",
        "generate_content",
        "image_generation",
        "speech",
        "transcription",
        "translation",
        "moderation",
        "rerank",
        "responses",
    }
)

_VERCEL_CALLS: Final = (".doGenerate", ".doStream", ".doEmbed")

_NEVER: Final = frozenset({"raw_gen_ai_request"})
_TRACELOOP_KIND: Final = "traceloop.span.kind"


def endpoint_of(  # noqa: PLR0911 - a decision a line
    attributes: Mapping[str, object],
    span_name: str,
    provider: str,
    names: Names = ALL_NAMES,
    *,
    openai_client: bool = False,
) -> str | None:
    """The endpoint that a span called; None if it is no call to a model, or one counted elsewhere.

    Where OpenAI's protocol is spoken the path without `/v1/`, elsewhere the conventions' operation.
    `openai_client` says that a span is of OpenAI's own client, whoever the server is.
    """
    speaks_openai = openai_client or provider in _OPENAI_LIKE
    vercel = attributes.get("ai.operationId")
    if isinstance(vercel, str):
        if not vercel.endswith(_VERCEL_CALLS):
            return None
        return (
            EMBEDDINGS
            if vercel.endswith(".doEmbed")
            else _named("chat", speaks_openai=speaks_openai)
        )
    if span_name in _NEVER or _TRACELOOP_KIND in attributes:
        return None
    kind = attributes.get(name.SPAN_KIND)
    if isinstance(kind, str) and kind not in _KINDS:
        return None
    operation = _operation(attributes, names)
    if operation is not None and operation not in _CALLS:
        return None
    api_type = attributes.get(name.API_TYPE)
    by_type = _BY_API_TYPE.get(api_type) if isinstance(api_type, str) else None
    if by_type is not None:
        return by_type
    by_name = _BY_SPAN_NAME.get(span_name)
    if by_name is not None:
        return by_name
    if operation is None:
        models = (*names.request_model, *names.response_model)
        if not isinstance(kind, str) and not any(key in attributes for key in models):
            # It names no model: a framework's own work, as an agent's run or a tool; no call.
            return None
        operation = _KINDS[kind] if isinstance(kind, str) else "chat"
    return _named(operation, speaks_openai=speaks_openai)


def _operation(attributes: Mapping[str, object], names: Names) -> str | None:
    for key in names.operation:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return _LITELLM_FUNCTIONS.get(value, value)
    return None


def _named(operation: str, *, speaks_openai: bool) -> str:
    if speaks_openai:
        return _OPENAI_BY_OPERATION.get(operation, operation)
    return _OPERATION_NAMES.get(operation, operation)
