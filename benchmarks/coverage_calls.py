"""Every kind of call, and what one way of counting says of each, in a process of its own.

An instrumentation is asked by its own spans, as an exporter gets them: the tokens on all spans of
a call are added up. We are asked by our ledger, with capture alone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import switch_on
from tests.integration.applications.calls import (
    ASYNC_ONLY,
    CALLS,
    Answer,
    Json,
    Run,
    call,
    make,
    usage_for,
)
from tests.integration.applications.client import Client, drive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["OURS"]

OURS: Final = "ours"
_INPUT: Final = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
_OUTPUT: Final = ("gen_ai.usage.output_tokens", "llm.token_count.completion")
_RECORDING: Final = ("speech.mp3", b"\0" * 1000, "audio/mpeg")
_IN_INPUT_TOKENS: Final = ("batches", "images", "speech", "transcription", "translation")

_LEDGER: Final = """
SELECT project, count(*), sum(input + input_cached + input_cache_write),
    sum(output + output_reasoning), max(estimated)
FROM record JOIN label_set ON label_set.id = label_set_id GROUP BY project
"""


# --- kinds of calls that the tests do not make --------------------------------------------


@call
async def responses_background_polled(run: Run) -> Answer:
    """A response that is still in progress when it is first asked for."""
    response = await run.responses(background=True, **run.asking(polls=1))
    for _ in range(3):
        response = await run.client.done(run.client.api.responses.retrieve(response.id))
    return response


@call
async def batches_polled(run: Run) -> Answer:
    """A batch that is still in progress when it is first asked for."""
    batches, done = run.client.api.batches, run.client.done
    given: Json = {"input_file_id": "file-1", "completion_window": "24h", **run.asking(polls=1)}
    batch = await done(batches.create(endpoint="/v1/responses", **given))
    for _ in range(3):
        batch = await done(batches.retrieve(batch.id))
    return batch


@call
async def images(run: Run) -> Answer:
    """A generated image."""
    given: Json = {"model": "gpt-image-1", "prompt": "A ledger", **run.asking()}
    return await run.client.done(run.client.api.images.generate(**given))


@call
async def images_stream(run: Run) -> Answer:
    """A generated image, after two that are partial."""
    given: Json = {"model": "gpt-image-1", "prompt": "A ledger", **run.asking()}
    stream = run.client.api.images.generate(stream=True, partial_images=2, **given)
    return await run.read(await run.client.done(stream))


@call
async def images_edit(run: Run) -> Answer:
    """An edited image."""
    given: Json = {"model": "gpt-image-1", "prompt": "A ledger", **run.asking()}
    image = ("image.png", b"\0" * 1000, "image/png")
    return await run.client.done(run.client.api.images.edit(image=image, **given))


@call
async def transcription(run: Run) -> Answer:
    """What a recording says."""
    return await _transcribe(run)


@call
async def transcription_stream(run: Run) -> Answer:
    """The same as a stream."""
    return await run.read(await _transcribe(run, stream=True))


def _transcribe(run: Run, **arguments: Any) -> Awaitable[Answer]:
    given: Json = {"model": "gpt-4o-transcribe", "file": _RECORDING, **run.asking(), **arguments}
    return run.client.done(run.client.api.audio.transcriptions.create(**given))


@call
async def speech_events(run: Run) -> Answer:
    """Speech as events, the last of which has the usage; the client hands them out as bytes."""
    given: Json = {
        "model": "gpt-4o-mini-tts",
        "input": "A ledger",
        "voice": "alloy",
        "stream_format": "sse",
        **run.asking(),
    }
    await run.client.done(run.client.api.audio.speech.create(**given))
    return None


def _usage_for(name: str, number: int) -> str:
    if not name.startswith(_IN_INPUT_TOKENS):
        return usage_for(name, number)
    given, made = 1000 + number, 500 + number
    counts = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    return json.dumps({"type": "tokens", **counts} if name.startswith("trans") else counts)


# --- what is said of them -------------------------------------------------------------------


def main(way: str, server: str) -> None:
    """Make all calls; print what each received, and what is said of it, as JSON."""
    # Of what the instrumentations complain is not the question here.
    logging.disable(logging.WARNING)
    said = _said_by_ledger(server) if way == OURS else _said_by_spans(way, server)
    print(json.dumps(said))


def _said_by_spans(way: str, server: str) -> dict[str, Json]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    switch_on(way, tracer_provider=provider)
    said: dict[str, Json] = {}

    def after(name: str) -> None:
        spans = exporter.get_finished_spans()
        exporter.clear()
        said[name] = {
            "requests": len(spans),
            "input": _sum(spans, _INPUT),
            "output": _sum(spans, _OUTPUT),
            "estimated": False,
        }

    received = _make_all(server, after)
    return {name: {**got, **said[name]} for name, got in received.items()}


def _sum(spans: Iterable[ReadableSpan], names: tuple[str, ...]) -> int:
    """The tokens on all spans, which name them in one of these ways."""
    tokens = 0
    for span in spans:
        attributes: Mapping[str, Any] = span.attributes or {}
        tokens += next((attributes[name] for name in names if name in attributes), 0)
    return tokens


def _said_by_ledger(server: str) -> dict[str, Json]:
    with tempfile.TemporaryDirectory() as folder:
        otel_token_monitor.instrument(data_dir=folder, serve=False, instrumentation="wire")
        received = _make_all(server, lambda _: None)
        otel_token_monitor.uninstrument()
        with closing(sqlite3.connect(Path(folder) / "usage.db")) as connection:
            rows = {name: row for name, *row in connection.execute(_LEDGER)}
    said = {}
    for name, got in received.items():
        requests, given, made, estimated = rows.get(name, (0, 0, 0, 0))
        said[name] = {
            **got,
            "requests": requests,
            "input": given or 0,
            "output": made or 0,
            "estimated": bool(estimated),
        }
    return said


def _make_all(server: str, after: Callable[[str], None]) -> dict[str, Json]:
    """Make each call, sync and async; what the client received, and what the server sent."""
    # What is loaded by now stays: the collections after each call need not look at it.
    gc.freeze()
    received: dict[str, Json] = {}
    for mode in ("sync", "async"):
        drive(_make_each(server, mode, received, after), asynchronous=mode == "async")
    return received


async def _make_each(
    server: str, mode: str, received: dict[str, Json], after: Callable[[str], None]
) -> None:
    asynchronous = mode == "async"
    for number, kind in enumerate(CALLS):
        if not asynchronous and kind in ASYNC_ONLY:
            continue
        name = f"{mode} {kind}"
        client = Client(server, asynchronous=asynchronous)
        usage = _usage_for(kind, number)
        with project(name):
            got = await make(kind, client, {"x-demo-usage": usage})
        await client.collect()
        await client.close()
        if asynchronous:
            await asyncio.sleep(0)
        received[name] = {
            "received": got["usage"],
            "error": got["error"],
            "sent": json.loads(usage),
        }
        after(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
