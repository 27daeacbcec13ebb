"""From ended spans to the ledger, on real spans and a real ledger."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import closing
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_token_monitor.ledger import outbox
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerBusyError, LedgerError
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.pipeline import Pipeline
from otel_token_monitor.spans.project import ProjectPolicy
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from tests.loads import PARTS, SCOPE, TOKENS, call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.trace import Tracer

    Make = Callable[..., tuple[Pipeline, Tracer]]

pytestmark = pytest.mark.integration


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes pipelines, each with a tracer whose spans reach it; closes them in the end."""
    made: list[Pipeline] = []

    def make_one(location: Location, **settings: Any) -> tuple[Pipeline, Tracer]:
        pipeline = Pipeline(location, ProjectPolicy("shop"), **settings)
        made.append(pipeline)
        provider = TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
        provider.add_span_processor(pipeline.processor)
        return pipeline, provider.get_tracer(SCOPE)

    yield make_one
    for pipeline in made:
        pipeline.close(timeout=1)


@pytest.fixture
def file(tmp_path: Path) -> Location:
    return Location.in_directory(tmp_path)


def calls_of(tracer: Tracer, number: int) -> None:
    for _ in range(number):
        call(tracer)


def requests(pipeline: Pipeline) -> int:
    series = pipeline.ask(LedgerReader.exposition).series.values()
    assert sum(sums.totals.total_tokens for sums in series) == TOKENS * sum(
        sums.totals.requests for sums in series
    )
    return sum(sums.totals.requests for sums in series)


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("where", ["file", "memory"])
def test_an_answer_has_all_that_ended_before_the_question(
    make: Make, file: Location, where: str
) -> None:
    pipeline, tracer = make(file if where == "file" else Location.in_memory())
    assert requests(pipeline) == 0
    for number in range(1, 30):
        call(tracer)
        assert requests(pipeline) == number


def test_the_thread_writes_by_itself(make: Make, file: Location) -> None:
    pipeline, tracer = make(file)
    pipeline.start()
    calls_of(tracer, 10)
    reader = LedgerReader(file)
    eventually(lambda: _known(reader) == 10)
    # The thread notes it just after others can see what it wrote.
    eventually(lambda: pipeline.last_write_ns is not None)
    assert pipeline.last_write_ns is not None
    assert abs(pipeline.last_write_ns - time.time_ns()) < 10**10
    reader.close()


def _known(reader: LedgerReader) -> int:
    try:
        return sum(sums.totals.requests for sums in reader.exposition().series.values())
    except LedgerError:
        return 0


def test_the_ledger_is_made_before_the_first_call(make: Make, file: Location) -> None:
    pipeline, _ = make(file)
    pipeline.start()
    eventually(lambda: file.identity() is not None)
    assert pipeline.last_write_ns is None


def test_it_ticks_once_a_second_at_most(make: Make, file: Location) -> None:
    due: list[float] = []
    pipeline, tracer = make(file)
    pipeline.on_tick = lambda: due.append(pipeline._ticked_at)
    pipeline.start()
    while len(due) < 4:
        call(tracer)
        time.sleep(0.02)
    assert min(later - one for one, later in pairwise(due)) >= 1


def test_a_flush_ends_although_calls_never_do(make: Make, file: Location) -> None:
    pipeline, tracer = make(file)
    pipeline.start()
    done = threading.Event()

    def forever() -> None:
        while not done.is_set():
            call(tracer)

    thread = threading.Thread(target=forever)
    thread.start()
    try:
        time.sleep(0.05)
        assert pipeline.force_flush(30)
    finally:
        done.set()
        thread.join()


def test_a_full_queue_drops_and_counts(make: Make, file: Location) -> None:
    pipeline, tracer = make(file)
    pipeline._thread.started.acquire()  # the thread never comes
    calls_of(tracer, 16_384 + 50)
    assert requests(pipeline) == 16_384
    assert pipeline.ask(LedgerReader.exposition).health == {"dropped_spans": 50}


