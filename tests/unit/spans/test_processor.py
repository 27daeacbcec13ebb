"""The hot path: what is stamped, what is queued, and that nothing ever gets out."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_token_monitor.spans import processor
from otel_token_monitor.spans.processor import FrontDoor, SpanQueue, Stamp, TokenSpanProcessor
from otel_token_monitor.spans.project import ProjectPolicy, project
from otel_token_monitor.spans.sampling import RecordingSampler
from tests.spans import EPOCH_NS, LANGCHAIN, OPENINFERENCE, TRACELOOP, SpanLab

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

UNKNOWN = "my.own.instrumentation"
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


class Broken(ProjectPolicy):
    """A policy with a bug."""

    def project_in(self, current: Context) -> str:
        raise RuntimeError(current)


class Theirs(SpanProcessor):
    """The application's own processor; it keeps the names of what it saw."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[str] = []
        self.closed = 0
        self.flushed = 0

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        self.started.append(span.name)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span.name)

    def shutdown(self) -> None:
        self.closed += 1

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self.flushed = timeout_millis
        return True


@pytest.fixture
def lab() -> SpanLab:
    return SpanLab()


def test_a_span_of_an_llm_scope_is_queued_when_it_ends(lab: SpanLab) -> None:
    span = lab.start()
    assert len(lab.queue) == 0
    lab.end(span)
    assert [stamp.name for stamp, _ in lab.ended()] == ["openai.chat"]


def test_a_span_of_another_scope_is_not(lab: SpanLab) -> None:
    lab.end(lab.start({"http.method": "POST"}, scope=UNKNOWN))
    assert lab.ended() == []


def test_a_span_of_an_unknown_scope_that_speaks_of_models_is_queued(lab: SpanLab) -> None:
    lab.end(lab.start(CHAT, scope=UNKNOWN))
    assert [stamp.scope for stamp, _ in lab.ended()] == [UNKNOWN]


def test_a_scope_that_spoke_of_models_is_known_from_then_on(lab: SpanLab) -> None:
    lab.end(lab.start(CHAT, scope=UNKNOWN))
    span = lab.start(scope=UNKNOWN)
    assert lab.stamp(span).scope == UNKNOWN


def test_calls_in_flight_when_their_scope_becomes_known_are_queued_too(lab: SpanLab) -> None:
    first, second = (lab.start(CHAT, scope=UNKNOWN) for _ in range(2))
    lab.end(first)
    lab.end(second)
    assert len(lab.ended()) == 2


def test_after_a_fork_spans_of_a_scope_that_became_known_are_the_parents(lab: SpanLab) -> None:
    lab.end(lab.start(CHAT, scope=UNKNOWN))
    lab.ended()
    span = lab.start(CHAT, scope=UNKNOWN, start_ns=time.time_ns())
    lab.processor.reset_after_fork()
    lab.end(span)
    assert lab.ended() == []


def test_the_project_is_that_of_the_start(lab: SpanLab) -> None:
    with project("search"):
        span: Any = lab.tracer().start_span("openai.chat")
    span.end()
    assert [stamp.project for stamp, _ in lab.ended()] == ["search"]


def test_the_project_comes_from_the_context_that_the_span_was_given(lab: SpanLab) -> None:
    with project("search"):
        given = context.get_current()
    lab.tracer().start_span("openai.chat", context=given).end()
    assert [stamp.project for stamp, _ in lab.ended()] == ["search"]


def test_a_stamp_tells_where_and_when_the_span_started(lab: SpanLab) -> None:
    span = lab.start(start_ns=EPOCH_NS + 5)
    stamp = lab.stamp(span)
    assert (stamp.span_id, stamp.trace_id, stamp.parent_id, stamp.start_ns, stamp.client) == (
        span.context.span_id,
        span.context.trace_id,
        0,
        EPOCH_NS + 5,
        True,
    )


def test_a_stamp_knows_the_open_span_around_it(lab: SpanLab) -> None:
    outer = lab.start(scope=LANGCHAIN)
    inner = lab.start(parent=outer)
    assert lab.stamp(inner).enclosing is lab.stamp(outer)


def test_two_threads_are_two_owners(lab: SpanLab) -> None:
    spans = [lab.start(), lab.start()]
    thread = threading.Thread(target=lambda: spans.append(lab.start()))
    thread.start()
    thread.join()
    here, again, there = (lab.stamp(span).owner for span in spans)
    assert (here == again, here == there) == (True, False)


