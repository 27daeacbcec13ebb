"""One call, one record: which spans tell of the same call.

A framework's span and its client's, or those of two instrumentations of one client, tell of one
call: nested, or side by side, or as roots of two traces. They are matched one to one, by the
strongest link there is: the response's id; parent and child; the same trace, or the same thread
and task; and, where one is a framework's, time and usage alone, for some frameworks' spans start on
another thread. Two spans of the same scope are never one call, unless the second fetches
the response of the first. A call that the application logs by hand joins what spans tell of it
(see `manual`).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_token_monitor.spans.calls import Call, record_of
from otel_token_monitor.spans.links import NOT_LINKED, Key, Rank, keys_of, link_of_spans
from otel_token_monitor.spans.manual import Unclaimed, Undecided, promise, rank_by_hand
from otel_token_monitor.spans.scopes import WIRE

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
_MAX_LOGGED: Final = 10_000
_MAX_CANDIDATES: Final = 128

_WITHOUT_USAGE: Final[Key] = ("usage", None)


@dataclass(slots=True, eq=False)
class _Group:
    """What tells of one call, so far.

    `expects_hand`: it may still be logged by hand; `reserved_at`: when it last seemed that
    something was.
    """

    calls: list[Call]
    since: float
    settled: bool = False
    expects_hand: bool = False
    reserved_at: float | None = None
    awaits: list[Stamp] = field(default_factory=list)

    def waits(self, now: float, *, more: bool) -> bool:
        """Whether what may tell more is still to come, and has not kept us too long.

        `more`: some spans have ended that were not taken in yet.
        """
        if more and self.since == now and self.usage_key is None:
            # What tells the usage may be among those: neither open any more, nor taken in.
            return True
        if self.reserved_at == now or (self.expects_hand and now - self.since < _HOLD_WITH_USAGE):
            return True
        if not self.awaits:
            return False
        self.awaits = [stamp for stamp in self.awaits if not stamp.read]
        patience = _HOLD_WITHOUT_USAGE if self.usage_key is None else _HOLD_WITH_USAGE
        return bool(self.awaits) and now - self.since < patience

    @property
    def scopes(self) -> set[str]:
        return {call.scope for call in self.calls}

    @property
    def hand(self) -> Call | None:
        """The account of whoever logged the call by hand."""
        return next((call for call in self.calls if call.told is not None), None)

    @property
    def spans(self) -> list[Call]:
        return [call for call in self.calls if call.told is None]

    @property
    def is_told(self) -> bool:
        """Whether more is known of it than what was observed: that is no duplicate."""
        return any(call.observed is None for call in self.calls)

    @property
    def usage_key(self) -> tuple[int, int] | None:
        return next((key for call in self.calls if (key := call.usage_key)), None)

    @property
    def response_id(self) -> str | None:
        return next((c.facts.response_id for c in self.calls if c.facts.response_id), None)


class Matcher:
    """Turns spans' accounts of calls into records, one a call.

    Only for the drain thread. `open_stamps` tells which spans have started and not ended. `now` is
    a monotonic clock's, in seconds. `by_hand`: the application logs calls by hand, so spans wait
    for that.
    """

    def __init__(self, open_stamps: Callable[[], list[Stamp]], *, by_hand: bool = False) -> None:
        self._open_stamps = open_stamps
        self.by_hand = by_hand
        # Whether requests are observed, too: then that tells what is paid for of what is fetched.
        self.captured = False
        # With one instrumentation there is nothing to match, and nothing to pay for it.
        self._scopes: set[str] = set()
        self._indexed = False
        self._held: dict[_Group, None] = {}
        self._recent: deque[_Group] = deque()
        self._index: dict[Key, list[_Group]] = {}
        self._unclaimed: Unclaimed[_Group] = Unclaimed()
        self._undecided: list[Undecided[_Group]] = []
        self._undecided_of: dict[object, list[Undecided[_Group]]] = {}
        # The last call that spans of a thread and task told of.
        self._latest: OrderedDict[object, _Group] = OrderedDict()
        self._logged: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._response_ids: OrderedDict[str, None] = OrderedDict()
        self.duplicates = 0

    @property
    def holding(self) -> bool:
        """Whether calls wait for the spans around them."""
        return bool(self._held or self._undecided)

    def holds(self, response_id: str | None) -> bool:
        """Whether the call with a response's id waits for the spans around it."""
        return any(group.response_id == response_id for group in self._held)

    def add(self, call: Call, now: float) -> None:
        """Take in one account."""
        self._scopes.add(call.scope)
        if not self._indexed and (self.by_hand or len(self._scopes) > 1):
            self._start_matching()
        if self._is_refetched(call) or self._is_logged_again(call):
            self.duplicates += 1
            return
        if call.told is None:
            self._take_in(call, self._find(call), now)
        else:
            self._ponder(call, now)

    def _take_in(self, call: Call, group: _Group | None, now: float) -> None:
        if group is None:
            group = self._begin(call, now)
        else:
            self.duplicates += call.observed is None and group.is_told
            if call.told is not None:
                self._unclaimed.remove(group, group.calls)
                group.expects_hand = False
            group.calls.append(call)
            if not group.settled:
                group.awaits = self._awaited(group.calls)
            self._enter(group, call)
        if self._indexed and call.told is None:
            self._note_latest(call.stamp, group)

    def _note_latest(self, stamp: Stamp, group: _Group) -> None:
        """Note which call a thread and task made last."""
        self._latest[stamp.owner] = group
        self._latest.move_to_end(stamp.owner)
        if len(self._latest) > _MAX_REMEMBERED:
            self._latest.popitem(last=False)
        for item in self._undecided_of.get(stamp.owner, ()):
            if stamp.start_ns <= item.call.stamp.start_ns:
                item.latest = group

    def _ponder(self, call: Call, now: float) -> None:
        """Leave open, for now, which call was logged by hand: its span may not have been read."""
        awaits = [stamp for stamp in self._open_stamps() if promise(stamp, call)]
        self._postpone(Undecided(call, now, awaits, self._latest.get(call.stamp.owner)))

    def _postpone(self, item: Undecided[_Group]) -> None:
        self._undecided.append(item)
        self._undecided_of.setdefault(item.call.stamp.owner, []).append(item)

    def _decide(self, now: float, *, everything: bool, more: bool) -> None:
        """Take in what was logged by hand, once all is known or it has waited long enough."""
        undecided, self._undecided, self._undecided_of = self._undecided, [], {}
        surplus = len(undecided) - _MAX_HELD
        for number, item in enumerate(undecided):
            group, rank = self._find_by_hand(item)
            patience = _HOLD_WITHOUT_USAGE if item.call.usage_key is None else _HOLD_WITH_USAGE
            in_time = now - item.since < patience
            if not everything and number >= surplus and in_time and item.waits(rank, more=more):
                self._postpone(item)
            else:
                self._take_in(item.call, group, item.since)
        self._reserve(now)

    def _reserve(self, now: float) -> None:
        """Let nothing be written yet that an undecided call may turn out to be."""
        reserved = []
        for item in self._undecided:
            group, _ = self._find_by_hand(item)
            if group is not None:
                group.reserved_at = now
                # A group each.
                self._unclaimed.remove(group, group.calls)
                reserved.append(group)
        for group in reserved:
            for call in group.calls:
                self._unclaimed.enter(group, call)

    def _start_matching(self) -> None:
        """Somebody else tells of calls: what was told lately may be told again."""
        self._indexed = True
        for group in self._recent:
            for call in group.calls:
                self._enter(group, call)

    def settle(
        self, now: float, *, everything: bool = False, more: bool = False
    ) -> list[UsageRecord]:
        """The records of calls that wait for nothing more, or have waited long enough.

        `more`: some spans have ended that were not taken in yet.
        """
        self._decide(now, everything=everything, more=more)
        records = []
        surplus = len(self._held) - _MAX_HELD
        for number, group in enumerate(list(self._held)):
            if everything or number < surplus or not group.waits(now, more=more):
                del self._held[group]
                group.settled = True
                records.append(record_of(group.calls))
        self._forget(now)
        return records

    def _begin(self, call: Call, now: float) -> _Group:
        group = _Group([call], now, expects_hand=self.by_hand and call.told is None)
        if call.told is None and (call.facts.usage is None or call.stamp.enclosing is not None):
            group.awaits = self._awaited(group.calls)
        self._held[group] = None
        self._recent.append(group)
        self._enter(group, call)
        return group

    def _is_refetched(self, call: Call) -> bool:
        """Whether a span only fetched again what an earlier call of this process had got."""
        response_id = call.facts.response_id
        if call.facts.endpoint != "responses" or call.observed is not None:
            return False
        if self.captured and call.facts.fetched:
            return True
        if response_id is None:
            return call.facts.fetched
        if call.facts.fetched and response_id in self._response_ids:
            return True
        self._response_ids[response_id] = None
        if len(self._response_ids) > _MAX_RESPONSE_IDS:
            self._response_ids.popitem(last=False)
        return False

    def _is_logged_again(self, call: Call) -> bool:
        """Whether the same record was logged by hand before."""
        if call.told is None:
            return False
        identity = call.told[:2]
        if identity in self._logged:
            return True
        self._logged[identity] = None
        if len(self._logged) > _MAX_LOGGED:
            self._logged.popitem(last=False)
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
                and (
                    (not stamp.client and stamp.start_ns <= start)
                    or stamp.enclosing in stamps
                    or _observes(stamp, stamps)
                )
            ]
        return awaited

    def _find(self, call: Call) -> _Group | None:
        """The call that this span tells of too."""
        if not self._indexed:
            return None
        best, best_rank = None, NOT_LINKED
        for group in self._candidates(call):
            rank = _rank(call, group)
            if rank > best_rank:
                best, best_rank = group, rank
        return best

    def _find_by_hand(self, item: Undecided[_Group]) -> tuple[_Group | None, Rank]:
        """The call that was logged by hand, as spans tell it, and how strong the link is."""
        best, best_rank = None, NOT_LINKED
        for most, groups in self._unclaimed.candidates(item.call, item.latest, _MAX_CANDIDATES):
            if best_rank[0] > most:
                # All that follows is linked more weakly.
                break
            for group in groups:
                if not _would_lose(item.call, group):
                    rank = rank_by_hand(item.call, group.calls, latest=group is item.latest)
                    if rank > best_rank:
                        best, best_rank = group, rank
        return best, best_rank

    def _candidates(self, call: Call) -> Iterable[_Group]:
        seen: dict[_Group, None] = {}
        # Among those without usage, one may wait for just this.
        for key in (*keys_of(call), _WITHOUT_USAGE):
            for group in self._index.get(key, ())[-_MAX_CANDIDATES:]:
                seen[group] = None
        return seen

    def _enter(self, group: _Group, call: Call) -> None:
        if not self._indexed:
            return
        if group.hand is None:
            self._unclaimed.enter(group, call)
        for key in keys_of(call):
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
            if not self._indexed:
                continue
            self._unclaimed.remove(group, group.calls)
            for call in group.calls:
                for key in keys_of(call):
                    groups = self._index.get(key)
                    if groups is not None:
                        if group in groups:
                            groups.remove(group)
                        if not groups:
                            del self._index[key]


