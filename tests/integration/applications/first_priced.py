"""An application that goes on calling while the first of its calls is priced in the background."""

from __future__ import annotations

import asyncio
import sys
import threading

import otel_token_monitor
from tests.integration.applications.application import asked, report
from tests.integration.applications.client import Client

SOME = [{"role": "user", "content": "Hello"}]


async def _call(server: str) -> None:
    client = Client(server, asynchronous=True)
    await client.done(client.api.chat.completions.create(model="gpt-5-mini", messages=SOME))
    await client.close()


async def _calls(server: str, flushing: threading.Thread) -> int:
    await _call(server)
    flushing.start()
    calls = 1
    while flushing.is_alive():
        await _call(server)
        calls += 1
    return calls


def main() -> None:
    """Call until the first calls are in the ledger, which is once they are priced."""
    question = asked()
    monitor = otel_token_monitor.instrument(
        data_dir=question["data_dir"], serve=False, instrumentation="traceloop"
    )
    flushing = threading.Thread(target=monitor.force_flush)
    calls = asyncio.run(_calls(question["server"], flushing))
    report(calls=calls, priced="genai_prices" in sys.modules)


if __name__ == "__main__":
    main()