async def test_two_tasks_are_two_owners(lab: SpanLab) -> None:
    async def start() -> Span:
        return lab.start()

    one, two = await asyncio.gather(start(), start())
    assert lab.stamp(one).owner != lab.stamp(two).owner


def test_an_ended_span_is_no_longer_open(lab: SpanLab) -> None:
    lab.end(lab.start())
    assert lab.processor.open_stamps() == []


def test_a_span_that_is_collected_without_having_ended_is_queued(lab: SpanLab) -> None:
    span = lab.start(CHAT)
    del span
    gc.collect()
    assert [(stamp.name, ended) for stamp, ended in lab.ended()] == [("openai.chat", None)]


def test_its_attributes_outlive_it(lab: SpanLab) -> None:
    span = lab.start(CHAT)
    span.set_attribute("gen_ai.response.id", "r1")
    del span
    gc.collect()
    ((stamp, _),) = lab.ended()
    assert stamp.attributes["gen_ai.response.id"] == "r1"


def test_the_open_spans_are_bounded_and_the_oldest_give_way(
    lab: SpanLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "_MAX_OPEN", 3)
    spans = [lab.start(name=f"call {number}") for number in range(5)]
    assert [stamp.name for stamp in lab.processor.open_stamps()] == ["call 2", "call 3", "call 4"]
    for span in spans:
        lab.end(span)


def test_the_scopes_that_are_remembered_are_bounded(
    lab: SpanLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "_MAX_SCOPES", 3)
    for number in range(10):
        lab.end(lab.start(CHAT, scope=f"scope {number}"))
    known = lab.processor
    assert (len(lab.ended()), len(known._scopes), len(known._learned_ns)) == (10, 3, 3)


def test_after_a_fork_the_childs_processor_knows_no_open_spans(lab: SpanLab) -> None:
    span = lab.start()
    lab.processor.reset_after_fork()
    assert lab.processor.open_stamps() == []
    lab.end(span)


def test_an_inactive_processor_queues_nothing(lab: SpanLab) -> None:
    lab.processor.active = False
    lab.end(lab.start(CHAT))
    assert lab.ended() == []


def test_spans_count_after_their_provider_was_shut_down(lab: SpanLab) -> None:
    span = lab.start()
    lab.provider.shutdown()
    lab.end(span)
    assert len(lab.ended()) == 1


def test_flushing_waits_for_nothing(lab: SpanLab) -> None:
    assert lab.processor.force_flush() is True


@pytest.mark.logs_errors
def test_a_fault_in_the_hooks_never_reaches_the_call() -> None:
    lab = SpanLab(Broken("x"))
    lab.end(lab.start(CHAT))
    assert lab.processor.hook_errors == 1


@pytest.mark.logs_errors
def test_of_many_faults_the_first_is_logged_and_all_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lab = SpanLab(Broken("x"))
    for _ in range(3):
        lab.start(CHAT, scope=TRACELOOP)
    assert (len(caplog.records), lab.processor.hook_errors) == (1, 3)


@pytest.mark.logs_errors
def test_a_fault_in_the_queue_never_reaches_the_call() -> None:
    def wake() -> None:
        raise MemoryError

    ours = TokenSpanProcessor(SpanQueue(10, wake), ProjectPolicy("x"))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ours)
    provider.get_tracer(TRACELOOP).start_span("openai.chat").end()
    assert ours.hook_errors == 1


@pytest.mark.logs_errors
def test_a_fault_while_collecting_a_span_never_reaches_anyone() -> None:
    def wake() -> None:
        raise MemoryError

    ours = TokenSpanProcessor(SpanQueue(10, wake), ProjectPolicy("x"))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ours)
    span = provider.get_tracer(TRACELOOP).start_span("openai.chat")
    del span
    gc.collect()
    assert ours.hook_errors == 1


@pytest.mark.logs_errors
def test_a_span_that_is_none_never_raises(lab: SpanLab) -> None:
    broken: Any = object()
    lab.processor.on_start(broken)
    lab.processor.on_end(broken)
    assert (lab.processor.claims(broken), lab.processor.hook_errors) == (False, 3)


# The queue.


def item(lab: SpanLab) -> tuple[Stamp, ReadableSpan | None]:
    span = lab.start()
    return Stamp(span, TRACELOOP, "shop"), span


