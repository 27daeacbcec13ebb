"""Processes that write to one ledger at the same time, until standard input ends.

Half of them count calls through a monitor, the others write batches of BATCH records themselves.
Each numbers its calls: `response_id` is `WORKER-NUMBER`, from 1 on. "ready" on standard output says
that all have made their first ones, and that the ledger has some of them; then comes a JSON list of
how many calls each made, and what it logged.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import otel_token_monitor
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerBusyError
from otel_token_monitor.ledger.writer import LedgerWriter
from tests.loads import call, records, tracer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BATCH"]

BATCH = 7
_PAUSE_SECONDS = 0.02

_processes = multiprocessing.get_context("fork")
_over = _processes.Event()
_told: Any = _processes.SimpleQueue()


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _batches(begun: Any) -> Iterator[range]:
    """The numbers of each batch of calls, until it is over; all have made the first at `begun`."""
    yield range(1, 1 + BATCH)
    begun.wait()
    first = 1
    while not _over.is_set():
        first += BATCH
        yield range(first, first + BATCH)
        time.sleep(_PAUSE_SECONDS)


def _count(data_dir: str, worker: int, begun: Any) -> int:
    """Count calls through a monitor; how many."""
    monitor = otel_token_monitor.instrument(data_dir=data_dir, serve=False, instrumentation="none")
    make, made = tracer(), 0
    for numbers in _batches(begun):
        for made in numbers:
            call(make, f"{worker}-{made}")
    assert monitor.force_flush(60)
    otel_token_monitor.uninstrument()
    return made


def _write(data_dir: str, worker: int, begun: Any) -> int:
    """Write batches; how many calls these had."""
    writer = LedgerWriter(Location.in_directory(Path(data_dir)), max_label_sets=1000)
    made = 0
    for numbers in _batches(begun):
        ids = [f"{worker}-{made}" for made in numbers]
        batch = [
            record._replace(response_id=response_id)
            for response_id, record in zip(
                ids, records(BATCH, first=(worker << 40) + made), strict=True
            )
        ]
        _insist(writer, Batch(batch))
        made = numbers[-1]
    writer.close()
    return made


def _insist(writer: LedgerWriter, batch: Batch) -> None:
    """Try until nobody else holds the ledger, as the pipeline does."""
    while True:
        try:
            writer.write(batch)
        except LedgerBusyError:
            continue
        return


def _work(data_dir: str, worker: int, begun: Any) -> None:
    log = _Log()
    logging.getLogger("otel_token_monitor").addHandler(log)
    made = (_count if worker % 2 else _write)(data_dir, worker, begun)
    _told.put((worker, made, log.lines))


def main() -> None:
    """Start the processes, wait for the end of standard input, and tell what they did."""
    data_dir, workers = sys.argv[1], int(sys.argv[2])
    begun = _processes.Barrier(workers + 1)
    children = [
        _processes.Process(target=_work, args=(data_dir, worker, begun))
        for worker in range(workers)
    ]
    for child in children:
        child.start()
    begun.wait(60)
    print("ready", flush=True)  # noqa: T201 - the answer
    sys.stdin.read()
    _over.set()
    told = sorted(_told.get() for _ in children)
    for child in children:
        child.join()
        assert child.exitcode == 0
    print(json.dumps([told_by[1:] for told_by in told]))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
