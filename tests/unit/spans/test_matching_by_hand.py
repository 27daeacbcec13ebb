"""One call, one record, when the application logs its calls by hand as well."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.spans import matching
from otel_token_monitor.usage import TokenUsage
from tests.spans import (
    EPOCH_NS,
    MS,
    OFFICIAL,
    OPENINFERENCE,
    TRACELOOP,
    SpanLab,
)

if TYPE_CHECKING:
    from otel_token_monitor.usage import UsageRecord

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def used(input_tokens: int = 10, **more: str) -> dict[str, Any]:
    """Attributes of a call; `more` without their `gen_ai.`, and `_` for `.`."""
    named = {f"gen_ai.{key.replace('_', '.')}": value for key, value in more.items()}
    counts = {"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": 5}
    return {**CHAT, **counts, **named}


@pytest.fixture
def lab() -> SpanLab:
    lab = SpanLab()
    lab.matcher.by_hand = True
    return lab


def projects(records: list[UsageRecord]) -> Counter[str]:
    return Counter(record.labels.project for record in records)


def call(lab: SpanLab, *, at_ms: float = 0, **more: Any) -> None:
    """A call of 100 ms."""
    lab.end(lab.start(used(), start_ns=EPOCH_NS + int(at_ms * MS), **more))


# What the one record says.


def test_the_spans_account_holds_but_for_the_project_that_was_named(lab: SpanLab) -> None:
    span = lab.start({**used(), "gen_ai.usage.cache_read.input_tokens": 4})
    lab.end(span)
    lab.log(project="search", response_id="r", cost_nanousd=7)

    [record] = lab.drain()

    assert record.labels == ("search", "openai_compatible", "m", "chat/completions")
    assert (record.source, record.time_ns, record.duration_ns) == (
        TRACELOOP,
        EPOCH_NS + 100 * MS,
        100 * MS,
    )
    assert record.usage == TokenUsage(input=6, input_cached=4, output=5)
    assert (record.response_id, record.cost_nanousd) == ("r", 7)
    assert record.span_id == f"{span.context.span_id:016x}"
    assert lab.matcher.duplicates == 1


def test_a_project_that_nobody_named_is_the_spans(lab: SpanLab) -> None:
    span = lab.start(used())
    lab.stamp(span).project = "within"
    lab.end(span)
    lab.log()
    assert projects(lab.drain()) == {"within": 1}


def test_without_a_span_the_record_is_as_it_was_logged(lab: SpanLab) -> None:
    logged = lab.log(project="search")
    assert lab.drain() == [logged]


def test_details_that_no_span_takes_apart_are_those_that_were_logged(lab: SpanLab) -> None:
    call(lab)
    lab.log(TokenUsage(input=6, input_cached=4, output=2, output_reasoning=3))
    [record] = lab.drain()
    assert record.usage == TokenUsage(input=6, input_cached=4, output=2, output_reasoning=3)


def test_a_span_without_usage_takes_the_usage_that_was_logged(lab: SpanLab) -> None:
    lab.end(lab.start(CHAT))
    assert lab.drain(0.0) == []
    lab.log()
    [record] = lab.drain(0.1)
    assert (record.usage, record.unmetered, record.estimated) == (
        TokenUsage(input=10, output=5),
        None,
        False,
    )


def test_an_estimate_of_a_span_without_usage_stays_an_estimate(lab: SpanLab) -> None:
    lab.end(lab.start(CHAT))
    lab.log(TokenUsage(input=9, output=9), estimated=True)
    [record] = lab.drain()
    assert (record.usage, record.estimated) == (TokenUsage(input=9, output=9), True)


def test_an_estimate_yields_to_the_spans_usage(lab: SpanLab) -> None:
    call(lab)
    lab.log(TokenUsage(input=9, output=9, output_reasoning=9), estimated=True)
    [record] = lab.drain()
    assert (record.usage, record.estimated) == (TokenUsage(input=10, output=5), False)


def test_usage_that_was_logged_wrongly_does_not_hide_the_spans(lab: SpanLab) -> None:
    lab.end(lab.start(used(response_id="r")))
    lab.log(TokenUsage(input=1, input_cached=30, output=5), response_id="r")
    [record] = lab.drain()
    assert record.usage == TokenUsage(input=10, output=5)


# Which are one call.


def test_two_instrumentations_and_the_application_tell_of_one_call(lab: SpanLab) -> None:
    outer = lab.start(used())
    lab.end(lab.start(used(), scope=OFFICIAL, parent=outer), after_ms=50)
    lab.end(outer)
    lab.log(project="search")
    assert (projects(lab.drain()), lab.matcher.duplicates) == ({"search": 1}, 2)


def test_what_is_logged_while_another_span_of_the_call_is_open_is_of_that_call(
    lab: SpanLab,
) -> None:
    outer = lab.start(used())
    lab.end(lab.start(used(), scope=OFFICIAL, parent=outer), after_ms=50)
    lab.log(project="search", at_ms=60)
    waiting = lab.drain(0.0)
    lab.end(outer)
    assert (waiting, projects(lab.drain(0.1))) == ([], {"search": 1})


@pytest.mark.parametrize("owner", [(1, 0), (2, 0)])
def test_a_stream_that_is_logged_before_its_span_ends_is_one_call(
    lab: SpanLab, owner: tuple[int, int]
) -> None:
    span = lab.start(CHAT, owner=(1, 0))
    lab.log(project="search", at_ms=90, owner=owner)
    waiting = lab.drain(0.0)
    span.set_attributes(used())
    lab.end(span)
    assert (waiting, projects(lab.drain(1.9))) == ([], {"search": 1})


def test_a_stream_that_ends_long_after_it_was_logged_is_still_one_call(lab: SpanLab) -> None:
    span = lab.start(CHAT)
    lab.log(project="search", at_ms=90)
    logged = lab.drain(0.0) + lab.drain(2.1)
    span.set_attributes(used())
    lab.end(span, after_ms=9_000)
    assert (projects(logged), lab.drain(9.0)) == ({"search": 1}, [])


def test_another_thread_may_log_what_one_has_called(lab: SpanLab) -> None:
    call(lab, owner=(1, 0))
    lab.log(project="search", owner=(2, 0))
    assert projects(lab.drain()) == {"search": 1}


@pytest.mark.parametrize(
    "other", [{"usage": TokenUsage(input=11, output=5)}, {"model": "another"}, {"at_ms": 60_101}]
)
@pytest.mark.parametrize("owner", [(1, 0), (2, 0)])
def test_what_differs_is_another_call(
    lab: SpanLab, other: dict[str, Any], owner: tuple[int, int]
) -> None:
    call(lab, owner=(1, 0))
    lab.log(project="search", owner=owner, **other)
    assert projects(lab.drain(everything=True)) == {"shop": 1, "search": 1}


def test_of_another_thread_without_usage_nothing_tells_that_it_is_one_call(lab: SpanLab) -> None:
    call(lab, owner=(1, 0))
    lab.log(None, project="search", owner=(2, 0))
    assert projects(lab.drain(everything=True)) == {"shop": 1, "search": 1}


def test_a_call_before_the_span_began_is_another(lab: SpanLab) -> None:
    lab.log(project="search", at_ms=0)
    call(lab, at_ms=60)
    assert projects(lab.drain(everything=True)) == {"search": 1, "shop": 1}


def test_different_response_ids_are_two_calls(lab: SpanLab) -> None:
    lab.end(lab.start(used(response_id="a")))
    lab.log(project="search", response_id="b")
    assert projects(lab.drain(everything=True)) == {"shop": 1, "search": 1}


def test_the_responses_id_tells_which_call_is_meant(lab: SpanLab) -> None:
    for number, name in enumerate("abc"):
        span = lab.start(used(response_id=name), start_ns=EPOCH_NS + number * MS)
        lab.stamp(span).project = name
        lab.end(span)
    lab.log(project="search", response_id="a", owner=(9, 9))
    assert projects(lab.drain(everything=True)) == {"search": 1, "b": 1, "c": 1}


def test_the_calls_own_thread_goes_before_a_nearer_one(lab: SpanLab) -> None:
    for thread in range(3):
        span = lab.start(used(), owner=(thread, 0), start_ns=EPOCH_NS + thread * MS)
        lab.stamp(span).project = str(thread)
        lab.end(span)
    lab.log(project="search", owner=(0, 0))
    assert projects(lab.drain(everything=True)) == {"search": 1, "1": 1, "2": 1}


def test_the_trace_goes_before_the_thread(lab: SpanLab) -> None:
    requests = [lab.tracer("http").start_span(name) for name in "ab"]
    for number, request in enumerate(requests):
        span = lab.start(used(), parent=request, owner=(number, 0))
        lab.stamp(span).project = str(number)
        lab.end(span)
    lab.log(project="search", parent=requests[0], owner=(1, 0))
    assert projects(lab.drain(everything=True)) == {"search": 1, "1": 1}


def test_a_refused_call_is_not_the_one_that_went_well_afterwards(lab: SpanLab) -> None:
    refused = lab.start({**CHAT, "error.type": "RateLimitError"})
    lab.end(refused)
    lab.log(project="search")
    records = lab.drain(everything=True)
    assert [(r.status, r.labels.project) for r in records] == [("error", "shop"), ("ok", "search")]


def test_a_refused_call_that_was_logged_as_one_is_one_call(lab: SpanLab) -> None:
    lab.end(lab.start({**CHAT, "error.type": "RateLimitError"}))
    lab.log(None, project="search", status="error", error_type="TooMany", unmetered=None)
    [record] = lab.drain()
    assert (record.labels.project, record.status, record.error_type, record.unmetered) == (
        "search",
        "error",
        "RateLimitError",
        None,
    )


def test_the_same_record_counts_once_however_often_it_is_logged(lab: SpanLab) -> None:
    call(lab)
    call(lab)
    record = lab.log(project="search")
    for _ in range(3):
        lab.processor.log(record, record.time_ns)
    assert projects(lab.drain(everything=True)) == {"search": 1, "shop": 1}


# Many at once, all alike.


@pytest.mark.parametrize("every", [1, 3])
def test_a_loop_of_identical_calls_loses_none_and_doubles_none(lab: SpanLab, every: int) -> None:
    records = []
    for number in range(300):
        call(lab, at_ms=number * 110)
        if number % every == 0:
            lab.log(project="search", at_ms=number * 110 + 101)
        records += lab.drain(number * 0.11)
    records += lab.drain(everything=True)
    logged = 300 // every
    assert projects(records) == {"search": logged, **({"shop": 300 - logged} if every > 1 else {})}


def test_calls_at_once_that_are_logged_once_all_have_ended_lose_none(lab: SpanLab) -> None:
    for task in range(300):
        call(lab, owner=(1, task), at_ms=task * 0.01)
    for number in range(300):
        lab.log(project="search", owner=(1, 999), at_ms=200 + number * 0.01)
    assert projects(lab.drain(everything=True)) == {"search": 300}


def test_a_call_is_found_however_many_began_after_it_was_logged(lab: SpanLab) -> None:
    for number in range(200):
        call(lab, at_ms=number * 200)
        lab.log(project="search", at_ms=number * 200 + 101)
    assert projects(lab.drain(everything=True)) == {"search": 200}


def test_eight_threads_that_log_every_other_call_lose_none(lab: SpanLab) -> None:
    for number in range(50):
        spans = []
        for thread in range(8):
            start_ns = EPOCH_NS + (number * 200 + thread) * MS
            span = lab.start(used(), owner=(thread, 0), start_ns=start_ns)
            lab.stamp(span).project = f"context {thread}"
            spans.append(span)
        for thread, span in enumerate(spans):
            lab.end(span, after_ms=100 + (thread * 7) % 8)
        if number % 2:
            for thread in range(8):
                lab.log(project=f"{thread}", owner=(thread, 0), at_ms=number * 200 + 130)
    wanted = {f"{thread}": 25 for thread in range(8)} | {f"context {t}": 25 for t in range(8)}
    assert projects(lab.drain(everything=True)) == wanted


def test_a_stream_logged_before_it_ends_is_not_the_call_before_it(lab: SpanLab) -> None:
    call(lab)
    stream = lab.start(CHAT, start_ns=EPOCH_NS + 200 * MS)
    lab.stamp(stream).project = "stream"
    lab.log(project="search", at_ms=250)
    assert lab.drain(0.0) == []
    stream.set_attributes(used())
    lab.end(stream)
    assert projects(lab.drain(everything=True)) == {"shop": 1, "search": 1}


def test_a_call_that_no_open_span_turns_out_to_be_is_the_one_before(lab: SpanLab) -> None:
    call(lab)
    other = lab.start(used(99), start_ns=EPOCH_NS + 120 * MS)
    lab.log(project="search")
    waiting = lab.drain(0.0) + lab.drain(1.99)
    lab.end(other)
    assert (waiting, projects(lab.drain(2.0))) == ([], {"search": 1})
    assert projects(lab.drain(4.0)) == {"shop": 1}


def test_calls_at_once_that_are_logged_afterwards_are_not_an_older_one_of_the_thread(
    lab: SpanLab,
) -> None:
    for number in range(3):
        call(lab, owner=(1, 0), at_ms=number * 110)
        lab.drain(number * 0.11)
    lab.log(project="last", owner=(1, 0), at_ms=330)
    for task in range(5):
        span = lab.start(used(), owner=(1, task + 1), start_ns=EPOCH_NS + (400 + task) * MS)
        lab.stamp(span).project = "gathered"
        lab.end(span)
    for number in range(5):
        lab.log(project="search", owner=(1, 0), at_ms=550 + number)
    assert projects(lab.drain(0.6, everything=True)) == {"shop": 2, "last": 1, "search": 5}


# Waiting.


@pytest.mark.parametrize(("now", "settled"), [(1.99, 0), (2.0, 1)])
def test_a_span_waits_two_seconds_for_being_logged(lab: SpanLab, now: float, settled: int) -> None:
    call(lab)
    lab.drain(0.0)
    assert (len(lab.drain(now)), lab.matcher.holding) == (settled, not settled)


def test_logged_too_late_it_is_a_duplicate(lab: SpanLab) -> None:
    call(lab)
    settled = lab.drain(0.0) + lab.drain(2.0)
    lab.log(project="search", at_ms=30_000)
    late = lab.drain(30.0)
    assert (projects(settled), late, lab.matcher.duplicates) == ({"shop": 1}, [], 1)


def test_logged_after_its_span_was_written_as_unmetered_its_tokens_count(lab: SpanLab) -> None:
    lab.end(lab.start({**CHAT, "gen_ai.response.id": "q"}))
    lab.drain(everything=True)
    lab.log(response_id="q")
    [record] = lab.drain(everything=True)
    assert record.usage == TokenUsage(input=10, output=5)


def test_who_does_not_log_by_hand_waits_for_nothing() -> None:
    lab = SpanLab()
    call(lab)
    assert len(lab.drain()) == 1


def test_the_first_call_that_is_logged_finds_the_span_before_it() -> None:
    lab = SpanLab()
    call(lab)
    lab.log(project="search")
    assert (projects(lab.drain()), lab.matcher.duplicates) == ({"search": 1}, 1)


# Bounds.


def test_what_is_remembered_of_it_is_bounded(lab: SpanLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_MAX_REMEMBERED", 10)
    monkeypatch.setattr(matching, "_MAX_LOGGED", 10)
    for number in range(50):
        lab.end(lab.start(used(number), scope=TRACELOOP, owner=(number, 0)))
        lab.end(lab.start(used(number), scope=OPENINFERENCE, owner=(number, 0)))
        lab.log(TokenUsage(input=1000 + number), owner=(number, 0))
    lab.drain(everything=True)
    lab.drain(everything=True)
    assert len(lab.matcher._recent) == len(lab.matcher._logged) == 10
    assert len(lab.matcher._unclaimed) <= 4 * 10


def test_what_is_old_is_forgotten(lab: SpanLab) -> None:
    call(lab)
    lab.drain(0.0)
    lab.drain(2.1)
    lab.drain(60.1)
    assert (len(lab.matcher._unclaimed), lab.matcher._index) == (0, {})