def test_a_full_queue_drops_the_newest_and_counts_it(lab: SpanLab) -> None:
    queue = SpanQueue(2, lambda: None)
    items = [item(lab) for _ in range(5)]
    for each in items:
        queue.put(each)
    assert (queue.take(), queue.dropped) == (items[:2], 3)


def test_only_the_first_span_after_a_pause_wakes_the_thread(lab: SpanLab) -> None:
    for _ in range(3):
        lab.end(lab.start())
    assert lab.wakes == 1


def test_a_pause_is_what_the_thread_says_is_one(lab: SpanLab) -> None:
    lab.end(lab.start())
    lab.queue.idle = True
    lab.end(lab.start())
    assert lab.wakes == 2


def test_what_was_taken_is_no_longer_in_the_queue(lab: SpanLab) -> None:
    lab.end(lab.start())
    assert (len(lab.ended()), len(lab.ended()), len(lab.queue)) == (1, 0, 0)


# The front door.


def front(theirs: SpanProcessor) -> tuple[TracerProvider, TokenSpanProcessor, SpanQueue]:
    """A provider whose application drops every span, with our door before its processor."""
    queue = SpanQueue(100, lambda: None)
    ours = TokenSpanProcessor(queue, ProjectPolicy("shop"))
    provider = TracerProvider(sampler=RecordingSampler(ALWAYS_OFF), shutdown_on_exit=False)
    door: Any = FrontDoor(ours, theirs)
    provider._active_span_processor = door
    return provider, ours, queue


def test_a_span_that_the_application_dropped_reaches_us_only() -> None:
    theirs = Theirs()
    provider, _, queue = front(theirs)
    provider.get_tracer(TRACELOOP).start_span("openai.chat").end()
    assert (theirs.started, theirs.ended, len(queue)) == ([], [], 1)


def test_a_span_that_the_application_samples_reaches_both() -> None:
    theirs = Theirs()
    provider, _, queue = front(theirs)
    provider.sampler = RecordingSampler(TracerProvider(shutdown_on_exit=False).sampler)
    provider.get_tracer(TRACELOOP).start_span("openai.chat").end()
    assert (theirs.started, theirs.ended, len(queue)) == (["openai.chat"], ["openai.chat"], 1)


class Failing(Theirs):
    """An application's processor that raises."""

    def on_end(self, span: ReadableSpan) -> None:
        raise ValueError(span.name)


def test_a_call_counts_also_if_the_applications_processor_raises() -> None:
    provider, _, queue = front(Failing())
    provider.sampler = TracerProvider(shutdown_on_exit=False).sampler
    span = provider.get_tracer(TRACELOOP).start_span("openai.chat")
    with pytest.raises(ValueError, match=r"^openai\.chat$"):
        span.end()
    assert len(queue) == 1


def closed(door: FrontDoor) -> None:
    door.shutdown()


def flushed(door: FrontDoor) -> None:
    door.force_flush(7)


@pytest.mark.parametrize(("act", "expected"), [(closed, (1, 0)), (flushed, (0, 7))])
def test_shutting_down_and_flushing_are_the_applications_own(
    act: Callable[[FrontDoor], None], expected: tuple[int, int]
) -> None:
    theirs = Theirs()
    act(FrontDoor(TokenSpanProcessor(SpanQueue(1, lambda: None), ProjectPolicy("x")), theirs))
    assert (theirs.closed, theirs.flushed) == expected


def test_the_application_may_still_add_a_processor() -> None:
    queue = SpanQueue(100, lambda: None)
    provider = TracerProvider(shutdown_on_exit=False)
    door: Any = FrontDoor(
        TokenSpanProcessor(queue, ProjectPolicy("x")), provider._active_span_processor
    )
    provider._active_span_processor = door
    theirs = Theirs()
    provider.add_span_processor(theirs)
    provider.get_tracer(OPENINFERENCE).start_span("ChatCompletion").end()
    assert (theirs.ended, len(queue)) == (["ChatCompletion"], 1)


@pytest.mark.logs_errors
def test_the_error_of_a_hook_says_that_the_call_is_unharmed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    SpanLab(Broken("x")).start(CHAT)
    seen = [record.getMessage() for record in caplog.records]
    assert seen == ["a hook of otel_token_monitor failed; the call itself is unharmed"]
