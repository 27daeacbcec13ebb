"""What `instrument()` adds to an application that has openai and its instrumentation already."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.measure import Row, run_script

ROUNDS = 9


def main(mode: str) -> None:
    """Start as an application does; print milliseconds of wall and CPU time and MB, as JSON."""
    import openai
    from opentelemetry import trace
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    OpenAIInstrumentor().instrument()
    openai.OpenAI(api_key="-")
    with tempfile.TemporaryDirectory() as folder:
        begin, cpu = time.perf_counter(), time.process_time()
        if mode == "ours":
            import otel_token_monitor

            monitor = otel_token_monitor.instrument(data_dir=folder, port=0)
            ready = time.perf_counter()
            while monitor.address is None:
                time.sleep(0.001)
        else:
            ready = time.perf_counter()
        served = time.perf_counter()
        time.sleep(0.3)
        print(
            json.dumps(
                {
                    "returned_ms": (ready - begin) * 1000,
                    "served_ms": (served - begin) * 1000,
                    "cpu_ms": (time.process_time() - cpu) * 1000,
                    "mb": _resident() / 1024,
                }
            )
        )


def _resident() -> float:
    """Kilobytes of resident memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1024


def run() -> list[Row]:
    """The differences, by medians of alternating processes."""
    runs: dict[str, list[dict[str, float]]] = {"none": [], "ours": []}
    for _ in range(ROUNDS):
        for mode, results in runs.items():
            results.append(run_script("benchmarks.startup", mode))

    def medians(name: str) -> tuple[float, float]:
        ours, bare = (median(r[name] for r in runs[mode]) for mode in ("ours", "none"))
        return ours, bare

    rows = []
    for what, name, unit, limit in (
        ("startup: until instrument() returns", "returned_ms", "ms", 100.0),
        ("startup: until /metrics is served", "served_ms", "ms", 100.0),
        ("startup: CPU, all threads", "cpu_ms", "ms", 100.0),
        ("startup: resident memory", "mb", "MB", 15.0),
    ):
        ours, bare = medians(name)
        rows.append(
            Row(
                what,
                f"{ours:.3g} {unit}",
                f"{bare:.3g} {unit}",
                f"+{ours - bare:.3g} {unit}",
                f"≤ {limit:.0f} {unit}",
                ours - bare <= limit,
            )
        )
    return rows


if __name__ == "__main__":
    main(sys.argv[1])
