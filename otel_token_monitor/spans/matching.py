"""One call, one record: which spans tell of the same call.

A framework's span and its client's, or those of two instrumentations of one client, tell of one
call: nested, or side by side, or as roots of two traces. They are matched one to one, by the
strongest link there is: the response's id; parent and child; the same trace, or the same thread
and task; and, where one is a framework's, time and usage alone, for some frameworks' spans start on
another thread. Two spans of the same scope are never one call, unless the second fetches
the response of the first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_token_monitor.dialects.facts import UNKNOWN_MODEL
from otel_token_monitor.spans.calls import Call, record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_token_monitor.spans.processor import Stamp
    from otel_token_monitor.usage import UsageRecord

__all__ = ["Matcher"]

# How long a call waits, once its span has ended, for the spans around it: without usage, which one
# of them may bring, or with usage, to which they may add details.
_HOLD_WITHOUT_USAGE: Final = 60.0
_HOLD_WITH_USAGE: Final = 2.0
_MAX_HELD: Final = 4096

# How long, and how many, calls are remembered that a later span may tell of again.
_REMEMBERED_SECONDS: Final = 60.0
_MAX_REMEMBERED: Final = 4096
_MAX_REMEMBERED_UNMATCHED: Final = 64
_MAX_RESPONSE_IDS: Final = 10_000
_MAX_CANDIDATES: Final = 128

# A client's span of a stream may end a little after the framework's around it.
_TOLERANCE_NS: Final = 50_000_000

Key = tuple[str, object]
"""What spans of one call have in common: which kind of link, and its value."""

_WITHOUT_USAGE: Final[Key] = ("usage", None)


@dataclass(slots=True, eq=False)
class _Group:
    """The spans that tell of one call, so far."""

    calls: list[Call]
    since: float
    settled: bool = False
    awaits: list[Stamp] = field(default_factory=list)

    def waits(self, now: float) -> bool:
        """Whether a span that may tell more is still to come, and has not kept us too long."""
        if not self.awaits:
            return False
        self.awaits = [stamp for stamp in self.awaits if not stamp.read]
        patience = _HOLD_WITHOUT_USAGE if self.usage_key is None else _HOLD_WITH_USAGE
        return bool(self.awaits) and now - self.since < patience

    @property
    def scopes(self) -> set[str]:
        return {call.scope for call in self.calls}

    @property
    def usage_key(self) -> tuple[int, int] | None:
        return next((key for call in self.calls if (key := _usage_key(call))), None)

    @property
    def response_id(self) -> str | None:
        return next((c.facts.response_id for c in self.calls if c.facts.response_id), None)


class Matcher:
    """Turns spans' accounts of calls into records, one a call.

    Only for the drain thread. `open_stamps` tells which spans have started and not ended. `now` is
    a monotonic clock's, in seconds.
    """

    def __init__(self, open_stamps: Callable[[], list[Stamp]]) -> None:
        self._open_stamps = open_stamps
        # With one instrumentation there is nothing to match, and nothing to pay for it.
        self._scopes: set[str] = set()
        self._indexed = False
        self._held: dict[_Group, None] = {}
        self._recent: deque[_Group] = deque()
        self._index: dict[Key, list[_Group]] = {}
        self._response_ids: OrderedDict[str, None] = OrderedDict()
        self.duplicates = 0

    @property
    def holding(self) -> bool:
        """Whether calls wait for the spans around them."""
        return bool(self._held)

    def add(self, call: Call, now: float) -> None:
        """Take in one span's account."""
        self._scopes.add(call.scope)
        if not self._indexed and len(self._scopes) > 1:
            self._start_matching()
        if self._is_refetched(call):
            self.duplicates += 1
            return
        group = self._find(call)
        if group is None:
            self._begin(call, now)
            return
        self.duplicates += 1
        group.calls.append(call)
        if not group.settled:
            group.awaits = self._awaited(group.calls)
        self._enter(group, call)

    def _start_matching(self) -> None:
        """A second instrumentation appeared: what the first told lately may be told again."""
        self._indexed = True
        for group in self._recent:
            for call in group.calls:
                self._enter(group, call)

    def settle(self, now: float, *, everything: bool = False) -> list[UsageRecord]:
        """The records of calls that wait for nothing more, or have waited long enough."""
        records = []
        surplus = len(self._held) - _MAX_HELD
        for number, group in enumerate(list(self._held)):
            if everything or number < surplus or not group.waits(now):
                del self._held[group]
                group.settled = True
                records.append(record_of(group.calls))
        self._forget(now)
        return records

    def _begin(self, call: Call, now: float) -> None:
        group = _Group([call], now)
        if call.facts.usage is None or call.stamp.enclosing is not None:
            group.awaits = self._awaited(group.calls)
        self._held[group] = None
        self._recent.append(group)
        self._enter(group, call)

    def _is_refetched(self, call: Call) -> bool:
        """Whether a span only fetched again what an earlier call of this process had got."""
        response_id = call.facts.response_id
        if call.facts.endpoint != "responses":
            return False
        if response_id is None:
            return call.facts.fetched
        if call.facts.fetched and response_id in self._response_ids:
            return True
        self._response_ids[response_id] = None
        if len(self._response_ids) > _MAX_RESPONSE_IDS:
            self._response_ids.popitem(last=False)
        return False

    def _awaited(self, calls: list[Call]) -> list[Stamp]:
        """The open spans that may tell more of a call: by other instrumentations, around it.

        Within it too, where usage is missing: some spans of streams end before the stream.
        """
        scopes = {call.scope for call in calls}
        awaited = []
        for call in calls:
            around = call.stamp.enclosing
            while around is not None:
                if not around.read and around.client and around.scope not in scopes:
                    awaited.append(around)
                around = around.enclosing
        if all(call.facts.usage is None for call in calls):
            start = min(call.stamp.start_ns for call in calls)
            stamps = [call.stamp for call in calls]
            awaited += [
                stamp
                for stamp in self._open_stamps()
                if stamp.scope not in scopes
                and ((not stamp.client and stamp.start_ns <= start) or stamp.enclosing in stamps)
            ]
        return awaited

    def _find(self, call: Call) -> _Group | None:
        """The call that this span tells of too."""
        if not self._indexed:
            return None
        best, best_rank = None, (0, 0, 0)
        for group in self._candidates(call):
            rank = _rank(call, group)
            if rank > best_rank:
                best, best_rank = group, rank
        return best

    def _candidates(self, call: Call) -> Iterable[_Group]:
        seen: dict[_Group, None] = {}
        # Among those without usage, one may wait for just this.
        for key in (*_keys(call), _WITHOUT_USAGE):
            for group in self._index.get(key, ())[-_MAX_CANDIDATES:]:
                seen[group] = None
        return seen

    def _enter(self, group: _Group, call: Call) -> None:
        if not self._indexed:
            return
        for key in _keys(call):
            groups = self._index.setdefault(key, [])
            if group not in groups[-_MAX_CANDIDATES:]:
                groups.append(group)

    def _forget(self, now: float) -> None:
        """Drop what no later span will tell of again."""
        limit = _MAX_REMEMBERED if self._indexed else _MAX_REMEMBERED_UNMATCHED
        while self._recent and (
            len(self._recent) > limit
            or (self._recent[0].settled and now - self._recent[0].since > _REMEMBERED_SECONDS)
        ):
            group = self._recent.popleft()
            for call in group.calls:
                for key in _keys(call):
                    groups = self._index.get(key)
                    if groups is not None:
                        if group in groups:
                            groups.remove(group)
                        if not groups:
                            del self._index[key]


