"""Recorded responses through the real openai client, which this process's ledger counts."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any, Final

import openai

import otel_token_monitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from cassettes.recordings import Recording

__all__ = ["replay"]

_IS_BEFORE_3: Final = int(openai.__version__.partition(".")[0]) < 3  # noqa: PLR2004
_http: Any = importlib.import_module("httpx" if _IS_BEFORE_3 else "httpx2")
# So that no event is in one piece by rule.
_PIECE: Final = 1000
_WITH_BODY: Final = frozenset({"PATCH", "POST", "PUT"})


def replay(recordings: Iterable[Recording], *, asynchronous: bool) -> None:
    """Have the client make each request again and read its recorded response, to the end.

    A request's calls are counted for the project that has the recording's name.
    """
    if asynchronous:
        asyncio.run(_replay_async(recordings))
        return
    for recording in recordings:
        _let_time_pass(recording)
        with _client(recording, asynchronous=False) as client:
            try:
                with otel_token_monitor.project(recording.name):
                    answer = _send(client, recording, openai.Stream[Any])
                    for _ in answer if recording.streams else ():
                        pass
            except (openai.OpenAIError, ValueError):
                continue  # as it was recorded


async def _replay_async(recordings: Iterable[Recording]) -> None:
    for recording in recordings:
        _let_time_pass(recording)
        async with _client(recording, asynchronous=True) as client:
            try:
                with otel_token_monitor.project(recording.name):
                    answer = await _send(client, recording, openai.AsyncStream[Any])
                    if recording.streams:
                        async for _ in answer:
                            pass
            except (openai.OpenAIError, ValueError):
                continue


def _let_time_pass(recording: Recording) -> None:
    """Have all in the ledger that came long before: who polls does so every few seconds."""
    if recording.method == "GET":
        otel_token_monitor.token_monitor.force_flush()


def _send(client: Any, recording: Recording, stream_cls: Any) -> Any:
    """Make a request as the client's resources do."""
    arguments: dict[str, Any] = {"cast_to": object}
    if recording.method in _WITH_BODY:
        arguments["body"] = dict(recording.fields) or None
        if recording.files:
            arguments["files"] = list(recording.files)
            arguments["options"] = {"headers": {"content-type": "multipart/form-data"}}
    if recording.streams:
        arguments |= {"stream": True, "stream_cls": stream_cls}
    return getattr(client, recording.method.lower())(recording.path, **arguments)


class _Pieces:
    """A body in pieces. Like a connection it goes on where it was left, read by whomever."""

    def __init__(self, body: bytes) -> None:
        self._rest = (body[at : at + _PIECE] for at in range(0, len(body), _PIECE))

    def __iter__(self) -> Iterator[bytes]:
        yield from self._rest


class _AsyncPieces(_Pieces):
    """The same, asynchronous only."""

    __iter__ = None  # type: ignore[assignment] # or it would be taken for a synchronous one

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._rest:
            yield piece


def _client(recording: Recording, *, asynchronous: bool) -> Any:
    """A client that gets this response, whatever it asks for."""
    pieces = _AsyncPieces(recording.body) if asynchronous else _Pieces(recording.body)

    def answer(_request: Any) -> Any:
        return _http.Response(recording.status, headers=recording.headers, content=pieces)

    async def answer_async(request: Any) -> Any:
        return answer(request)

    arguments: dict[str, Any] = {
        "base_url": recording.base_url,
        "api_key": "replayed",
        "max_retries": 0,
    }
    if asynchronous:
        transport = _http.MockTransport(answer_async)
        http_client = _http.AsyncClient(transport=transport)
        return openai.AsyncOpenAI(http_client=http_client, **arguments)
    http_client = _http.Client(transport=_http.MockTransport(answer))
    return openai.OpenAI(http_client=http_client, **arguments)
