"""OpenAI's real client, sync or async behind one face, with every host led to the demo server."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import openai

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["BASES", "REFUSING", "Client", "drive", "http"]

T = TypeVar("T")

_IS_BEFORE_3 = int(openai.__version__.partition(".")[0]) < 3
http: Any = importlib.import_module("httpx" if _IS_BEFORE_3 else "httpx2")
"""What the client speaks HTTP with: httpx, or from openai 3 on httpx2."""

REFUSING = "http://refusing.test/v1"
"""Where nothing listens."""

AZURE = "https://my-resource.openai.azure.com"
BASES = {
    "openai": "https://api.openai.com/v1",
    "azure": AZURE,
    "openrouter": "https://openrouter.ai/api/v1",
    "groq": "https://api.groq.com/openai/v1",
    "vllm": "http://localhost:8000/v1",
    "unknown": "https://llm.example.com/v1",
}


class _Loopback:
    """Leads requests to the demo server, whatever their host."""

    def __init__(self, server: str) -> None:
        self._port = urlsplit(server).port
        self.sent = asyncio.Event()

    def lead(self, request: Any) -> None:
        self.sent.set()
        port = 1 if request.url.host == "refusing.test" else self._port
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)

    async def lead_async(self, request: Any) -> None:
        self.lead(request)

    def client(self, *, asynchronous: bool) -> Any:
        """The HTTP client. Nothing is encrypted, and certificates load slowly."""
        kind = http.AsyncClient if asynchronous else http.Client
        lead = self.lead_async if asynchronous else self.lead
        return kind(verify=False, trust_env=False, event_hooks={"request": [lead]})


class Client:
    """One client. Written against it, a call reads alike for the sync and the async one."""

    def __init__(self, server: str, *, asynchronous: bool, at: str = BASES["openai"]) -> None:
        self.asynchronous = asynchronous
        self._server = server
        self._loopback = _Loopback(server)
        arguments: dict[str, Any] = {"api_key": "k", "max_retries": 0}
        kinds: tuple[type[Any], type[Any]] = openai.OpenAI, openai.AsyncOpenAI
        if at == AZURE:
            kinds = openai.AzureOpenAI, openai.AsyncAzureOpenAI
            arguments |= {"azure_endpoint": at, "api_version": "2024-10-21"}
        else:
            arguments["base_url"] = at
        client = self._loopback.client(asynchronous=asynchronous)
        self.api: Any = kinds[asynchronous](http_client=client, **arguments)

    @property
    def sent(self) -> asyncio.Event:
        """Set once a request is on its way."""
        return self._loopback.sent

    def at(self, base_url: str) -> Client:
        """A client of the same kind for another host."""
        return Client(self._server, asynchronous=self.asynchronous, at=base_url)

    async def close(self) -> None:
        """Give the connections up."""
        await self.done(self.api.close())

    async def done(self, result: Any) -> Any:
        """The result of a call of the client."""
        return await result if inspect.isawaitable(result) else result

    async def read(self, stream: Any, limit: int | None = None) -> list[Any]:
        """The events of a stream, all of them or the first few."""
        events: list[Any] = []
        if self.asynchronous:
            async for event in stream:
                events.append(event)
                if len(events) == limit:
                    break
        else:
            for event in stream:
                events.append(event)
                if len(events) == limit:
                    break
        return events

    async def within(self, manager: Any, then: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """What `then` makes of the manager's value, within it."""
        if self.asynchronous:
            async with manager as value:
                return await then(value)
        with manager as value:
            return await then(value)

    async def collect(self) -> None:
        """Let the garbage collector take what was left behind."""
        gc.collect()
        if self.asynchronous:
            # An async generator that was left is closed by a task of the event loop.
            for _ in range(5):
                await asyncio.sleep(0)
            gc.collect()


def drive(coroutine: Coroutine[Any, Any, T], *, asynchronous: bool) -> T:
    """Run a coroutine: with an event loop, or without one, as a sync application has none."""
    if asynchronous:
        return asyncio.run(coroutine)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("a sync client waited for something")
