"""Spans that real instrumentations emitted, replayed as they started and ended."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode

from tests.spans import EPOCH_NS, SpanLab

if TYPE_CHECKING:
    from opentelemetry import trace

    from otel_token_monitor.usage import UsageRecord

Recorded = dict[str, Any]
"""One span of `recorded.json`; its times are nanoseconds since the case began."""


def replay(spans: list[Recorded]) -> tuple[list[UsageRecord], int]:
    """The records that one recorded case makes, drained as its spans end; and its duplicates."""
    lab = SpanLab()
    open_spans: dict[str, trace.Span] = {}
    owners: dict[str, int] = {}
    records: list[UsageRecord] = []
    moments = [(span["start"], number, False) for number, span in enumerate(spans)]
    moments += [(s["end"], n, True) for n, s in enumerate(spans) if s["end"] is not None]
    for at, number, ending in sorted(moments):
        span = spans[number]
        if ending:
            _end(open_spans[span["id"]], span)
            records += lab.drain(at / 1e9)
        else:
            open_spans[span["id"]] = lab.start(
                {key: span["attributes"][key] for key in span["at_start"]},
                scope=span["scope"],
                name=span["name"],
                parent=_parent(span, open_spans),
                start_ns=EPOCH_NS + at,
                owner=(owners.setdefault(span["owner"], len(owners)), 0),
            )
    open_spans.clear()
    if any(span["end"] is None for span in spans):
        # Those that never ended are collected.
        gc.collect()
    records += lab.drain(1e6)
    records += lab.drain(2e6)
    return records, lab.matcher.duplicates


def _parent(span: Recorded, open_spans: dict[str, trace.Span]) -> trace.Span | None:
    parent = span["parent"]
    if parent is None or parent in open_spans:
        return None if parent is None else open_spans[parent]
    return NonRecordingSpan(SpanContext(int(span["trace"], 16), int(parent, 16), is_remote=False))


def _end(open_span: trace.Span, span: Recorded) -> None:
    open_span.set_attributes(span["attributes"])
    for name, attributes, at in span["events"]:
        open_span.add_event(name, attributes, EPOCH_NS + at)
    if span["status"] != "UNSET":
        open_span.set_status(StatusCode[span["status"]])
    open_span.end(EPOCH_NS + span["end"])
