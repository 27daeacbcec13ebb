"""CPU per span at 1000 spans a second, the ledger included, beside the SDK's batch processor."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.measure import Row, ratio_row, run_script

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
RATE = 1000
ROUNDS = 5

ATTRIBUTES: dict[str, object] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.is_streaming": False,
    "gen_ai.openai.api_base": "https://api.openai.com/v1/",
    "gen_ai.response.model": "gpt-5-mini-2025-08-07",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.openai.response.system_fingerprint": "fp_44709d6fcb",
    "openai.response.service_tier": "default",
    "gen_ai.usage.total_tokens": 2137,
    "gen_ai.usage.output_tokens": 82,
    "gen_ai.usage.input_tokens": 2055,
    "gen_ai.usage.cache_read.input_tokens": 1024,
    "gen_ai.usage.reasoning_tokens": 64,
}


class NoOpExporter(SpanExporter):
    """Throws every span away."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def main(mode: str) -> None:
    """Make spans at the rate; print the CPU microseconds a span, of the whole process, as JSON."""
    provider = TracerProvider(shutdown_on_exit=False)
    with tempfile.TemporaryDirectory() as folder:
        monitor = None
        if mode == "batch":
            provider.add_span_processor(BatchSpanProcessor(NoOpExporter()))
        elif mode == "ours":
            # Imported where it is measured: the other side must not carry it.
            import otel_token_monitor

            monitor = otel_token_monitor.instrument(
                data_dir=folder, serve=False, instrumentation="none", tracer_provider=provider
            )
        tracer = provider.get_tracer("opentelemetry.instrumentation.openai.v1")
        _spans(tracer, seconds=1.0)
        before = time.process_time()
        count = _spans(tracer, seconds=SECONDS)
        if monitor is not None:
            monitor.force_flush()
        provider.force_flush()
        print(json.dumps((time.process_time() - before) / count * 1e6))


def _spans(tracer: trace.Tracer, *, seconds: float) -> int:
    """Ten spans every 10 ms, as a busy server's calls end."""
    begin = time.perf_counter()
    done = 0
    while (now := time.perf_counter() - begin) < seconds:
        while done < now * RATE:
            span = tracer.start_span("openai.chat", kind=trace.SpanKind.CLIENT)
            for name, value in ATTRIBUTES.items():
                span.set_attribute(name, value)  # type: ignore[arg-type]
            span.set_attribute("gen_ai.response.id", f"chatcmpl-{done}")
            span.end()
            done += 1
        time.sleep(0.01)
    return done


def run() -> list[Row]:
    """The comparison, each side less a process without any processor."""
    runs: dict[str, list[float]] = {"none": [], "batch": [], "ours": []}
    for _ in range(ROUNDS):
        for mode, times in runs.items():
            times.append(run_script("benchmarks.cpu", mode))
    bare = median(runs["none"])
    return [
        ratio_row(
            "CPU per span at 1000/s, with the ledger / BatchSpanProcessor",
            [value - bare for value in runs["ours"]],
            [value - bare for value in runs["batch"]],
            "µs",
            3,
        )
    ]


if __name__ == "__main__":
    main(sys.argv[1])