def _keys(call: Call) -> list[Key]:
    """What a call is found under: every link that another span of the same call may share."""
    stamp = call.stamp
    keys: list[Key] = [
        ("trace", stamp.trace_id),
        ("owner", stamp.owner),
        ("usage", _usage_key(call)),
    ]
    if call.facts.response_id is not None:
        keys.append(("id", call.facts.response_id))
    return keys


def _usage_key(call: Call) -> tuple[int, int] | None:
    usage = call.facts.usage
    return None if usage is None else (usage.input_tokens, usage.output_tokens)


def _rank(call: Call, group: _Group) -> tuple[int, int, int]:
    """How strongly a call is linked to a group: (0, …) not at all."""
    none = 0, 0, 0
    if call.scope in group.scopes:
        return none
    ours, theirs = call.facts.response_id, group.response_id
    ids_known = ours is not None and theirs is not None
    if ids_known and ours != theirs:
        return none
    ours_key, theirs_key = _usage_key(call), group.usage_key
    keys_known = ours_key is not None and theirs_key is not None
    if keys_known and ours_key != theirs_key and not ids_known:
        return none
    if group.settled and theirs_key is None and ours_key is not None and not ids_known:
        # It has been counted as unmetered: these tokens would be lost.
        return none
    link = max(_link(call, other) for other in group.calls)
    if not link and not ids_known:
        return none
    distance = min(abs(call.stamp.start_ns - other.stamp.start_ns) for other in group.calls)
    # Servers of one's own may give each response the same id: the other ties still count then.
    return 4 * ids_known + link, int(keys_known), -distance


def _link(call: Call, other: Call) -> int:
    """What ties two spans: 3 parent and child, 2 trace or thread and task, 1 time; 0 nothing."""
    one, two = call.stamp, other.stamp
    if one.parent_id == two.span_id or two.parent_id == one.span_id:
        return 3 if one.trace_id == two.trace_id else 0
    if not _overlap(call, other) or not _same_model(call, other):
        return 0
    if one.trace_id == two.trace_id:
        return 2
    if one.owner == two.owner and _in_own_trace(one) and _in_own_trace(two):
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


def _same_model(call: Call, other: Call) -> bool:
    """Whether two names may be of one model: some leave out a vendor in front, a date behind."""
    if UNKNOWN_MODEL in {call.facts.model, other.facts.model}:
        return True
    one, two = (c.facts.model.rpartition("/")[2] for c in (call, other))
    return one.startswith(two) or two.startswith(one)


def _same_outcome(call: Call, other: Call) -> bool:
    return (call.facts.error_type is None) == (other.facts.error_type is None)
