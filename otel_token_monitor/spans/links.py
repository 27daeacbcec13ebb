"""What ties two accounts of one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.dialects.facts import UNKNOWN_MODEL
from otel_token_monitor.spans.scopes import WIRE

if TYPE_CHECKING:
    from otel_token_monitor.spans.calls import Call
    from otel_token_monitor.spans.processor import Stamp

__all__ = ["NOT_LINKED", "Key", "Rank", "keys_of", "link_of_spans", "same_model"]

Key = tuple[str, object]
"""What accounts of one call have in common: which kind of link, and its value."""

Rank = tuple[int, int, int]
"""How strongly two accounts are linked: the higher the better."""

NOT_LINKED: Final[Rank] = (0, 0, 0)

# A client's span of a stream may end a little after the framework's around it.
_TOLERANCE_NS: Final = 50_000_000


def keys_of(call: Call) -> list[Key]:
    """What a call is found under: every link that another account of it may share."""
    stamp = call.stamp
    keys: list[Key] = [("owner", stamp.owner), ("usage", call.usage_key)]
    if stamp.trace_id:
        keys.append(("trace", stamp.trace_id))
    if call.facts.response_id is not None:
        keys.append(("id", call.facts.response_id))
    return keys


def link_of_spans(call: Call, other: Call) -> int:
    """What ties two spans: 3 parent and child, 2 trace or thread and task, 1 time; 0 nothing."""
    one, two = call.stamp, other.stamp
    if one.parent_id == two.span_id or two.parent_id == one.span_id:
        return 3 if one.trace_id == two.trace_id else 0
    if not _overlap(call, other) or not same_model(call, other):
        return 0
    if one.trace_id == two.trace_id != 0:
        return 2
    if one.owner == two.owner and (
        WIRE in {one.scope, two.scope} or (_in_own_trace(one) and _in_own_trace(two))
    ):
        # What is observed lies in the caller's trace, whatever trace the span began.
        return 2
    around = (not two.client and _within(call, other)) or (not one.client and _within(other, call))
    return int(around and _same_outcome(call, other))


def _in_own_trace(stamp: Stamp) -> bool:
    """Whether a call's span, or the one of a call around it, began a trace of its own."""
    while stamp.enclosing is not None:
        stamp = stamp.enclosing
    return not stamp.parent_id


def _overlap(call: Call, other: Call) -> bool:
    """Whether there was an instant, as the one when the request went out, within both."""
    return call.stamp.start_ns <= other.end_ns and other.stamp.start_ns <= call.end_ns


def _within(inner: Call, outer: Call) -> bool:
    return (
        outer.stamp.start_ns <= inner.stamp.start_ns
        and inner.end_ns <= outer.end_ns + _TOLERANCE_NS
    )


def _same_outcome(call: Call, other: Call) -> bool:
    return (call.facts.error_type is None) == (other.facts.error_type is None)


def same_model(call: Call, other: Call) -> bool:
    """Whether two names may be of one model: some leave out a vendor in front, a date behind."""
    if UNKNOWN_MODEL in {call.facts.model, other.facts.model}:
        return True
    one, two = (c.facts.model.rpartition("/")[2] for c in (call, other))
    return one.startswith(two) or two.startswith(one)
