"""An application that makes many calls at once, all alike."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import (
    asked,
    complaints,
    report,
    scrape,
    switch_on,
)
from tests.integration.applications.client import Client
from tests.integration.applications.frameworks import RESPONSES_USAGE, USAGE

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
Call = Any

THREADS, EACH, TASKS = 8, 50, 50


def headers(usage: Json, response_id: str | None) -> Json:
    """What steers the demo server: all calls have the same usage, and may have the same id."""
    given = {"x-demo-usage": json.dumps(usage)}
    return {"extra_headers": given if response_id is None else given | {"x-demo-id": response_id}}


def call_of(kind: str, response_id: str | None) -> Callable[[Client], Call]:
    """The call that all make."""
    if kind == "responses":
        more = headers(RESPONSES_USAGE, response_id)
        return lambda c: c.api.responses.create(model="gpt-5-mini", input="Hello", **more)
    if kind == "embeddings":
        more = headers({"prompt_tokens": 700, "total_tokens": 700}, response_id)
        return lambda c: c.api.embeddings.create(model="embedder", input="Hello", **more)
    more = headers(USAGE, response_id)
    messages = [{"role": "user", "content": "Hello"}]
    return lambda c: c.api.chat.completions.create(model="gpt-5-mini", messages=messages, **more)


def in_threads(server: str, call: Callable[[Client], Call], prefix: str) -> None:
    """Eight threads, each with a client and a project of its own."""
    start = threading.Barrier(THREADS)

    def work(number: int) -> None:
        client = Client(server, asynchronous=False)
        start.wait()
        with project(f"{prefix} thread {number}"):
            for _ in range(EACH):
                call(client)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def in_tasks(server: str, call: Callable[[Client], Call], prefix: str) -> None:
    """Fifty tasks at once; every other one a project of its own."""
    client = Client(server, asynchronous=True)

    async def work(number: int) -> None:
        with project(f"{prefix} tasks {number % 2}"):
            await call(client)

    await asyncio.gather(*(work(number) for number in range(TASKS)))
    await client.close()


def main() -> None:
    """Instrument in the order asked for, make the calls, and report."""
    question = asked()
    with complaints() as said:
        for name in question["instrumentations"]:
            switch_on(name)
        monitor = otel_token_monitor.instrument(
            data_dir=question["data_dir"], port=0, instrumentation="none"
        )
        for kind in question["kinds"]:
            call = call_of(kind, question["response_id"])
            in_threads(question["server"], call, kind)
            asyncio.run(in_tasks(question["server"], call, kind))
        metrics = scrape(monitor)
        otel_token_monitor.uninstrument()
    report(metrics=metrics, complaints=said)


if __name__ == "__main__":
    main()
