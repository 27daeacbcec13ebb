"""An application whose calls belong to many projects, in every way that code can run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import openai
from opentelemetry import baggage, context

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import asked, complaints, report, scrape
from tests.integration.applications.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MESSAGES = [{"role": "user", "content": "Hello there"}]
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
NAME = "token.project"


class Application:
    """Its calls; each is to count for the project that its own name ends in."""

    def __init__(self, server: str) -> None:
        self.client = Client(server, asynchronous=False)
        self.aclient = Client(server, asynchronous=True)

    def call(self, **arguments: Any) -> Any:
        """One call."""
        return self.client.api.chat.completions.create(
            model="gpt-5-mini", messages=MESSAGES, **arguments
        )

    async def acall(self, **arguments: Any) -> Any:
        """One call of the async client."""
        return await self.aclient.api.chat.completions.create(
            model="gpt-5-mini", messages=MESSAGES, **arguments
        )

    def nested(self) -> None:
        """Before, within and after."""
        self.call()
        with project("outer"):
            self.call()
            with project("inner"):
                self.call()
            self.call()
        self.call()

    def after_an_error(self) -> None:
        """The block ends with an error; what follows is outside it."""
        with contextlib.suppress(openai.RateLimitError), project("failing"):
            self.call(extra_headers={"x-demo-status": "429"})
        self.call()

    def stream_consumed_after_the_block(self) -> None:
        """The stream is asked for within, and read outside."""
        with project("stream"):
            stream = self.call(**STREAM)
        for _ in stream:
            pass
        with project("responses stream"):
            stream = self.client.api.responses.create(
                model="gpt-5-mini", input="Hello", stream=True
            )
        with project("not this"):
            for _ in stream:
                pass

    def threads(self) -> None:
        """A bare thread begins outside; one that is given the context is within."""
        with project("threads"):
            bare = threading.Thread(target=self.call)
            bare.start()
            bare.join()
            inside = context.get_current()

            def with_context() -> None:
                token = context.attach(inside)
                self.call()
                context.detach(token)

            with ThreadPoolExecutor(1) as pool:
                pool.submit(with_context).result()

    def decorated(self) -> None:
        """A function, and generators, whose consumers are other projects."""

        @project("function")
        def function() -> None:
            self.call()

        @project("generator")
        def generator() -> Iterator[int]:
            for number in range(2):
                self.call()
                yield number
            self.call()

        with project("function's caller"):
            function()
            self.call()
        with project("generator's consumer"):
            for _ in generator():
                self.call()

    async def tasks(self) -> None:
        """Tasks carry the project in which they were made."""

        async def work(name: str) -> None:
            with project(name):
                await asyncio.gather(self.acall(), self.acall())
                await asyncio.to_thread(self.call)

        await asyncio.gather(*(work(f"task {number}") for number in range(3)))
        with project("background"):
            task = asyncio.create_task(self.acall())
        await task

    async def adecorated(self) -> None:
        """A coroutine function, and an async generator."""

        @project("coroutine")
        async def coroutine() -> None:
            await self.acall()

        @project("async generator")
        async def generator() -> AsyncIterator[int]:
            for number in range(2):
                await self.acall()
                yield number

        await asyncio.gather(coroutine(), coroutine())
        with project("async generator's consumer"):
            async for _ in generator():
                await self.acall()

    def inbound(self) -> None:
        """A project that another service names counts only if it is on the list."""
        for name in ("friend", "stranger"):
            token = context.attach(baggage.set_baggage(NAME, name))
            self.call()
            with project("own"):
                self.call()
            context.detach(token)

    def outbound(self) -> list[object]:
        """What goes along as baggage: nothing, unless it was asked for."""
        with project("kept"):
            kept = baggage.get_baggage(NAME)
        with project("sent", baggage=True):
            sent = baggage.get_baggage(NAME)
        return [kept, sent, baggage.get_baggage(NAME)]


def main() -> None:
    """Make all the calls, and report."""
    question = asked()
    with complaints() as said:
        monitor = otel_token_monitor.instrument(
            data_dir=question["data_dir"],
            port=0,
            instrumentation=question["instrumentation"],
            project="default",
            config=otel_token_monitor.TokenMonitorConfig(inbound_projects=frozenset({"friend"})),
        )
        application = Application(question["server"])
        application.nested()
        application.after_an_error()
        application.stream_consumed_after_the_block()
        application.threads()
        application.decorated()
        application.inbound()

        async def run() -> None:
            await application.tasks()
            await application.adecorated()

        asyncio.run(run())
        outbound = application.outbound()
        metrics = scrape(monitor)
        otel_token_monitor.uninstrument()
    report(metrics=metrics, outbound=outbound, complaints=said)


if __name__ == "__main__":
    main()
