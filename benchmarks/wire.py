"""What capture adds to calls and to streamed chunks, beside Traceloop's instrumentation.

Three processes make the same calls with OpenAI's real client, in turns: one that observes nothing,
one with Traceloop's instrumentation (prompts not captured, spans processed by a processor that
does nothing), and one with `instrumentation="wire"`, ledger and all. The server is a process of
its own. CPU time is that of all threads of a process, unless a row says otherwise; what is added
is the median of the differences between processes that took the same turn.

`BENCH_MEMORY_CALLS=100000` is for before a release: by default fewer calls are made.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.canned import CHUNKS, TEXT_BYTES, serving
from benchmarks.measure import Row, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS: Final = int(os.environ.get("BENCH_WIRE_ROUNDS", "15"))
# What lies where in memory makes some processes slower than others: there are several of each.
GENERATIONS: Final = 6
CALLS: Final = 400
STREAM_ROUNDS: Final = 24
STREAMED: Final = 5000
MEMORY_CALLS: Final = int(os.environ.get("BENCH_MEMORY_CALLS", "20000"))
MEMORY_WARM_UP: Final = 5000
LARGE_MB: Final = 100
LARGE_CHUNK: Final = 1024

CPU_LIMIT_US: Final = 100
CPU_LIMIT_RATIO: Final = 0.25
CHUNK_LIMIT_US: Final = 5
MEMORY_LIMIT_MB: Final = 4

MODES: Final = ("none", "traceloop", "wire")
_QUESTION: Final[dict[str, Any]] = {
    "model": "gpt-5-mini",
    "messages": [{"role": "user", "content": "What is a ledger?"}],
}
_WITH_USAGE: Final = {"stream_options": {"include_usage": True}}

Spent = dict[str, float]


# --- a process that makes calls -------------------------------------------------------------


def main(mode: str, server: str) -> None:
    """Do what each line of standard input asks for; print what it took, as JSON."""
    # Imported where it is measured: the other sides must not carry it.
    import openai

    with ExitStack() as stack:
        flush = _OBSERVING[mode](stack)
        client = openai.OpenAI(base_url=server, api_key="-")
        tasks: dict[str, Callable[[Any, int], float]] = {
            "calls": _calls,
            "stream": lambda client, chunks: _stream(client, chunks, **_WITH_USAGE),
            "stream_not_asked": _stream,
            "large": _large,
        }
        for line in sys.stdin:
            task, amount = line.split()
            before, here, megabytes = time.process_time(), time.thread_time(), _resident_mb()
            most = tasks[task](client, int(amount))
            here = time.thread_time() - here
            flush()
            spent = {
                "all": (time.process_time() - before) / int(amount) * 1e6,
                "here": here / int(amount) * 1e6,
                "mb": max(most, _resident_mb()) - megabytes,
            }
            print(json.dumps(spent), flush=True)


def _calls(client: Any, amount: int) -> float:
    for _ in range(amount):
        client.chat.completions.create(**_QUESTION)
    return 0


def _stream(client: Any, chunks: int, **options: Any) -> float:
    headers = {CHUNKS: str(chunks)}
    for _ in client.chat.completions.create(
        **_QUESTION, stream=True, extra_headers=headers, **options
    ):
        pass
    return 0


def _large(client: Any, chunks: int) -> float:
    """Read a large stream; the most memory on the way, in MB."""
    headers = {CHUNKS: str(chunks), TEXT_BYTES: str(LARGE_CHUNK)}
    most = 0.0
    stream = client.chat.completions.create(
        **_QUESTION, stream=True, extra_headers=headers, **_WITH_USAGE
    )
    for number, _ in enumerate(stream):
        if number % 500 == 0:
            most = max(most, _resident_mb())
    return most


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _nothing(_: ExitStack) -> Callable[[], object]:
    return lambda: None


def _traceloop(_: ExitStack) -> Callable[[], object]:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())
    # Without what we switch off as well.
    OpenAIInstrumentor(enable_trace_context_propagation=False).instrument(tracer_provider=provider)
    return lambda: None


def _wire(stack: ExitStack) -> Callable[[], object]:
    import otel_token_monitor

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    monitor = otel_token_monitor.instrument(data_dir=folder, serve=False, instrumentation="wire")
    stack.callback(otel_token_monitor.uninstrument)
    return monitor.force_flush


_OBSERVING: Final = {"none": _nothing, "traceloop": _traceloop, "wire": _wire}


# --- who asks them in turns -----------------------------------------------------------------


class _Worker:
    """Such a process."""

    def __init__(self, mode: str, server: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.wire", mode, server],
            env={
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "",
                "TRACELOOP_TRACE_CONTENT": "false",
                "TOKEN_STREAM_USAGE": "on",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def spend(self, task: str, amount: int) -> Spent:
        """Do something so often; what it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(task, amount, file=self._process.stdin, flush=True)
        spent: Spent = json.loads(self._process.stdout.readline())
        return spent

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@contextmanager
def _workers(server: str, modes: tuple[str, ...] = MODES) -> Iterator[dict[str, _Worker]]:
    workers = {mode: _Worker(mode, server) for mode in modes}
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def _added(
    server: str, modes: tuple[str, ...], task: str, amount: int, rounds: int
) -> dict[str, Spent]:
    """What each mode adds to `none` (µs of CPU): the medians over all turns."""
    differences: dict[str, dict[str, list[float]]] = {m: {"all": [], "here": []} for m in modes}
    for _ in range(GENERATIONS):
        with _workers(server, ("none", *modes)) as workers:
            for worker in workers.values():
                worker.spend(task, amount)
            for _ in range(-(-rounds // GENERATIONS)):
                turns = list(workers)
                random.shuffle(turns)
                spent = {mode: workers[mode].spend(task, amount) for mode in turns}
                for mode, kinds in differences.items():
                    for kind, values in kinds.items():
                        values.append(spent[mode][kind] - spent["none"][kind])
    return {
        mode: {kind: median(values) for kind, values in kinds.items()}
        for mode, kinds in differences.items()
    }


def run() -> list[Row]:
    """The comparisons."""
    with serving() as server:
        return [*_call_rows(server), *_chunk_rows(server), *_memory_rows(server)]


def _call_rows(server: str) -> list[Row]:
    added = _added(server, ("traceloop", "wire"), "calls", CALLS, ROUNDS)
    what = "CPU added to a call by capture"
    rows = []
    for kind, threads in (("all", "all threads, ledger included"), ("here", "the caller's thread")):
        ours, theirs = added["wire"][kind], added["traceloop"][kind]
        holds = ours <= CPU_LIMIT_US and ours <= CPU_LIMIT_RATIO * theirs
        rows.append(
            Row(
                f"{what}, {threads} / by Traceloop's instrumentation with a no-op processor",
                f"{ours:.3g} µs",
                f"{theirs:.3g} µs",
                f"{ours / theirs:.3g}×",
                f"≤ {CPU_LIMIT_US} µs, ≤ {CPU_LIMIT_RATIO}×",
                holds,
            )
        )
    return rows


def _chunk_rows(server: str) -> list[Row]:
    rows = []
    for task, whose in (
        ("stream", "whose caller asks for usage"),
        ("stream_not_asked", "for which usage is asked"),
    ):
        added = _added(server, ("traceloop", "wire"), task, STREAMED, STREAM_ROUNDS)
        ours, theirs = added["wire"]["all"], added["traceloop"]["all"]
        rows.append(
            Row(
                f"… to a chunk of a stream of {STREAMED:,} {whose} / by Traceloop's",
                f"{ours:.3g} µs",
                f"{theirs:.3g} µs",
                f"{ours / theirs:.3g}×",
                f"≤ {CHUNK_LIMIT_US} µs",
                ours <= CHUNK_LIMIT_US,
            )
        )
    return rows


def _memory_rows(server: str) -> list[Row]:
    with _workers(server, ("none", "wire")) as workers:
        for worker in workers.values():
            worker.spend("calls", MEMORY_WARM_UP)
        grown = {mode: w.spend("calls", MEMORY_CALLS)["mb"] for mode, w in workers.items()}
        for worker in workers.values():
            worker.spend("large", 1000)
        chunks = LARGE_MB * 2**20 // LARGE_CHUNK
        most = {mode: w.spend("large", chunks)["mb"] for mode, w in workers.items()}
    return [
        _memory_row(f"memory that {MEMORY_CALLS:,} captured calls leave / calls alone", grown),
        _memory_row(f"most memory on the way through a stream of {LARGE_MB} MB / alone", most),
    ]


def _memory_row(what: str, megabytes: Spent) -> Row:
    ours, alone = megabytes["wire"], megabytes["none"]
    return Row(
        what,
        f"+{ours:.2g} MB",
        f"+{alone:.2g} MB",
        f"{ours - alone:+.2g} MB",
        f"≤ {MEMORY_LIMIT_MB} MB",
        ours - alone <= MEMORY_LIMIT_MB,
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*sys.argv[1:])
    else:
        print_table(run())
