"""What the applications share: what they are asked, how they begin, and what they report."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import sys
import time
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor import TokenMonitor

__all__ = ["INSTRUMENTORS", "asked", "complaints", "report", "scrape", "switch_on"]

INSTRUMENTORS = {
    "traceloop": ("opentelemetry.instrumentation.openai", "OpenAIInstrumentor"),
    "official": ("opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor"),
    "openinference": ("openinference.instrumentation.openai", "OpenAIInstrumentor"),
    "langchain": ("opentelemetry.instrumentation.langchain", "LangchainInstrumentor"),
    "openinference-langchain": (
        "openinference.instrumentation.langchain",
        "LangChainInstrumentor",
    ),
}


def asked() -> dict[str, Any]:
    """What the test asks of this run: JSON on standard input."""
    question: dict[str, Any] = json.load(sys.stdin)
    return question


def report(**answer: object) -> None:
    """Answer the test: JSON, as the last line of standard output."""
    print(json.dumps(answer), flush=True)  # noqa: T201 - this is how applications report


def switch_on(name: str, **arguments: object) -> Any:
    """Switch an instrumentation on, as an application does."""
    module, kind = INSTRUMENTORS[name]
    instrumentor = getattr(importlib.import_module(module), kind)()
    instrumentor.instrument(**arguments)
    return instrumentor


def scrape(monitor: TokenMonitor) -> str:
    """What Prometheus would read, over HTTP, once all that ended is counted."""
    monitor.force_flush()
    deadline = time.monotonic() + 60
    while monitor.address is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert monitor.address is not None
    host, port = monitor.address
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=60) as response:
        text: str = response.read().decode()
    return text


@contextlib.contextmanager
def complaints() -> Iterator[list[str]]:
    """What the monitor logs as a warning or worse."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    listener = Listener(logging.WARNING)
    logger = logging.getLogger("otel_token_monitor")
    logger.addHandler(listener)
    try:
        yield said
    finally:
        logger.removeHandler(listener)
