"""Real spans for tests: made by the SDK, caught by the real processor."""

from __future__ import annotations

import random
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_token_monitor.spans.calls import Call, ImpliedRecord, read_ended
from otel_token_monitor.spans.matching import Matcher
from otel_token_monitor.spans.processor import SpanQueue, Stamp, TokenSpanProcessor
from otel_token_monitor.spans.project import ProjectPolicy
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import Span
    from opentelemetry.trace import Tracer

    from otel_token_monitor.spans.processor import EndedSpan

TRACELOOP: Final = "opentelemetry.instrumentation.openai.v1"
OFFICIAL: Final = "opentelemetry.instrumentation.genai.openai"
OPENINFERENCE: Final = "openinference.instrumentation.openai"
LANGCHAIN: Final = "openinference.instrumentation.langchain"

EPOCH_NS: Final = 1_790_000_000_000_000_000
"""When the spans of tests start, unless they say otherwise."""
MS: Final = 1_000_000
USED: Final = TokenUsage(input=10, output=5)
"""What a call that is logged by hand uses, unless its test says otherwise."""


class SpanLab:
    """A TracerProvider of its own whose spans of calls wait in `queue`, as in an application."""

    def __init__(self, policy: ProjectPolicy | None = None, *, capacity: int = 100_000) -> None:
        self.wakes = 0
        self.queue = SpanQueue(capacity, self._wake)
        self.processor = TokenSpanProcessor(self.queue, policy or ProjectPolicy("shop"))
        self.provider = TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.matcher = Matcher(self.processor.open_stamps)

    def _wake(self) -> None:
        self.wakes += 1

    def tracer(self, scope: str = TRACELOOP) -> Tracer:
        return self.provider.get_tracer(scope)

    def start(
        self,
        attributes: Mapping[str, Any] | None = None,
        *,
        scope: str = TRACELOOP,
        name: str = "openai.chat",
        parent: trace.Span | None = None,
        start_ns: int = EPOCH_NS,
        owner: tuple[int, int] | None = None,
    ) -> Span:
        """Start a span; `owner` is the thread and task that it claims to be started in."""
        context = Context() if parent is None else trace.set_span_in_context(parent, Context())
        span: Any = self.tracer(scope).start_span(
            name, context, attributes=attributes, start_time=start_ns
        )
        if owner is not None:
            self.stamp(span).owner = owner
        started: Span = span
        return started

    def stamp(self, span: Span) -> Stamp:
        """The stamp of an open span."""
        return self.processor._open[span.context.span_id]

    def end(self, span: Span, *, after_ms: float = 100) -> None:
        """End a span so many milliseconds after it started."""
        span.end((span.start_time or 0) + int(after_ms * MS))

    def fail(self, span: Span, error: BaseException, *, after_ms: float = 100) -> None:
        """End a span as an instrumentation does when the call raised."""
        span.record_exception(error)
        span.set_status(StatusCode.ERROR)
        self.end(span, after_ms=after_ms)

    def log(
        self,
        usage: TokenUsage | None = USED,
        *,
        at_ms: float = 150,
        project: str | None = None,
        parent: trace.Span | None = None,
        owner: tuple[int, int] | None = None,
        **more: Any,
    ) -> UsageRecord:
        """Log a call by hand; at the time given, within a span, by a thread and task."""
        time_ns = EPOCH_NS + int(at_ms * MS)
        labels = Labels(project or "shop", "openai", more.pop("model", "m"), "chat/completions")
        fields: dict[str, Any] = {"usage": usage, "source": "manual", **more}
        if usage is None and "status" not in more:
            fields["unmetered"] = "no_usage"
        kind = ImpliedRecord if project is None else UsageRecord
        record = kind(time_ns=time_ns, nonce=random.getrandbits(60), labels=labels, **fields)
        with nullcontext() if parent is None else trace.use_span(parent):
            self.processor.log(record, time_ns)
        if owner is not None:
            self.queue._items[-1][0].owner = owner
        return record

    def ended(self) -> list[EndedSpan]:
        """What is in the queue."""
        return self.queue.take()

    def calls(self) -> list[Call]:
        """The calls that the ended spans tell of."""
        read = []
        for item in self.ended():
            call = read_ended(item, (), EPOCH_NS)
            item[0].read = True
            if call is not None:
                read.append(call)
        return read

    def drain(self, now: float = 0.0, *, everything: bool = False) -> list[UsageRecord]:
        """One round of the drain thread at `now`: read, match, settle."""
        for item in self.ended():
            call = read_ended(item, (), EPOCH_NS)
            if call is not None:
                self.matcher.add(call, now)
            item[0].read = True
        return self.matcher.settle(now, everything=everything)
