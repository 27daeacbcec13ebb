"""What kind of call a span is: its endpoint, or that it is no call to a model at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.dialects import attributes as names

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EMBEDDINGS", "endpoint_of"]

EMBEDDINGS: Final = "embeddings"

# The OpenAI path without `/v1/` that a span's name, or the first word of it, tells.
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
_OPENAI_LIKE: Final = frozenset({"openai", "azure.ai.openai", "azure.ai.inference"})

_OPERATION_NAMES: Final = {"completion": "text_completion", "embedding": EMBEDDINGS}

_KINDS: Final = {"LLM": "chat", "EMBEDDING": EMBEDDINGS}

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
    }
)

_VERCEL_CALLS: Final = (".doGenerate", ".doStream", ".doEmbed")

_NEVER: Final = frozenset({"raw_gen_ai_request"})
_TRACELOOP_KIND: Final = "traceloop.span.kind"


def endpoint_of(  # noqa: PLR0911 - a decision a line
    attributes: Mapping[str, object], span_name: str, provider: str
) -> str | None:
    """The endpoint that a span called; None if it is no call to a model, or one counted elsewhere.

    For OpenAI the path without `/v1/`, for other providers the conventions' operation.
    """
    vercel = attributes.get("ai.operationId")
    if isinstance(vercel, str):
        if not vercel.endswith(_VERCEL_CALLS):
            return None
        return EMBEDDINGS if vercel.endswith(".doEmbed") else _named("chat", provider)
    if span_name in _NEVER or _TRACELOOP_KIND in attributes:
        return None
    kind = attributes.get(names.SPAN_KIND)
    if isinstance(kind, str) and kind not in _KINDS:
        return None
    operation = _operation(attributes)
    if operation is not None and operation not in _CALLS:
        return None
    by_type = _BY_API_TYPE.get(str(attributes.get(names.API_TYPE)))
    if by_type is not None:
        return by_type
    by_name = _BY_SPAN_NAME.get(span_name)
    if by_name is not None:
        return by_name
    if operation is None:
        operation = _KINDS.get(str(kind), "chat")
    return _named(operation, provider)


def _operation(attributes: Mapping[str, object]) -> str | None:
    for key in names.OPERATION:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def _named(operation: str, provider: str) -> str:
    if provider in _OPENAI_LIKE:
        return _OPENAI_BY_OPERATION.get(operation, operation)
    return _OPERATION_NAMES.get(operation, operation)
