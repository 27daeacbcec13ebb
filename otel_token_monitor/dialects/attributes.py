"""The names under which instrumentations write the same fact, in order of priority.

Sources: OpenTelemetry's GenAI semantic conventions (current and legacy), Traceloop's OpenLLMetry,
OpenInference, Vercel's AI SDK, LiteLLM, pydantic-ai, logfire.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "API_BASE",
    "API_TYPE",
    "CACHE_READ",
    "CACHE_WRITE",
    "COST",
    "ERROR_TYPE",
    "FINISH_REASON",
    "FIRST_CHUNK",
    "FIRST_TOKEN_EVENTS",
    "HTTP_STATUS",
    "INPUT",
    "INVOCATION_PARAMETERS",
    "OPERATION",
    "OUTPUT",
    "PROVIDER",
    "REASONING",
    "REQUEST_MODEL",
    "RESPONSE_ID",
    "RESPONSE_MODEL",
    "SERVER_ADDRESS",
    "SERVER_PORT",
    "SPAN_KIND",
    "STREAMING",
    "TOTAL",
]

INPUT: Final = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
OUTPUT: Final = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
)
# A fallback, and a witness of what the others include; never added to them.
TOTAL: Final = (
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "ai.usage.totalTokens",
)
CACHE_READ: Final = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.prompt_tokens_details.cached_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.input_tokens.cached",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.cachedInputTokens",
    "ai.usage.inputTokenDetails.cacheReadTokens",
)
CACHE_WRITE: Final = (
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
    "gen_ai.usage.details.cache_write_tokens",
    "llm.token_count.prompt_details.cache_write",
    "ai.usage.inputTokenDetails.cacheWriteTokens",
)
REASONING: Final = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.usage.reasoning_tokens",
    "gen_ai.usage.completion_tokens_details.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.reasoningTokens",
    "ai.usage.outputTokenDetails.reasoningTokens",
)
COST: Final = ("gen_ai.usage.cost", "operation.cost", "llm.cost.total")

REQUEST_MODEL: Final = ("gen_ai.request.model", "ai.model.id")
RESPONSE_MODEL: Final = (
    "gen_ai.response.model",
    "llm.response.model",
    "ai.response.model",
    "llm.model_name",
    "embedding.model_name",
)
# OpenInference writes the request, without its messages, as JSON.
INVOCATION_PARAMETERS: Final = ("llm.invocation_parameters", "embedding.invocation_parameters")
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "ai.model.provider")
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
API_BASE: Final = ("gen_ai.openai.api_base", "llm.openai.api_base")
API_TYPE: Final = "openai.api.type"
OPERATION: Final = ("gen_ai.operation.name", "llm.request.type")
SPAN_KIND: Final = "openinference.span.kind"
RESPONSE_ID: Final = ("gen_ai.response.id", "llm.response.id", "ai.response.id")
STREAMING: Final = ("gen_ai.is_streaming", "gen_ai.request.stream", "llm.is_streaming")
FINISH_REASON: Final = (
    "gen_ai.response.finish_reasons",
    "llm.finish_reason",
    "ai.response.finishReason",
    "llm.response.finish_reason",
)
ERROR_TYPE: Final = "error.type"
HTTP_STATUS: Final = ("http.response.status_code", "http.status_code")
# Each in its unit: the first in seconds, the second in milliseconds.
FIRST_CHUNK: Final = ("gen_ai.response.time_to_first_chunk", "ai.response.msToFirstChunk")
FIRST_TOKEN_EVENTS: Final = frozenset(
    {"First Token Stream Event", "gen_ai.content.completion.chunk", "ai.stream.firstChunk"}
)
