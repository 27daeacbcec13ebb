"""An application with tracing of its own: whatever it drops must be counted, and stay dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import otel_token_monitor
from tests.integration.applications.application import (
    asked,
    complaints,
    report,
    scrape,
    switch_on,
)
from tests.integration.applications.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.sdk.trace.sampling import Sampler

CALLS = 200
MESSAGES = [{"role": "user", "content": "Hello there"}]

# Made up by the server and the system anew for each run.
MADE_UP = {"gen_ai.response.id", "gen_ai.openai.api_base", "output.value", "server.port"}

SAMPLERS: dict[str, Callable[[], Sampler | None]] = {
    "ratio": lambda: TraceIdRatioBased(0.01),
    "parent_based_ratio": lambda: ParentBased(TraceIdRatioBased(0.01)),
    "half": lambda: TraceIdRatioBased(0.5),
    "off": lambda: ALWAYS_OFF,
    "environment": lambda: None,
}


class Numbered(IdGenerator):
    """Ids that are the same in each run, spread so that a ratio takes its share of them."""

    def __init__(self) -> None:
        self._number = 0

    def _next(self, bits: int) -> int:
        self._number += 1
        return (self._number * 0x9E3779B97F4A7C15) % (1 << bits) or 1

    def generate_span_id(self) -> int:
        return self._next(64)

    def generate_trace_id(self) -> int:
        return self._next(64) | (1 << 127)


class Heedless(SpanProcessor):
    """A processor of the application that does not look at the sampled flag."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:  # noqa: ARG002 - the SDK's
        self.started.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def described(spans: Sequence[ReadableSpan]) -> list[Any]:
    """All of the spans that does not change from run to run."""
    return [
        [
            span.name,
            span.context.trace_id,
            span.context.span_id,
            int(span.context.trace_flags),
            None if span.parent is None else span.parent.span_id,
            span.status.status_code.name,
            sorted(
                (name, str(value))
                for name, value in (span.attributes or {}).items()
                if name not in MADE_UP
            ),
            [event.name for event in span.events],
        ]
        for span in spans
    ]


class Tracing:
    """The application's own tracing."""

    def __init__(self, sampler: str) -> None:
        self.simple, self.batched = InMemorySpanExporter(), InMemorySpanExporter()
        self.heedless = Heedless()
        self.provider = TracerProvider(sampler=SAMPLERS[sampler](), id_generator=Numbered())
        self.provider.add_span_processor(SimpleSpanProcessor(self.simple))
        self.provider.add_span_processor(BatchSpanProcessor(self.batched, max_queue_size=10_000))
        self.provider.add_span_processor(self.heedless)

    def seen(self) -> dict[str, Any]:
        """What reached the application's own exporters and processors."""
        self.provider.force_flush()
        return {
            "simple": described(self.simple.get_finished_spans()),
            "batched": described(self.batched.get_finished_spans()),
            "heedless": described(self.heedless.ended),
            "started": self.heedless.started,
        }


def from_afar() -> context.Context:
    """The context of a request whose caller does not sample."""
    caller = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(0))
    return trace.set_span_in_context(NonRecordingSpan(caller))


def dropped_kinds(tracer: trace.Tracer) -> list[str]:
    """What kind of span the application's own spans are."""
    kinds = set()
    for _ in range(20):
        with tracer.start_as_current_span("work") as span:
            kinds.add(type(span).__name__)
    return sorted(kinds)


def main() -> None:
    """Set tracing up in the order asked for, make 200 calls, and report."""
    question = asked()
    own: Tracing | None = None
    monitor = None
    with complaints() as said:
        early = trace.get_tracer("application.early")
        for step in question["steps"]:
            if step == "provider":
                own = Tracing(question["sampler"])
                trace.set_tracer_provider(own.provider)
            elif step == "monitor":
                monitor = otel_token_monitor.instrument(
                    data_dir=question["data_dir"],
                    port=0,
                    instrumentation=question["instrumentation"],
                )
            else:
                switch_on(step)
        if question.get("remote_parent"):
            context.attach(from_afar())
        client = Client(question["server"], asynchronous=False)
        for _ in range(question.get("calls", CALLS)):
            client.api.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
        kinds = [dropped_kinds(early), dropped_kinds(trace.get_tracer("application"))]
        provider = trace.get_tracer_provider()
        metrics = "" if monitor is None else scrape(monitor)
        otel_token_monitor.uninstrument()
    report(
        metrics=metrics,
        seen=None if own is None else own.seen(),
        kinds=kinds,
        # Whether the application's own is the global one: ours must never be in its way.
        provider=type(provider).__name__,
        own_is_global=own is None or provider is own.provider,
        complaints=said,
    )


if __name__ == "__main__":
    main()
