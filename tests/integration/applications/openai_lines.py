"""Calls through whichever openai is first on the path: what it is, and what it received."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import openai
import pydantic

from tests.integration.applications.client import Client, drive, http

HELLO = [{"role": "user", "content": "Hello"}]


async def _calls(server: str, *, asynchronous: bool) -> dict[str, Any]:
    client = Client(server, asynchronous=asynchronous)
    chat = await client.done(client.api.chat.completions.create(model="m", messages=HELLO))
    stream = await client.done(client.api.responses.create(model="m", input="Hello", stream=True))
    events = await client.read(stream)
    azure = client.at("https://my-resource.openai.azure.com")
    embedded = await client.done(azure.api.embeddings.create(model="m", input="Hello"))
    await client.close()
    await azure.close()
    return {
        "chat": chat.usage.total_tokens,
        "responses": events[-1].response.usage.total_tokens,
        "azure": embedded.usage.total_tokens,
    }


def main() -> None:
    """Answer the question, which names the demo server."""
    server = json.load(sys.stdin)["server"]
    answer = {
        "version": openai.__version__,
        "http": http.__name__,
        "pydantic": pydantic.VERSION.split(".")[0],
        "sync": drive(_calls(server, asynchronous=False), asynchronous=False),
        "async": asyncio.run(_calls(server, asynchronous=True)),
    }
    print(json.dumps(answer))  # noqa: T201 - what `run` reads


if __name__ == "__main__":
    main()