def test_after_the_end_a_call_is_written_at_once(make: Make, file: Location) -> None:
    pipeline, tracer = make(file)
    pipeline.start()
    calls_of(tracer, 5)
    assert pipeline.close()
    calls_of(tracer, 5)
    with closing(LedgerReader(file)) as reader:
        assert _known(reader) == 10


def test_closing_twice_does_not_make_the_ledger_again(make: Make, file: Location) -> None:
    pipeline, _ = make(file)
    pipeline.start()
    assert pipeline.close()
    assert file.path is not None
    file.path.unlink()
    assert pipeline.close()
    assert not file.path.exists()


def test_without_threads_a_call_is_written_in_its_own(
    make: Make, file: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    pipeline, tracer = make(file)
    monkeypatch.setattr("_thread.start_new_thread", refuse)
    calls_of(tracer, 3)
    with closing(LedgerReader(file)) as reader:
        assert _known(reader) == 3
    monkeypatch.undo()
    calls_of(tracer, 3)
    assert requests(pipeline) == 6


@pytest.mark.logs_errors
def test_a_locked_ledger_is_no_trouble_at_first(
    make: Make, file: Location, caplog: pytest.LogCaptureFixture
) -> None:
    # Its own thread looks at the start only: here each attempt is counted.
    pipeline, tracer = make(file, interval=30.0)
    call(tracer)
    assert pipeline.force_flush()
    with closing(sqlite3.connect(str(file.path), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        call(tracer)
        assert not pipeline.drain()
        assert pipeline.trouble is None
        assert pipeline.backlog == 1
        assert requests(pipeline) == 1
        pipeline._outbox._locked_since = time.monotonic() - 6
        assert not pipeline.drain()
        assert isinstance(pipeline.trouble, LedgerBusyError)
        assert not pipeline.drain()
        other.execute("ROLLBACK")
    assert requests(pipeline) == 2
    assert pipeline.trouble is None
    assert pipeline.backlog == 0
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert pipeline.ask(LedgerReader.exposition).health == {"ledger_errors": 2}


@pytest.mark.logs_errors
def test_a_call_that_no_ledger_takes_does_not_hold_up_the_others(
    make: Make, file: Location, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, tracer = make(file)
    for number in range(100):
        call(tracer, "\ud800" if number == 37 else "")
    assert pipeline.force_flush()
    assert requests(pipeline) in {99, 100}  # 100 where such text is mended before it comes here
    lost = 100 - requests(pipeline)
    assert pipeline.ask(LedgerReader.exposition).health == ({"hook_errors": 1} if lost else {})
    assert len(caplog.records) == lost


def test_it_says_when_it_has_been_busy_for_too_long(make: Make, file: Location) -> None:
    pipeline, _ = make(file)
    # None of them gets the lock: all of them end, or this test never would.
    with pipeline.lock:
        assert not pipeline.drain(timeout=0.05)
        assert not pipeline.force_flush(0.05)
        assert pipeline.unwritten_health() == {}
    with pipeline.lock, pytest.raises(LedgerBusyError, match=r"has been busy for 0\.1 s"):
        pipeline.ask(LedgerReader.exposition, timeout=0.1)


@pytest.mark.logs_errors
def test_a_trouble_is_tried_again_later_and_later(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(
        outbox, "time", SimpleNamespace(monotonic=lambda: now, time_ns=time.time_ns)
    )
    blocked = tmp_path / "data"
    blocked.touch()
    pipeline, tracer = make(Location.in_directory(blocked))
    call(tracer)
    pauses = []
    for _ in range(6):
        pipeline._outbox._retry_at = 0.0
        assert not pipeline._outbox.write(patient=True)
        pauses.append(round(pipeline._outbox._retry_at - now, 3))
        assert not pipeline._outbox.write()  # somebody asks meanwhile
        assert pauses[-1] == round(pipeline._outbox._retry_at - now, 3)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    blocked.unlink()
    assert requests(pipeline) == 1


@pytest.mark.logs_errors
def test_a_span_that_cannot_be_read_does_not_cost_the_others(
    make: Make, file: Location, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, tracer = make(file)
    call(tracer)
    span: Any = tracer.start_span("openai.chat", attributes={"gen_ai.operation.name": "chat"})
    stamp = pipeline.processor._open.pop(span.context.span_id)
    for _ in range(2):
        pipeline.queue.put((stamp, object()))  # type: ignore[arg-type]
    call(tracer)
    assert requests(pipeline) == 2
    assert pipeline.ask(LedgerReader.exposition).health == {"hook_errors": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "otel_token_monitor: a span could not be read; only the first such fault is logged"
    ]


@pytest.mark.logs_errors
def test_a_call_that_cannot_be_priced_is_counted(
    make: Make, file: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise ImportError("no module named genai_prices")

    monkeypatch.setattr("otel_token_monitor.pipeline.cost_nanousd", fail)
    pipeline, tracer = make(file)
    calls_of(tracer, 3)
    (sums,) = pipeline.ask(LedgerReader.exposition).series.values()
    assert sums.totals.requests == sums.totals.unpriced == 3
    assert pipeline.ask(LedgerReader.exposition).health == {"hook_errors": 3}


@pytest.mark.logs_errors
def test_a_server_that_cannot_start_does_not_end_the_counting(make: Make, file: Location) -> None:
    def fail() -> None:
        raise MemoryError

    pipeline, tracer = make(file, on_tick=fail)
    pipeline.start()
    reader = LedgerReader(file)
    for number in (1, 2):
        call(tracer)
        eventually(lambda number=number: _known(reader) == number)  # type: ignore[misc]
    reader.close()


def by_hand(number: int = 1, *, usage: TokenUsage = PARTS) -> UsageRecord:
    labels = Labels("search", "openai", "gpt-5-mini", "chat/completions")
    return UsageRecord(
        time_ns=time.time_ns(), nonce=number, labels=labels, source="manual", usage=usage
    )


def test_an_answer_has_what_was_logged_by_hand_before(make: Make, file: Location) -> None:
    pipeline, tracer = make(file)
    for number in range(1, 30):
        call(tracer)
        pipeline.log(by_hand(number))
        assert requests(pipeline) == number


def test_a_call_that_may_be_logged_by_hand_waits_until_it_is_or_somebody_flushes(
    make: Make, file: Location
) -> None:
    pipeline, tracer = make(file)
    pipeline.expect_by_hand()
    call(tracer)
    assert requests(pipeline) == 0
    pipeline.log(by_hand())
    assert requests(pipeline) == 1
    call(tracer)
    assert requests(pipeline) == 1
    assert pipeline.force_flush()
    assert requests(pipeline) == 2


def test_more_than_a_portion_that_is_logged_by_hand_counts_once(make: Make, file: Location) -> None:
    pipeline, tracer = make(file)
    pipeline._thread.started.acquire()  # the thread never comes
    for number in range(2500):
        call(tracer)
        pipeline.log(by_hand(number))
    assert pipeline.force_flush()
    assert requests(pipeline) == 2500


def test_what_is_logged_by_hand_never_raises(make: Make, file: Location) -> None:
    pipeline, _ = make(file)
    pipeline.close()
    pipeline.log(by_hand())
    assert requests(pipeline) == 1


def test_the_ledger_can_be_changed_otherwise(make: Make, file: Location) -> None:
    pipeline, tracer = make(file)
    call(tracer)
    assert requests(pipeline) == 1

    def forget(connection: sqlite3.Connection) -> int:
        return connection.execute("DELETE FROM record").rowcount

    assert pipeline.change(forget) == 1
    with pipeline.lock, pytest.raises(LedgerBusyError, match=r"has been busy for 0\.1 s"):
        pipeline.change(forget, timeout=0.1)
