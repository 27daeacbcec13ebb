"""Recording what a sampler drops, without sampling it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace.span import TraceState

from otel_token_monitor.spans.sampling import RECORDED_FOR_US, RecordingSampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.util.types import Attributes


class Recorder(Sampler):
    """A sampler of the application's, that keeps what it was asked."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.asked: list[object] = []

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        self.asked = [parent_context, trace_id, name, kind, attributes, links, trace_state]
        return SamplingResult(self.decision, {"theirs": 1}, TraceState([("a", "b")]))

    def get_description(self) -> str:
        return "Recorder"


def test_a_dropped_span_is_recorded_and_not_sampled() -> None:
    result = RecordingSampler(ALWAYS_OFF).should_sample(None, 1, "chat")
    assert result.decision is Decision.RECORD_ONLY


def test_a_recorded_span_keeps_its_attributes_and_is_marked() -> None:
    result = RecordingSampler(ALWAYS_OFF).should_sample(None, 1, "chat", attributes={"a": 1})
    assert dict(result.attributes or {}) == {"a": 1, RECORDED_FOR_US: True}


@pytest.mark.parametrize("decision", [Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE])
def test_any_other_decision_stands(decision: Decision) -> None:
    result = RecordingSampler(Recorder(decision)).should_sample(None, 1, "chat")
    assert (result.decision, dict(result.attributes or {})) == (decision, {"theirs": 1})


def test_the_trace_state_of_a_dropped_span_stands() -> None:
    result = RecordingSampler(Recorder(Decision.DROP)).should_sample(None, 1, "chat")
    assert result.trace_state == TraceState([("a", "b")])


def test_the_applications_sampler_is_asked_with_all_that_is_known() -> None:
    theirs = Recorder(Decision.DROP)
    asked: list[object] = [None, 7, "chat", None, {"a": 1}, [], TraceState()]
    RecordingSampler(theirs).should_sample(None, 7, "chat", None, {"a": 1}, [], TraceState())
    assert theirs.asked == asked


def test_a_ratio_samples_as_many_as_without_us() -> None:
    ratio = TraceIdRatioBased(0.25)
    ours = RecordingSampler(ratio)
    ids = range(0, 2**64, 2**64 // 100)
    sampled = [
        [each.should_sample(None, i, "x").decision is Decision.RECORD_AND_SAMPLE for i in ids]
        for each in (ours, ratio)
    ]
    assert (sampled[0], sum(sampled[0])) == (sampled[1], 26)


def test_the_description_names_both() -> None:
    assert RecordingSampler(ALWAYS_ON).get_description() == "RecordingSampler(AlwaysOnSampler)"
