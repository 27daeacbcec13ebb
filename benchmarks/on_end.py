"""`on_end` inside real instrumented calls: ours, a bare hand-over, and what a user would write.

The real openai client with Traceloop's instrumentation calls the bundled server, which runs in a
process of its own. Each call is given to one candidate in turn; a candidate that does nothing
measures the timer.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import openai
import prometheus_client
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from benchmarks.measure import Row, ratio_row, run_script
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.pipeline import Pipeline
from otel_token_monitor.spans.project import ProjectPolicy

if TYPE_CHECKING:
    from opentelemetry.context import Context

CALLS = int(os.environ.get("BENCH_CALLS", "2500"))
_SCOPES = {"opentelemetry.instrumentation.openai.v1"}


class Nothing(SpanProcessor):
    """The timer alone."""


class BareHandOver(SpanProcessor):
    """The least that anyone can do: filter, append."""

    def __init__(self) -> None:
        self.queue: deque[ReadableSpan] = deque(maxlen=16_384)

    def on_end(self, span: ReadableSpan) -> None:
        scope = span.instrumentation_scope
        if scope is not None and scope.name in _SCOPES:
            self.queue.append(span)


def _facts(span: ReadableSpan) -> tuple[dict[str, str], dict[str, int], float]:
    """What both of the following read of a span."""
    attributes = span.attributes or {}
    labels = {
        "project": "bench",
        "provider": str(attributes.get("gen_ai.provider.name")),
        "model": str(attributes.get("gen_ai.request.model")),
        "endpoint": str(attributes.get("gen_ai.operation.name")),
    }
    whole_input: Any = attributes.get("gen_ai.usage.input_tokens", 0)
    whole_output: Any = attributes.get("gen_ai.usage.output_tokens", 0)
    cached: Any = attributes.get("gen_ai.usage.cache_read.input_tokens", 0)
    reasoning: Any = attributes.get("gen_ai.usage.reasoning_tokens", 0)
    tokens = {
        "input": whole_input - cached,
        "input_cached": cached,
        "input_cache_write": 0,
        "output": whole_output - reasoning,
        "output_reasoning": reasoning,
    }
    return labels, tokens, ((span.end_time or 0) - (span.start_time or 0)) / 1e9


class MetricsSDK(SpanProcessor):
    """The same counters and histograms through OpenTelemetry's metrics SDK."""

    def __init__(self) -> None:
        meter = MeterProvider([InMemoryMetricReader()]).get_meter("bench")
        self.tokens = meter.create_counter("llm_tokens")
        self.requests = meter.create_counter("llm_requests")
        self.cost = meter.create_counter("llm_cost_usd")
        self.duration = meter.create_histogram("llm_request_duration_seconds")
        self.size = meter.create_histogram("llm_request_tokens")

    def on_end(self, span: ReadableSpan) -> None:
        labels, tokens, seconds = _facts(span)
        for kind, count in tokens.items():
            self.tokens.add(count, {**labels, "type": kind})
        self.requests.add(1, {**labels, "status": "ok"})
        self.cost.add(0.001, labels)
        self.duration.record(seconds, labels)
        self.size.record(tokens["input"], {**labels, "direction": "input"})
        self.size.record(tokens["output"], {**labels, "direction": "output"})


class NaiveLabels(SpanProcessor):
    """The same through prometheus_client, `labels()` each time."""

    def __init__(self) -> None:
        names = ("project", "provider", "model", "endpoint")
        registry = prometheus_client.CollectorRegistry()
        self.tokens = prometheus_client.Counter("t", "t", (*names, "type"), registry=registry)
        self.requests = prometheus_client.Counter("r", "r", (*names, "status"), registry=registry)
        self.cost = prometheus_client.Counter("c", "c", names, registry=registry)
        self.duration = prometheus_client.Histogram("d", "d", names, registry=registry)
        self.size = prometheus_client.Histogram("s", "s", (*names, "direction"), registry=registry)

    def on_end(self, span: ReadableSpan) -> None:
        labels, tokens, seconds = _facts(span)
        for kind, count in tokens.items():
            self.tokens.labels(**labels, type=kind).inc(count)
        self.requests.labels(**labels, status="ok").inc()
        self.cost.labels(**labels).inc(0.001)
        self.duration.labels(**labels).observe(seconds)
        self.size.labels(**labels, direction="input").observe(tokens["input"])
        self.size.labels(**labels, direction="output").observe(tokens["output"])


class Alternating(SpanProcessor):
    """Gives each span to one candidate in turn, and times its `on_end`."""

    def __init__(self, candidates: dict[str, SpanProcessor]) -> None:
        self._turns = itertools.cycle(candidates.items())
        self._chosen: dict[int, tuple[str, SpanProcessor]] = {}
        self.nanoseconds: dict[str, list[int]] = {name: [] for name in candidates}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        _, candidate = self._chosen[span.context.span_id] = next(self._turns)
        candidate.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        name, candidate = self._chosen.pop(span.context.span_id)
        on_end = candidate.on_end
        begin = time.perf_counter_ns()
        on_end(span)
        self.nanoseconds[name].append(time.perf_counter_ns() - begin)


def main() -> None:
    """Make the calls; print the medians in microseconds, less the timer's, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Location.in_directory(Path(folder)), ProjectPolicy("bench"))
        pipeline.start()
        alternating = Alternating(
            {
                "nothing": Nothing(),
                "bare": BareHandOver(),
                "ours": pipeline.processor,
                "sdk": MetricsSDK(),
                "naive": NaiveLabels(),
            }
        )
        provider = TracerProvider()
        provider.add_span_processor(alternating)
        OpenAIInstrumentor().instrument(tracer_provider=provider)
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert server.stdin is not None
        assert server.stdout is not None
        client = openai.OpenAI(base_url=server.stdout.readline().decode().strip(), api_key="-")
        for _ in range(CALLS):
            client.chat.completions.create(
                model="gpt-5-mini", messages=[{"role": "user", "content": "What is a ledger?"}]
            )
        server.stdin.close()
        server.wait(10)
        pipeline.close()
    timer = median(alternating.nanoseconds["nothing"])
    print(
        json.dumps(
            {
                name: (median(times) - timer) / 1000
                for name, times in alternating.nanoseconds.items()
            }
        )
    )


_SERVER = """
import sys
from otel_token_monitor.demo.server import DemoServer
with DemoServer() as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
"""


def run() -> list[Row]:
    """The comparisons of `on_end`."""
    runs = [run_script("benchmarks.on_end", TRACELOOP_TRACE_CONTENT="false") for _ in range(3)]
    times = {name: [run[name] for run in runs] for name in runs[0]}
    what = "on_end in a real call"
    return [
        ratio_row(f"{what} / bare hand-over", times["ours"], times["bare"], "µs", 2),
        ratio_row(f"{what} / OpenTelemetry metrics SDK", times["ours"], times["sdk"], "µs", 1 / 40),
        ratio_row(f"{what} / naive labels()", times["ours"], times["naive"], "µs", 1 / 15),
    ]


if __name__ == "__main__":
    main()
