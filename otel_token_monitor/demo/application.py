"""The demo's application: the real client, in threads and in an async task, counted by one line.

It notes what every answer said of its usage, so that this can be held against `/metrics`.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self

import openai

from otel_token_monitor.demo.traffic import traffic
from otel_token_monitor.spans.project import project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from otel_token_monitor.demo.traffic import Call

__all__ = ["Application", "Received", "send"]

# Which projects call from threads (each from so many), and which from an async task.
_THREADS: Final = ("checkout", "checkout", "search", "search")
_TASKS: Final = ("support", "support")
_PAUSE_SECONDS: Final = 0.05

_CREATE: Final[dict[str, Callable[[Any], Callable[..., Any]]]] = {
    "chat/completions": lambda client: client.chat.completions.create,
    "responses": lambda client: client.responses.create,
    "embeddings": lambda client: client.embeddings.create,
}


@dataclass(slots=True)
class Received:
    """What the client received, as the answers said.

    `untold` are the tokens of streams whose usage nobody asked the server for.
    """

    tokens: int = 0
    untold: int = 0
    requests: int = 0
    errors: int = 0
    without_usage: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_answer(self, usage: Any, call: Call) -> None:
        """Note an answer; its usage is None if it brought none."""
        with self._lock:
            self.requests += 1
            if usage is not None:
                self.tokens += usage.total_tokens
            elif call.total_tokens is not None:
                self.untold += call.total_tokens
            else:
                self.without_usage += 1

    def add_error(self, error: openai.OpenAIError) -> None:
        """Note a call that failed: only a server that refused it has certainly spent nothing."""
        with self._lock:
            self.requests += 1
            self.errors += 1
            self.without_usage += not isinstance(error, openai.APIStatusError)


class Application:
    """Sends the demo's traffic to `base_url`, within a `with`; it pauses between two calls.

    At its end the calls under way are let end; what went wrong in a thread is raised.
    """

    def __init__(self, base_url: str, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self.received = Received()
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._arguments: dict[str, Any] = {
            "base_url": base_url,
            "api_key": "demo",
            "max_retries": 1,
        }
        self._pool = ThreadPoolExecutor(len(_THREADS) + 1, thread_name_prefix="demo-application")
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        # Nothing may leave this machine: a proxy that the environment names is not asked.
        self._client = openai.OpenAI(
            **self._arguments, http_client=openai.DefaultHttpxClient(trust_env=False)
        )
        self._running = [
            self._pool.submit(self._call, self._client, traffic(name, _random()))
            for name in _THREADS
        ]
        self._running.append(self._pool.submit(asyncio.run, self._call_async()))
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        self._client.close()
        for running in self._running:
            running.result()

    def _call(self, client: openai.OpenAI, calls: Iterator[Call]) -> None:
        while not self._stop.wait(self._pause_seconds):
            send(client, next(calls), self.received)

    async def _call_async(self) -> None:
        http_client = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(**self._arguments, http_client=http_client) as client:
            await asyncio.gather(
                *(self._call_task(client, traffic(name, _random())) for name in _TASKS)
            )

    async def _call_task(self, client: openai.AsyncOpenAI, calls: Iterator[Call]) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(self._pause_seconds)
            await _send_async(client, next(calls), self.received)


def _random() -> Random:
    return Random()  # noqa: S311 - it only makes the traffic varied


def send(client: openai.OpenAI, call: Call, received: Received) -> openai.OpenAIError | None:
    """Make one call and note what came of it; returns the error that it ended in, or None."""
    create = _CREATE[call.endpoint](client)
    try:
        with project(call.project):
            answer = create(**call.arguments)
            usage = _usage(answer)
            for piece in answer if call.streams else ():
                usage = _usage(piece) or usage
    except openai.OpenAIError as error:
        received.add_error(error)
        return error
    received.add_answer(usage, call)
    return None


async def _send_async(client: openai.AsyncOpenAI, call: Call, received: Received) -> None:
    create = _CREATE[call.endpoint](client)
    try:
        with project(call.project):
            answer = await create(**call.arguments)
            usage = _usage(answer)
            if call.streams:
                async for piece in answer:
                    usage = _usage(piece) or usage
    except openai.OpenAIError as error:
        received.add_error(error)
    else:
        received.add_answer(usage, call)


def _usage(answer: Any) -> Any:
    """The usage in an answer or a piece of one: its own, or that of the response it carries."""
    return getattr(answer, "usage", None) or getattr(
        getattr(answer, "response", None), "usage", None
    )
