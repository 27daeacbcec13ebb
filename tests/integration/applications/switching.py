"""An application that switches the monitor on and off, and looks at what is left of it."""

from __future__ import annotations

import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

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

MESSAGES = [{"role": "user", "content": "Hello there"}]

# Where instrumentations and the monitor put wrappers.
PATCHED = ("openai.resources.", "openai._", "opentelemetry.trace", "opentelemetry.sdk.trace")


def members() -> dict[str, object]:
    """The functions and properties of the classes of openai and OpenTelemetry."""
    return {
        f"{module}.{kind.__qualname__}.{name}": value
        for module, contents in list(sys.modules.items())
        if module == "openai" or module.startswith(PATCHED)
        for kind in list(vars(contents).values())
        if isinstance(kind, type) and kind.__module__ == module
        for name, value in list(vars(kind).items())
        if callable(value) or isinstance(value, property)
    }


def differing(before: dict[str, object]) -> list[str]:
    """Which of them are not what they were, or were not there; of classes that were."""
    now = members()
    classes = {name.rpartition(".")[0] for name in before}
    return [
        name
        for name in now.keys() | before.keys()
        if name.rpartition(".")[0] in classes and now.get(name) is not before.get(name)
    ]


def state(provider: TracerProvider) -> list[int]:
    """The parts of a provider, and of the tracers that it has made, by identity."""
    tracers = provider._tracers.values()
    return [
        id(provider._active_span_processor),
        id(provider.sampler),
        *(id(part) for tracer in tracers for part in (tracer.sampler, tracer.span_processor)),
    ]


def call_all(client: Client, name: str) -> None:
    """One call of each kind."""
    with project(name):
        client.api.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
        client.api.responses.create(model="gpt-5-mini", input="Hello")
        client.api.embeddings.create(model="text-embedding-3-small", input="Hello")


def main() -> None:
    """Instrument, uninstrument, instrument; make calls in each state."""
    question = asked()
    own = question.get("switched_on_by_the_application")
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    trace.get_tracer("opentelemetry.instrumentation.openai.v1")
    trace.get_tracer("application")
    client = Client(question["server"], asynchronous=False)
    arguments: Any = {
        "data_dir": question["data_dir"],
        "port": 0,
        "instrumentation": question["instrumentation"],
    }
    with complaints() as said:
        # Once through: what modules load, and what classes fill in, when they are first used.
        otel_token_monitor.instrument(**arguments)
        call_all(client, "first")
        otel_token_monitor.uninstrument()
        call_all(client, "off")
        if own:
            switch_on(own)
        before, before_state = members(), state(provider)

        monitor = otel_token_monitor.instrument(**arguments)
        again = otel_token_monitor.instrument(**arguments) is monitor
        call_all(client, "second")
        changed = differing(before)
        metrics = scrape(monitor)
        otel_token_monitor.uninstrument()

        left = differing(before)
        same_state = state(provider)[: len(before_state)] == before_state
        call_all(client, "off")
    report(
        again=again,
        changed=changed,
        left=left,
        same_state=same_state,
        metrics=metrics,
        complaints=said,
    )


if __name__ == "__main__":
    main()
