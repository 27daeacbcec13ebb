"""An application whose calls are cancelled, or left, at each step that they wait at.

Run with the monitor and without, its calls must end alike.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
from typing import TYPE_CHECKING, Any

import httpx2
import openai

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import asked, complaints, report
from tests.integration.applications.scripted import Server
from tests.integration.applications.scripts import CHAT, SCRIPTS, chat_events
from tests.integration.applications.unchanged import described

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator

Json = dict[str, Any]

SOME: Any = [{"role": "user", "content": "Hello there"}]


class Stepwise(httpx2.AsyncBaseTransport):
    """Answers without a network, in as many steps each time."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        for _ in range(3):
            await asyncio.sleep(0)
        if not body.get("stream"):
            return httpx2.Response(200, stream=Steps([json.dumps(CHAT).encode()]))
        events = [b"data: %s\n\n" % json.dumps(event).encode() for event in chat_events({})]
        return httpx2.Response(
            200,
            headers={"content-type": "text/event-stream"},
            stream=Steps([*events, b"data: [DONE]\n\n"]),
        )


class Steps(httpx2.AsyncByteStream):
    """A body, each of whose chunks takes a step; and so does its end."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await asyncio.sleep(0)
            yield chunk

    async def aclose(self) -> None:
        await asyncio.sleep(0)


class Stopped:
    """Runs a coroutine until the step of a number, at which `stop` ends it."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], step: int, stop: Callable[[Any], None]
    ) -> None:
        self._coroutine = coroutine
        self._step = step
        self._stop = stop
        self.steps = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._coroutine.__await__()
        go_on: Any = inner.send
        value: Any = None
        while True:
            try:
                waited_for = go_on(value)
            except StopIteration as done:
                return done.value
            self.steps += 1
            if self.steps == self._step:
                self._stop(inner)
            try:
                value = yield waited_for
                go_on = inner.send
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's
                go_on, value = inner.throw, error


def cancel(_: Any) -> None:
    """Cancel the task, which notices when it waits."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def close(inner: Any) -> None:
    """Close the coroutine in another context, as the garbage collector does with what was left."""
    contextvars.copy_context().run(inner.close)
    raise asyncio.CancelledError


async def whole(api: openai.AsyncOpenAI) -> Any:
    """A call."""
    return await api.chat.completions.create(
        model="gpt-5-mini", messages=SOME, extra_headers={"x-script": "chat"}
    )


async def _stream(api: openai.AsyncOpenAI) -> Any:
    return await api.chat.completions.create(
        model="gpt-5-mini", messages=SOME, stream=True, extra_headers={"x-script": "chat"}
    )


async def stream(api: openai.AsyncOpenAI) -> Any:
    """A stream, to its end."""
    return [chunk async for chunk in await _stream(api)]


async def left(api: openai.AsyncOpenAI) -> Any:
    """A stream, closed midway."""
    async with await _stream(api) as chunks:
        return [await anext(chunks), await anext(chunks)]


async def opened(api: openai.AsyncOpenAI) -> Any:
    """A response that is read when its caller wants it."""
    create = api.chat.completions.with_streaming_response.create
    async with create(
        model="gpt-5-mini", messages=SOME, extra_headers={"x-script": "chat"}
    ) as answer:
        return await answer.read()


CALLS: dict[str, Callable[[openai.AsyncOpenAI], Awaitable[Any]]] = {
    "whole": whole,
    "stream": stream,
    "left": left,
    "opened": opened,
}
STOPS = {"cancel": cancel, "close": close}


async def outcome(stopped: Stopped) -> Any:
    """How a call ended."""

    async def act() -> Any:
        return await stopped

    try:
        return described(await asyncio.create_task(act()))
    except (asyncio.CancelledError, openai.OpenAIError, RuntimeError) as error:
        return described(error)


async def tidy() -> None:
    """Let the garbage collector, and the event loop, take what was left behind."""
    for _ in range(3):
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)


async def stop_at_each(api: openai.AsyncOpenAI, name: str) -> Json:
    """The outcomes of a call that is ended at each of its steps, in each of the ways."""
    outcomes: Json = {}
    for how, stop in STOPS.items():
        if stop is close and name.startswith("server"):
            # What the network's tasks have begun cannot be closed: the libraries would complain.
            continue
        for step in range(1, 1000):
            label = f"{name} {how} {step}"
            with project(label):
                stopped = Stopped(CALLS[name.rsplit(maxsplit=1)[-1]](api), step, stop)  # type: ignore[arg-type]
                outcomes[label] = await outcome(stopped)
                await tidy()
            if stopped.steps < step:
                break
    return outcomes


async def stop_all() -> Json:
    """All calls, without a network and with one."""
    outcomes: Json = {}
    with Server(SCRIPTS) as server:
        for where, client in (
            ("stepwise", httpx2.AsyncClient(transport=Stepwise())),
            ("server", httpx2.AsyncClient()),
        ):
            async with openai.AsyncOpenAI(
                api_key="k", base_url=server.base_url, http_client=client, max_retries=0
            ) as api:
                with project("warm"):
                    await whole(api)
                gc.collect()
                gc.freeze()
                for name in CALLS:
                    outcomes |= await stop_at_each(api, f"{where} {name}")
    return outcomes


def main() -> None:
    """Make the calls, with the monitor or without."""
    question = asked()
    with complaints() as said:
        if question["data_dir"] is not None:
            otel_token_monitor.instrument(
                data_dir=question["data_dir"], serve=False, instrumentation="wire"
            )
        with asyncio.Runner() as runner:
            # What was closed midway may not be done with.
            runner.get_loop().set_exception_handler(lambda _loop, _context: None)
            outcomes = runner.run(stop_all())
        otel_token_monitor.uninstrument()
    report(outcomes=outcomes, complaints=said)


if __name__ == "__main__":
    main()
