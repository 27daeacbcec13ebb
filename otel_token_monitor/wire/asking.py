"""Asking for the usage of a stream on the caller's behalf, who gets the same chunks as without.

A stream of chat completions has no usage unless `stream_options` ask for it. Asked, the server
sends one chunk more, without a choice, and `"usage": null` in all others: the chunk is kept back,
the null taken off.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final, Literal

from otel_token_monitor.dialects.providers import ProviderHosts, provider_at
from otel_token_monitor.wire.boundary import guarded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_token_monitor.wire.exchange import Exchange

__all__ = ["StreamUsage", "asking", "keep_back"]

StreamUsage = Literal["auto", "on", "off"]

_ENDPOINTS: Final = frozenset({"chat/completions", "completions"})
_PROVIDERS: Final = frozenset({"openai", "azure.ai.openai"})
_RAW: Final = "x-stainless-raw-response"
_OPTION: Final = "stream_options"
# Azure's versions before this one refuse the option.
_FIRST_AZURE_VERSION: Final = "2024-09-01"


@guarded
def asking(exchange: Exchange, client: Any, how: StreamUsage, hosts: ProviderHosts) -> Any | None:
    """The options of a streamed request with the question for its usage; None: it is not asked.

    Nor of callers that have options of their own for the stream, or see its bytes.
    """
    options = exchange.options
    request = options.json_data
    if how == "off" or exchange.endpoint not in _ENDPOINTS or not isinstance(request, dict):
        return None
    extra = options.extra_json
    if _OPTION in request or (isinstance(extra, dict) and _OPTION in extra):
        return None
    if _sees_bytes(options.headers) or _sees_bytes(client._custom_headers):  # noqa: SLF001 - openai's
        return None
    if how == "auto" and not _accepts(exchange.host, client, hosts):
        return None
    asked = copy(options)
    asked.json_data = {**request, _OPTION: {"include_usage": True}}
    return asked


def _sees_bytes(headers: Any) -> bool:
    return isinstance(headers, dict) and any(str(name).lower() == _RAW for name in headers)


def _accepts(host: str, client: Any, hosts: ProviderHosts) -> bool:
    """Whether the server of a client is known to take the question."""
    if provider_at(host, hosts) not in _PROVIDERS:
        return False
    version = getattr(client, "_api_version", None)
    return not isinstance(version, str) or version >= _FIRST_AZURE_VERSION


def keep_back(stream: Any, *, asynchronous: bool) -> None:
    """Have a parsed stream give the chunks that it would have given without the question."""
    kind = _AsyncChunks if asynchronous else _Chunks
    stream._iterator = kind(stream._iterator)  # noqa: SLF001 - openai's


class _Chunks:
    """The chunks of a stream without what was asked for."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __iter__(self) -> _Chunks:
        return self

    def __next__(self) -> Any:
        while True:
            chunk = next(self._inner)
            if not _is_extra(chunk):
                return chunk

    def __getattr__(self, name: str) -> Any:
        """All else that the stream's own iterator has."""
        return getattr(self._inner, name)


class _AsyncChunks:
    """The same, asynchronous."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __aiter__(self) -> _AsyncChunks:
        return self

    async def __anext__(self) -> Any:
        while True:
            chunk = await self._inner.__anext__()
            if not _is_extra(chunk):
                return chunk

    def __getattr__(self, name: str) -> Any:
        """All else that the stream's own iterator has."""
        return getattr(self._inner, name)


def _is_extra(chunk: Any) -> bool:
    """Whether a chunk is there for its usage alone; takes the null off all others."""
    fields: Mapping[str, Any] | None = getattr(chunk, "__dict__", None)
    if isinstance(chunk, dict):
        if chunk.get("usage") is None:
            chunk.pop("usage", None)
            return False
        return chunk.get("choices") == []
    if fields is None:
        return False
    if fields.get("usage") is None:
        given = getattr(chunk, "model_fields_set", None)
        if isinstance(given, set):
            given.discard("usage")
        return False
    return fields.get("choices") == []
