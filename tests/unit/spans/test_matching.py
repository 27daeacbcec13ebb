"""One call, one record: which spans tell of the same call, and how long one waits for another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.spans import matching
from otel_token_monitor.spans.calls import read_ended
from otel_token_monitor.usage import TokenUsage
from tests.spans import (
    EPOCH_NS,
    LANGCHAIN,
    MS,
    OFFICIAL,
    OPENINFERENCE,
    TRACELOOP,
    SpanLab,
)
from tests.unit.spans.replay import replay

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span

RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "recorded.jsonl").read_text().splitlines()
]
"""Spans of two or three instrumentations at once, as they really emitted them."""


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in RECORDED])
def test_a_recorded_call_makes_the_records_that_it_should(case: dict[str, Any]) -> None:
    records, duplicates = replay(case["spans"])
    made = [
        [
            record.labels.model,
            record.labels.endpoint,
            record.status,
            record.error_type,
            record.unmetered if record.usage is None else list(record.usage),
        ]
        for record in records
    ]
    assert (made, duplicates) == (case["records"], case["duplicates"])


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def used(input_tokens: int = 10, **more: str) -> dict[str, Any]:
    """Attributes of a call; `more` without their `gen_ai.`, and `_` for `.`."""
    named = {f"gen_ai.{key.replace('_', '.')}": value for key, value in more.items()}
    counts = {"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": 5}
    return {**CHAT, **counts, **named}


@pytest.fixture
def lab() -> SpanLab:
    return SpanLab()


def test_two_instrumentations_of_one_client_are_one_call(lab: SpanLab) -> None:
    outer = lab.start(used())
    lab.end(lab.start(used(), scope=OFFICIAL, parent=outer), after_ms=50)
    lab.end(outer)
    assert (len(lab.drain(everything=True)), lab.matcher.duplicates) == (1, 1)


def test_roots_of_two_traces_on_one_thread_are_one_call(lab: SpanLab) -> None:
    one = lab.start(used())
    two = lab.start(used(), scope=OPENINFERENCE)
    lab.end(two, after_ms=50)
    lab.end(one)
    assert len(lab.drain(everything=True)) == 1


def test_roots_on_two_threads_are_two_calls(lab: SpanLab) -> None:
    lab.end(lab.start(used(), owner=(1, 0)))
    lab.end(lab.start(used(), scope=OPENINFERENCE, owner=(2, 0)))
    assert len(lab.drain(everything=True)) == 2


def test_roots_on_one_thread_one_after_the_other_are_two_calls(lab: SpanLab) -> None:
    lab.end(lab.start(used()), after_ms=100)
    later = lab.start(used(), scope=OPENINFERENCE, start_ns=EPOCH_NS + 10_000 * MS)
    lab.end(later)
    assert len(lab.drain(everything=True)) == 2


def test_a_framework_on_another_thread_is_matched_by_time_and_usage(lab: SpanLab) -> None:
    framework = lab.start(used(), scope=LANGCHAIN, owner=(1, 0))
    client = lab.start(used(), start_ns=EPOCH_NS + 5 * MS, owner=(2, 0))
    lab.end(client, after_ms=50)
    lab.end(framework)
    assert len(lab.drain(everything=True)) == 1


def test_a_framework_whose_usage_differs_is_another_call(lab: SpanLab) -> None:
    framework = lab.start(used(11), scope=LANGCHAIN, owner=(1, 0))
    lab.end(lab.start(used(10), start_ns=EPOCH_NS + 5 * MS, owner=(2, 0)), after_ms=50)
    lab.end(framework)
    assert len(lab.drain(everything=True)) == 2


def test_two_clients_whose_usage_differs_are_two_calls(lab: SpanLab) -> None:
    one = lab.start(used(10))
    two = lab.start(used(11), scope=OPENINFERENCE)
    lab.end(two, after_ms=50)
    lab.end(one)
    assert len(lab.drain(everything=True)) == 2


def test_a_span_that_does_not_know_the_model_is_of_the_same_call(lab: SpanLab) -> None:
    unnamed = {key: value for key, value in used().items() if key != "gen_ai.request.model"}
    one = lab.start(unnamed)
    two = lab.start(used(), scope=OPENINFERENCE)
    lab.end(two, after_ms=50)
    lab.end(one)
    (record,) = lab.drain(everything=True)
    assert record.labels.model == "m"


def test_a_framework_whose_model_differs_is_another_call(lab: SpanLab) -> None:
    framework = lab.start(used(request_model="other"), scope=LANGCHAIN, owner=(1, 0))
    lab.end(lab.start(used(), start_ns=EPOCH_NS + 5 * MS, owner=(2, 0)), after_ms=50)
    lab.end(framework)
    assert len(lab.drain(everything=True)) == 2


def test_a_model_without_its_vendor_or_date_is_the_same(lab: SpanLab) -> None:
    one = lab.start(used(request_model="openai/gpt-5"))
    two = lab.start(used(request_model="gpt-5-2025-08-07"), scope=OPENINFERENCE)
    lab.end(two, after_ms=50)
    lab.end(one)
    assert len(lab.drain(everything=True)) == 1


def test_equal_response_ids_are_one_call_whatever_else_differs(lab: SpanLab) -> None:
    lab.end(lab.start(used(10, response_id="r"), owner=(1, 0)))
    lab.end(lab.start(used(11, response_id="r"), scope=LANGCHAIN, owner=(2, 0)))
    assert len(lab.drain(everything=True)) == 1


def test_different_response_ids_are_two_calls_whatever_else_is_equal(lab: SpanLab) -> None:
    outer = lab.start(used(response_id="a"))
    inner = lab.start(used(response_id="b"), scope=OFFICIAL, parent=outer)
    lab.end(inner, after_ms=50)
    lab.end(outer)
    assert len(lab.drain(everything=True)) == 2


def test_a_server_that_gives_every_response_one_id_loses_no_call(lab: SpanLab) -> None:
    for number in range(5):
        lab.end(lab.start(used(number + 1, response_id="constant")))
    assert sum(r.usage.input for r in lab.drain(everything=True) if r.usage) == 15


def test_constant_ids_and_two_instrumentations_lose_no_call(lab: SpanLab) -> None:
    for number in range(5):
        start_ns = EPOCH_NS + number * 1000 * MS
        outer = lab.start(used(response_id="constant"), start_ns=start_ns)
        lab.end(
            lab.start(
                used(response_id="constant"), scope=OFFICIAL, parent=outer, start_ns=start_ns
            ),
            after_ms=50,
        )
        lab.end(outer)
    assert (len(lab.drain(everything=True)), lab.matcher.duplicates) == (5, 5)


def test_eight_threads_with_identical_calls_lose_none(lab: SpanLab) -> None:
    pairs: list[tuple[Span, Span]] = []
    for thread in range(8):
        outer = lab.start(used(), owner=(thread, 0))
        pairs.append((outer, lab.start(used(), scope=OPENINFERENCE, owner=(thread, 0))))
    for _, inner in pairs:
        lab.end(inner, after_ms=50)
    for outer, _ in reversed(pairs):
        lab.end(outer)
    assert (len(lab.drain(everything=True)), lab.matcher.duplicates) == (8, 8)


def test_eight_identical_calls_of_a_framework_at_once_lose_none(lab: SpanLab) -> None:
    frameworks = [lab.start(used(), scope=LANGCHAIN, owner=(n, 0)) for n in range(8)]
    clients = [
        lab.start(used(), start_ns=EPOCH_NS + (n + 1) * MS, owner=(100 + n, 0)) for n in range(8)
    ]
    for span in clients:
        lab.end(span, after_ms=50)
    for span in frameworks:
        lab.end(span)
    assert (len(lab.drain(everything=True)), lab.matcher.duplicates) == (8, 8)


def test_two_spans_of_one_scope_are_two_calls(lab: SpanLab) -> None:
    outer = lab.start(used())
    lab.end(lab.start(used(), parent=outer), after_ms=50)
    lab.end(outer)
    assert len(lab.drain(everything=True)) == 2


def test_a_call_that_was_counted_as_unmetered_does_not_swallow_usage(lab: SpanLab) -> None:
    lab.end(lab.start(CHAT))
    first = lab.drain(everything=True)
    lab.end(lab.start(used(), scope=OPENINFERENCE))
    second = lab.drain(everything=True)
    assert [record.usage for record in first + second] == [None, TokenUsage(input=10, output=5)]


def test_a_second_instrumentation_that_appears_later_is_matched_with_what_was_told(
    lab: SpanLab,
) -> None:
    lab.end(lab.start(used()))
    first = lab.drain()
    lab.end(lab.start(used(), scope=OPENINFERENCE))
    assert (len(first), lab.drain(everything=True), lab.matcher.duplicates) == (1, [], 1)


# Fetching a response again.

RESPONSE = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "resp_1"}


def test_fetching_a_response_again_is_no_call(lab: SpanLab) -> None:
    lab.end(lab.start(used(response_id="resp_1"), name="openai.response"))
    for _ in range(2):
        fetched = {**RESPONSE, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
        lab.end(lab.start(fetched, name="openai.response"))
    assert (len(lab.drain(everything=True)), lab.matcher.duplicates) == (1, 2)


def test_a_response_of_another_process_that_is_fetched_counts_once(lab: SpanLab) -> None:
    for _ in range(2):
        lab.end(lab.start({**RESPONSE, "gen_ai.usage.input_tokens": 10}, name="openai.response"))
    assert (len(lab.drain(everything=True)), lab.matcher.duplicates) == (1, 1)


def test_the_response_ids_that_are_remembered_are_bounded(
    lab: SpanLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_MAX_RESPONSE_IDS", 10)
    for number in range(100):
        attributes = used(response_id=f"resp_{number}")
        lab.end(lab.start(attributes, name="openai.response"))
    lab.drain()
    assert len(lab.matcher._response_ids) == 10


# Waiting.


def test_a_call_with_usage_and_nothing_around_it_is_settled_at_once(lab: SpanLab) -> None:
    lab.end(lab.start(used()))
    assert (len(lab.drain()), lab.matcher.holding) == (1, False)


def test_a_call_without_usage_and_nothing_around_it_is_settled_at_once(lab: SpanLab) -> None:
    lab.end(lab.start(CHAT))
    assert len(lab.drain()) == 1


def test_what_ended_while_a_batch_was_read_may_bring_the_usage(lab: SpanLab) -> None:
    outer = lab.start(CHAT, scope=OFFICIAL)
    inner = lab.start(used(), parent=outer)
    lab.end(outer, after_ms=50)
    (first,) = lab.ended()
    lab.end(inner)
    call = read_ended(first, (), EPOCH_NS)
    assert call is not None
    lab.matcher.add(call, 0.0)
    assert lab.matcher.settle(0.0, more=True) == []
    (record,) = lab.drain(0.1)
    assert record.usage == TokenUsage(input=10, output=5)


def test_a_call_waits_for_the_clients_span_around_it(lab: SpanLab) -> None:
    outer = lab.start(used())
    lab.end(lab.start(used(), scope=OFFICIAL, parent=outer), after_ms=50)
    waiting = lab.drain(0.0)
    lab.end(outer)
    assert (waiting, len(lab.drain(0.1))) == ([], 1)


@pytest.mark.parametrize(("now", "settled"), [(1.99, 0), (2.0, 1)])
def test_a_call_with_usage_waits_two_seconds(lab: SpanLab, now: float, settled: int) -> None:
    outer = lab.start(used())
    lab.end(lab.start(used(), scope=OFFICIAL, parent=outer), after_ms=50)
    lab.drain(0.0)
    assert len(lab.drain(now)) == settled
    lab.end(outer)


def test_a_call_without_usage_waits_for_the_framework_that_may_bring_it(lab: SpanLab) -> None:
    framework = lab.start(scope=LANGCHAIN, owner=(1, 0))
    lab.end(lab.start(CHAT, start_ns=EPOCH_NS + MS, owner=(2, 0)), after_ms=50)
    waiting = lab.drain(0.0)
    framework.set_attributes(used())
    lab.end(framework)
    (record,) = lab.drain(1.0)
    assert (waiting, record.usage) == ([], TokenUsage(input=10, output=5))


def test_a_call_without_usage_waits_for_the_clients_span_within(lab: SpanLab) -> None:
    # Traceloop's span of a raw stream ends before the stream.
    outer = lab.start(CHAT)
    inner = lab.start(scope=OFFICIAL, parent=outer)
    lab.end(outer, after_ms=20)
    waiting = lab.drain(0.0)
    inner.set_attributes(used())
    lab.end(inner)
    (record,) = lab.drain(1.0)
    assert (waiting, record.usage) == ([], TokenUsage(input=10, output=5))


@pytest.mark.parametrize(
    ("now", "settled"), [(matching._HOLD_WITHOUT_USAGE - 0.1, 0), (matching._HOLD_WITHOUT_USAGE, 1)]
)
def test_a_call_without_usage_waits_no_longer_than_it_may(
    lab: SpanLab, now: float, settled: int
) -> None:
    framework = lab.start(scope=LANGCHAIN)
    lab.end(lab.start(CHAT, start_ns=EPOCH_NS + MS), after_ms=50)
    lab.drain(0.0)
    assert len(lab.drain(now)) == settled
    lab.end(framework)


def test_flushing_settles_what_waits(lab: SpanLab) -> None:
    framework = lab.start(scope=LANGCHAIN)
    lab.end(lab.start(CHAT, start_ns=EPOCH_NS + MS), after_ms=50)
    assert len(lab.drain(everything=True)) == 1
    lab.end(framework)


def test_what_was_settled_is_not_settled_again(lab: SpanLab) -> None:
    lab.end(lab.start(used()))
    lab.drain()
    assert lab.drain(everything=True) == []


# Bounds.


def test_the_calls_that_wait_are_bounded_and_the_oldest_give_way(
    lab: SpanLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_MAX_HELD", 10)
    framework = lab.start(scope=LANGCHAIN)
    for number in range(30):
        model = {**CHAT, "gen_ai.request.model": f"m{number}"}
        lab.end(lab.start(model, start_ns=EPOCH_NS + MS), after_ms=50)
    settled = [record.labels.model for record in lab.drain()]
    assert (settled, len(lab.matcher._held)) == ([f"m{n}" for n in range(20)], 10)
    lab.end(framework)


def test_the_calls_that_are_remembered_are_bounded(
    lab: SpanLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_MAX_REMEMBERED", 10)
    for number in range(50):
        for scope in (TRACELOOP, OFFICIAL):
            lab.end(lab.start(used(number), scope=scope, owner=(number, 0)))
    lab.drain()
    matcher = lab.matcher
    groups = {id(group) for entry in matcher._index.values() for group in entry}
    assert (len(matcher._recent), len(groups)) == (10, 10)


def test_with_one_instrumentation_hardly_anything_is_remembered(lab: SpanLab) -> None:
    for number in range(200):
        lab.end(lab.start(used(number + 1)))
    lab.drain()
    assert (len(lab.matcher._recent), len(lab.matcher._index)) == (64, 0)


def test_what_is_old_is_forgotten(lab: SpanLab) -> None:
    for scope in (TRACELOOP, OFFICIAL):
        lab.end(lab.start(used(), scope=scope))
    lab.drain(0.0)
    lab.drain(60.1)
    assert (len(lab.matcher._recent), lab.matcher._index) == (0, {})
