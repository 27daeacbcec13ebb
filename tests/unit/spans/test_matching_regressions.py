"""Calls that were once counted wrongly, found with the real instrumentations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.spans import EPOCH_NS, LANGCHAIN, MS, OFFICIAL, OPENINFERENCE, TRACELOOP, SpanLab

TRACELOOP_LANGCHAIN = "opentelemetry.instrumentation.langchain"
STREAM = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.is_streaming": True,
}
USED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
}


@pytest.fixture
def lab() -> SpanLab:
    return SpanLab()


def left_stream(lab: SpanLab, start_ns: int, project: str) -> None:
    """A stream left midway, under three instrumentations: the first is in a trace of its own."""
    own = lab.start(STREAM, scope=TRACELOOP, start_ns=start_ns)
    outer = lab.start(STREAM, scope=OFFICIAL, start_ns=start_ns)
    inner = lab.start(STREAM, scope=OPENINFERENCE, parent=outer, start_ns=start_ns)
    for span in (own, outer, inner):
        lab.stamp(span).project = project
    lab.end(own, after_ms=5)
    lab.end(inner, after_ms=6)
    lab.end(outer, after_ms=7)


def test_a_span_within_a_root_and_a_root_beside_it_are_one_call(lab: SpanLab) -> None:
    left_stream(lab, EPOCH_NS, "one")

    [record] = lab.drain(everything=True)

    assert record.unmetered == "no_usage"


def test_a_call_right_after_another_is_not_taken_for_it(lab: SpanLab) -> None:
    left_stream(lab, EPOCH_NS, "one")
    left_stream(lab, EPOCH_NS + 8 * MS, "two")

    records = lab.drain(everything=True)

    assert [record.labels.project for record in records] == ["one", "two"]


def test_two_frameworks_on_two_threads_tell_of_one_call(lab: SpanLab) -> None:
    one = lab.start(USED, scope=TRACELOOP_LANGCHAIN, owner=(1, 0))
    two = lab.start(USED, scope=LANGCHAIN, owner=(2, 0), start_ns=EPOCH_NS + MS)
    lab.end(one, after_ms=90)
    lab.end(two, after_ms=91)

    assert len(lab.drain(everything=True)) == 1


def test_where_all_responses_have_one_id_the_other_ties_tell_the_calls_apart(
    lab: SpanLab,
) -> None:
    attributes = {**USED, "gen_ai.response.id": "same"}
    outers = [lab.start(attributes, owner=(thread, 0)) for thread in range(2)]
    inners = [
        lab.start(attributes, scope=OFFICIAL, parent=outer, owner=(thread, 0))
        for thread, outer in enumerate(outers)
    ]
    for thread, pair in enumerate(zip(outers, inners, strict=True)):
        for span in pair:
            lab.stamp(span).project = f"thread {thread}"
    for span in (*outers, *reversed(inners)):
        lab.end(span)

    records = lab.drain(everything=True)

    assert [record.labels.project for record in records] == ["thread 0", "thread 1"]
    assert {record.source for record in records} == {TRACELOOP}


@pytest.mark.parametrize("first", [TRACELOOP, OFFICIAL])
def test_an_error_that_only_one_span_tells_of_is_an_error(lab: SpanLab, first: str) -> None:
    second = OFFICIAL if first == TRACELOOP else TRACELOOP
    spans = {}
    parent = None
    for scope in (first, second):
        spans[scope] = parent = lab.start(STREAM, scope=scope, parent=parent)
    spans[OFFICIAL].set_attribute("error.type", "openai.APIConnectionError")
    lab.end(spans[second])
    lab.end(spans[first])

    [record] = lab.drain(everything=True)

    assert (record.status, record.error_type) == ("error", "APIConnectionError")


def told(lab: SpanLab, *accounts: tuple[str, dict[str, Any]]) -> Any:
    """The record of nested spans, the first the outermost."""
    spans = []
    parent = None
    for scope, attributes in accounts:
        parent = lab.start({**USED, **attributes}, scope=scope, parent=parent)
        spans.append(parent)
    for span in reversed(spans):
        lab.end(span)
    [record] = lab.drain(everything=True)
    return record


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("server", "provider"),
    [("api.groq.com", "groq"), ("llm.example.com", "openai_compatible")],
)
def test_a_span_that_does_not_know_the_host_is_not_believed_about_the_provider(
    lab: SpanLab, server: str, provider: str, turned: bool
) -> None:
    accounts: list[tuple[str, dict[str, Any]]] = [
        (TRACELOOP, {"gen_ai.provider.name": "openai"}),
        (OFFICIAL, {"gen_ai.provider.name": "openai", "server.address": server}),
    ]

    record = told(lab, *(reversed(accounts) if turned else accounts))

    assert record.labels.provider == provider


def test_the_endpoint_of_openais_client_is_openais_path_wherever_it_calls(lab: SpanLab) -> None:
    record = told(lab, (OFFICIAL, {"server.address": "api.groq.com"}))

    assert (record.labels.provider, record.labels.endpoint) == ("groq", "chat/completions")
