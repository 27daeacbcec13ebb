"""An application that gets gigantic bodies, and tells how much memory that took."""

from __future__ import annotations

import json
import resource
import tracemalloc
from typing import TYPE_CHECKING, Any

import openai

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import asked, complaints, report
from tests.integration.applications.scripted import Server, chunked, head, whole
from tests.integration.applications.scripts import CHAT, CHUNK, USAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.applications.scripted import Part

SOME: Any = [{"role": "user", "content": "Hello there"}]
MEGABYTE = 1_000_000


def event(content: str, **more: Any) -> bytes:
    """One event of a stream."""
    choices = [{"index": 0, "delta": {"content": content}, "finish_reason": None}]
    return b"data: " + json.dumps({**CHUNK, "choices": choices, **more}).encode() + b"\n\n"


def streamed(size: int) -> Iterator[Part]:
    """A stream of so many bytes at least, and its usage."""
    yield head(content_type="text/event-stream", transfer_encoding="chunked")
    events = event("x" * 20_000) * 10
    for _ in range(size // len(events) + 1):
        yield chunked(events)
    last = {**CHUNK, "choices": [], "usage": USAGE}
    yield chunked(b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n") + chunked(b"")


def endless(size: int) -> Iterator[Part]:
    """An event that never ends."""
    yield head(content_type="text/event-stream", transfer_encoding="chunked")
    for _ in range(size // MEGABYTE):
        yield chunked(b"data: x\n" * (MEGABYTE // 8))
    yield chunked(b"")


def peak_of(act: Any) -> int:
    """How much memory an act needs at its peak (bytes), beyond what the process had needed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    act()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def main() -> None:
    """Get them all."""
    question = asked()
    scripts: Any = {
        "whole": lambda _: [whole({**CHAT, "made_up": "x" * (25 * MEGABYTE)})],
        "streamed": lambda _: streamed(100 * MEGABYTE),
        "small": lambda _: streamed(MEGABYTE),
        "endless": lambda _: endless(20 * MEGABYTE),
    }
    peaks = {}
    with complaints() as said, Server(scripts) as server:
        monitor = otel_token_monitor.instrument(
            data_dir=question["data_dir"], serve=False, instrumentation="wire"
        )
        with openai.OpenAI(api_key="k", base_url=server.base_url, max_retries=0) as api:
            chats = api.chat.completions

            def read(script: str) -> None:
                with project(script):
                    opened = chats.with_streaming_response.create(
                        model="gpt-5-mini",
                        messages=SOME,
                        stream=True,
                        extra_headers={"x-script": script},
                    )
                    with opened as answer:
                        for _ in answer.iter_bytes():
                            pass

            read("small")
            # The first call's price has been imported, which takes megabytes once.
            assert monitor.force_flush(60)
            peaks["streamed"] = peak_of(lambda: read("streamed"))
            tracemalloc.start()
            read("streamed")
            peaks["streamed, traced"] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            read("endless")
            with project("whole"):
                chats.create(model="gpt-5-mini", messages=SOME, extra_headers={"x-script": "whole"})
        otel_token_monitor.uninstrument()
    report(peaks=peaks, complaints=said)


if __name__ == "__main__":
    main()
