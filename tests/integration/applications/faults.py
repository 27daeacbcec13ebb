"""An application whose monitor has faulty parts: its calls must not notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_token_monitor.spans.processor import SpanQueue, TokenSpanProcessor
from otel_token_monitor.spans.project import ProjectPolicy
from otel_token_monitor.spans.providers import ProviderHooks
from tests.integration.applications.application import asked, complaints, report, switch_on
from tests.integration.applications.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    from otel_token_monitor.spans.processor import EndedSpan

MESSAGES = [{"role": "user", "content": "Hello there"}]


class FaultyPolicy(ProjectPolicy):
    """Cannot say whose a call is."""

    def project_in(self, current: Context) -> str:
        raise OSError(f"no project in {current}")


class FaultyQueue(SpanQueue):
    """Takes nothing in."""

    def put(self, item: EndedSpan) -> None:
        raise MemoryError(f"no room for {item}")


class FaultyProcessor(TokenSpanProcessor):
    """Fails before it could do anything."""

    def _stamp(self, span: Span, scope: str, parent_context: Context | None) -> None:
        raise AttributeError(f"{span} of {scope} in {parent_context}")


def awake() -> None:
    """Nobody to wake."""


def refuse_to_wake() -> None:
    """A thread that cannot be started."""
    raise RuntimeError("can't start new thread")


FAULTS: dict[str, Callable[[], TokenSpanProcessor]] = {
    "policy": lambda: TokenSpanProcessor(SpanQueue(10, awake), FaultyPolicy("shop")),
    "queue": lambda: TokenSpanProcessor(FaultyQueue(10, awake), ProjectPolicy("shop")),
    "full queue": lambda: TokenSpanProcessor(SpanQueue(0, awake), ProjectPolicy("shop")),
    "waking": lambda: TokenSpanProcessor(SpanQueue(10, refuse_to_wake), ProjectPolicy("shop")),
    "stamping": lambda: FaultyProcessor(SpanQueue(10, awake), ProjectPolicy("shop")),
}


def outcome(call: Callable[[], Any]) -> list[str]:
    """What a call returned, or raised, with what came before that."""
    try:
        result = call()
    except openai.OpenAIError as error:
        return [type(error).__name__, str(error), repr(error.__context__), repr(error.__cause__)]
    return [type(result).__name__, str(result.choices[0].message.content)]


def outcomes(client: Client) -> list[list[str]]:
    """What a call that succeeds, and one that is refused, come to."""
    create = client.api.chat.completions.create
    refused = {"extra_headers": {"x-demo-status": "429"}}
    given = {"model": "gpt-5-mini", "messages": MESSAGES}
    return [outcome(lambda: create(**given)), outcome(lambda: create(**given, **refused))]


def main() -> None:
    """Make the same calls without the monitor, and with each faulty part."""
    question = asked()
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    switch_on(question["instrumentation"])
    client = Client(question["server"], asynchronous=False)
    answers = {"none": outcomes(client)}
    exported = {"none": len(exporter.get_finished_spans())}
    logged = {}
    errors = {}
    for name, make in FAULTS.items():
        exporter.clear()
        with complaints() as said:
            processor = make()
            hooks = ProviderHooks(processor)
            hooks.install()
            answers[name] = outcomes(client)
            hooks.uninstall()
        exported[name] = len(exporter.get_finished_spans())
        logged[name] = len(said)
        errors[name] = processor.hook_errors
    report(answers=answers, exported=exported, logged=logged, errors=errors)


if __name__ == "__main__":
    main()