def _observes(stamp: Stamp, stamps: list[Stamp]) -> bool:
    """Whether a request that is under way may be that of one of these spans."""
    return stamp.scope == WIRE and any(
        stamp.owner == other.owner or stamp.trace_id == other.trace_id != 0 for other in stamps
    )


def _rank(call: Call, group: _Group) -> Rank:  # noqa: PLR0911 - a decision a line
    """How strongly a span's call is linked to a group: (0, …) not at all."""
    if call.scope in group.scopes:
        return NOT_LINKED
    spans = group.spans
    if not spans:
        hand = group.calls[0]
        return NOT_LINKED if _would_lose(call, group) else rank_by_hand(hand, [call], latest=True)
    ours, theirs = call.facts.response_id, group.response_id
    ids_known = ours is not None and theirs is not None
    if ids_known and ours != theirs:
        return NOT_LINKED
    ours_key, theirs_key = call.usage_key, group.usage_key
    keys_known = ours_key is not None and theirs_key is not None
    if keys_known and ours_key != theirs_key and not ids_known:
        return NOT_LINKED
    if group.settled and theirs_key is None and ours_key is not None and not ids_known:
        # It has been counted as unmetered: these tokens would be lost.
        return NOT_LINKED
    link = max(link_of_spans(call, other) for other in spans)
    if not link and not ids_known:
        return NOT_LINKED
    distance = min(abs(call.stamp.start_ns - other.stamp.start_ns) for other in spans)
    # Servers of one's own may give each response the same id: the other ties still count then.
    return 4 * ids_known + link, int(keys_known), -distance


def _would_lose(call: Call, group: _Group) -> bool:
    """Whether a call's tokens would be lost in a group that was counted as unmetered."""
    known = any(other.facts.usage is not None for other in group.calls)
    return group.settled and call.facts.usage is not None and not known
