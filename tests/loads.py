"""Calls without a network: spans as opentelemetry-instrumentation-openai makes them.

Also programs that make many of them: `python -m tests.loads NAME ARGUMENTS`, for the soak test and
for tests whose processes are killed.
"""

from __future__ import annotations

import json
import os
import random
import struct
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

import otel_token_monitor
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerBusyError
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import Tracer

__all__ = ["NOTE", "PARTS", "SCOPE", "TOKENS", "call", "records", "resident_bytes", "tracer"]

SCOPE: Final = "opentelemetry.instrumentation.openai.v1"

PARTS: Final = TokenUsage(input=70, input_cached=30, output=15, output_reasoning=5)
"""What each call uses."""
TOKENS: Final = PARTS.total_tokens

NOTE: Final = struct.Struct("QQQQ")
"""What `until_killed` writes of each call: its number, when it ended on the monotonic clock, the
longest pause between two commits so far, in nanoseconds, 0 before the first few are made; and how
many commits it has seen by then."""

# The first commits of a process wait for what is imported when it is first needed.
_IMPORTING: Final = 3


def tracer() -> Tracer:
    """A tracer of the instrumentation's scope, in an application that has set no provider."""
    return trace.get_tracer(SCOPE)


def call(made_by: Tracer, response_id: str = "", *, model: str = "gpt-5-mini") -> None:
    """One call, as the survey of the instrumentation's spans has it."""
    span = made_by.start_span("openai.chat", attributes={"gen_ai.operation.name": "chat"})
    span.set_attributes(
        {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.is_streaming": False,
            "gen_ai.openai.api_base": "https://api.openai.com/v1/",
            "gen_ai.response.model": f"{model}-2025-08-07",
            "gen_ai.response.id": response_id or f"chatcmpl-{random.getrandbits(64):x}",
            "gen_ai.response.finish_reasons": ["stop"],
            "openai.response.service_tier": "default",
            "gen_ai.usage.total_tokens": TOKENS,
            "gen_ai.usage.input_tokens": PARTS.input_tokens,
            "gen_ai.usage.output_tokens": PARTS.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": PARTS.input_cached,
            "gen_ai.usage.reasoning_tokens": PARTS.output_reasoning,
        }
    )
    span.end()


def records(number: int, *, label_sets: int = 20, first: int = 0) -> list[UsageRecord]:
    """Records as they reach the ledger; `first` and what follows are their nonces."""
    now = time.time_ns()
    return [
        UsageRecord(
            time_ns=now + index,
            nonce=first + index,
            labels=Labels(f"project-{index % label_sets}", "openai", "gpt-5-mini", "chat"),
            source=SCOPE,
            usage=PARTS,
            response_model="gpt-5-mini-2025-08-07",
            response_id=f"chatcmpl-{first + index}",
            duration_ns=900_000_000,
            cost_nanousd=12_345,
            trace_id="0" * 32,
            span_id="0" * 16,
        )
        for index in range(number)
    ]


def resident_bytes() -> int:
    """The memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
        "SC_PAGE_SIZE"
    )


def until_killed(data_dir: str, port: int, worker: int, per_second: int) -> None:
    """Make calls for ever, and note each on standard output once it has ended."""
    monitor = otel_token_monitor.instrument(
        data_dir=data_dir, host="127.0.0.1", port=port, instrumentation="none"
    )
    make, commits, longest, written = tracer(), 0, 0, 0
    pipeline = monitor._pipeline
    for number, _ in enumerate(_paced(per_second), start=1):
        call(make, f"{worker}-{number}")
        last = pipeline.last_write_ns or 0
        if last != written:
            commits += 1
            if commits > _IMPORTING:
                longest = max(longest, last - written)
        written = last
        os.write(1, NOTE.pack(number, time.monotonic_ns(), longest, commits))


def short_life(data_dir: str, worker: int, calls: int, seconds: float) -> None:
    """Make some calls in a short life, and end as a program ends."""
    otel_token_monitor.instrument(data_dir=data_dir, serve=False, instrumentation="none")
    make = tracer()
    for number in range(calls):
        call(make, f"{worker}-{number}")
        time.sleep(seconds / calls)


def full_speed(data_dir: str, worker: int, size: int, seconds: float) -> None:
    """Write batches of a size to the ledger as fast as it goes; print how many rows went in."""
    writer = LedgerWriter(Location.in_directory(Path(data_dir)), max_label_sets=1000)
    _insist(writer.open)
    print(flush=True)  # noqa: T201 - ready
    sys.stdin.readline()
    end = time.monotonic() + seconds
    rows = 0
    while time.monotonic() < end:
        batch = Batch(records(size, first=(worker << 40) + rows))
        _insist(partial(writer.write, batch))
        rows += size
    writer.close()
    print(rows)  # noqa: T201 - the answer


def million(data_dir: str, calls: int, names: int) -> None:
    """Make many calls in one process, of so many made-up models and projects; print its memory."""
    monitor = otel_token_monitor.instrument(
        data_dir=data_dir, serve=False, instrumentation="none", project="shop"
    )
    make = tracer()
    warm = min(calls // 10, 50_000)
    before = 0
    for number in range(calls):
        if number == warm:
            monitor.force_flush()
            before = resident_bytes()
        name = f"made-up-{number % names}" if names else ""
        if name:
            with otel_token_monitor.project(name):
                call(make, model=name)
        else:
            call(make)
        if number % 2000 == 0:
            # At full speed the queue would be full, and calls dropped, as they should be.
            monitor.force_flush()
    monitor.force_flush()
    grown = resident_bytes() - before
    exposition = monitor._scrape().exposition
    json.dump(
        {
            "grown": grown,
            "resident": before,
            "series": len(exposition.series),
            "requests": sum(sums.totals.requests for sums in exposition.series.values()),
            "health": exposition.health,
        },
        sys.stdout,
    )


def _paced(per_second: int) -> Iterator[None]:
    """So many turns a second, in bursts of 20 ms."""
    burst = max(per_second // 50, 1)
    due = time.monotonic()
    while True:
        for _ in range(burst):
            yield
        due = max(due + burst / per_second, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0.0))


def _insist(attempt: Callable[[], object]) -> None:
    """Try until nobody else holds the ledger, as the pipeline does."""
    while True:
        try:
            attempt()
        except LedgerBusyError:
            continue
        return


if __name__ == "__main__":
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    program: Any = {
        program.__name__: program for program in (until_killed, short_life, full_speed, million)
    }[name]
    program(**arguments)
