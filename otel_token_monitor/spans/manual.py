"""A call logged by hand, and the spans that tell of the same call.

It is logged once the call has ended, or, of a stream, a little before; by the thread and the task
that made it, or by another. So nothing overlaps as two spans of one call do. They are matched one
to one: by the response's id; by the trace, or the thread and task; by model and usage; and among
equals by time.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from otel_token_monitor.spans.links import NOT_LINKED, Key, Rank, keys_of, same_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_token_monitor.spans.calls import Call
    from otel_token_monitor.spans.processor import Stamp

__all__ = ["Unclaimed", "Undecided", "promise", "rank_by_hand"]

G = TypeVar("G")

_BY_ID: Final = 8
# How long after a call's end it may be logged.
_LATEST_NS: Final = 60_000_000_000
# Clocks are read one after the other.
_TOLERANCE_NS: Final = 50_000_000


class Unclaimed(Generic[G]):
    """Calls that spans told of, and that nobody has logged by hand; by when they began."""

    def __init__(self) -> None:
        self._by_key: dict[Key, list[tuple[int, int, G]]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def enter(self, group: G, call: Call) -> None:
        """Have a group found under what one of its calls shares."""
        place = call.stamp.start_ns, id(call)
        for key in keys_of(call):
            entries = self._by_key.setdefault(key, [])
            index = bisect_left(entries, place)
            if entries[index : index + 1] != [(*place, group)]:
                entries.insert(index, (*place, group))

    def remove(self, group: G, calls: Iterable[Call]) -> None:
        """Have a group of these calls found no more."""
        for call in calls:
            place = call.stamp.start_ns, id(call)
            for key in keys_of(call):
                entries = self._by_key.get(key, [])
                index = bisect_left(entries, place)
                if entries[index : index + 1] == [(*place, group)]:
                    del entries[index]
                    if not entries:
                        del self._by_key[key]

    def candidates(self, call: Call, latest: G | None, limit: int) -> Iterator[tuple[int, list[G]]]:
        """The groups that share something with a call, one kind of link after the other.

        The strongest first, each with the most that `rank_by_hand` gives for it; about `limit` for
        each, those that began last before the call was logged. `latest`: see `Undecided`.
        """
        keys = dict(keys_of(call))
        yield 2 * _BY_ID, self._around(call, ("id", keys.get("id")), limit)
        yield 4, self._around(call, ("trace", keys.get("trace")), limit)
        owned = self._around(call, ("owner", keys["owner"]), limit)
        if latest is not None and latest in owned:
            yield 2, [latest]
        yield 1, owned
        yield 1, self._around(call, ("usage", keys["usage"]), limit)

    def _around(self, call: Call, key: Key, limit: int) -> list[G]:
        entries = self._by_key.get(key, [])
        index = bisect_left(entries, (call.stamp.start_ns + 1,))
        # A few that began later: clocks are read one after the other.
        span = entries[max(index - limit, 0) : index + limit // 8]
        return [group for *_, group in reversed(span)]


@dataclass(slots=True)
class Undecided(Generic[G]):
    """A call logged by hand, of which spans may still tell.

    `awaits` are those that were open when it was read; `latest` is the call that its thread and
    task made last, before it was logged.
    """

    call: Call
    since: float
    awaits: list[Stamp]
    latest: G | None
    fresh: bool = True

    def waits(self, rank: Rank, *, more: bool) -> bool:
        """Whether a span is still to come that may be linked as strongly as what was found.

        `more`: some have ended that were not read yet; those before this one are read next.
        """
        fresh, self.fresh = self.fresh, False
        self.awaits = [stamp for stamp in self.awaits if not stamp.read]
        return (fresh and more) or any(promise(s, self.call) >= rank[0] for s in self.awaits)


def promise(stamp: Stamp, hand: Call) -> int:
    """How strongly an open span would be linked to a call logged by hand; 0: it cannot be."""
    if not stamp.client or stamp.start_ns > hand.stamp.start_ns:
        return 0
    return _kinship(hand.stamp, stamp, latest=True) or int(hand.usage_key is not None)


def rank_by_hand(hand: Call, spans: list[Call], *, latest: bool) -> Rank:
    """How strongly a call logged by hand is linked to the call of some spans.

    `latest`: their thread and task told of no other call since.
    """
    ours = hand.facts.response_id
    theirs = next((s.facts.response_id for s in spans if s.facts.response_id), None)
    ids_known = ours is not None and theirs is not None
    if ids_known and ours != theirs:
        return NOT_LINKED
    theirs_key = next((key for span in spans if (key := span.usage_key)), None)
    keys_known = hand.usage_key is not None and theirs_key is not None
    equal = keys_known and hand.usage_key == theirs_key
    if not ids_known and not (equal if keys_known else _same_end(hand, spans)):
        return NOT_LINKED
    link = max(_link(hand, span, alike=equal, latest=latest) for span in spans)
    if not link and not ids_known:
        return NOT_LINKED
    distance = min(abs(hand.stamp.start_ns - span.end_ns) for span in spans)
    return _BY_ID * ids_known + link, 2 * equal + (not keys_known), -distance


def _same_end(hand: Call, spans: list[Call]) -> bool:
    """Whether a call of whose usage one account says nothing can be the other's call.

    A call that was refused used nothing: whoever logs one that went well means another.
    """
    if all(span.facts.usage is None for span in spans) and any(s.facts.unmetered for s in spans):
        return True
    failed = all(span.facts.error_type is not None for span in spans)
    return failed == (hand.facts.error_type is not None)


def _link(hand: Call, span: Call, *, alike: bool, latest: bool) -> int:
    """What ties the two: see _kinship; 1 usage alone."""
    if not _in_time(hand, span) or not same_model(hand, span):
        return 0
    used = hand.usage_key is not None and any(hand.usage_key)
    return _kinship(hand.stamp, span.stamp, latest=latest) or int(alike and used)


def _kinship(one: Stamp, two: Stamp, *, latest: bool) -> int:
    """4 trace, thread and task; 3 trace; 2 thread and task; 1 these, but with calls in between."""
    owned = one.owner == two.owner
    if one.trace_id == two.trace_id != 0:
        return 4 if owned and latest else 3
    return (2 if latest else 1) if owned else 0


def _in_time(hand: Call, span: Call) -> bool:
    """Whether it was logged when the request had gone out, and not too long after the end."""
    moment = hand.stamp.start_ns
    earliest, latest = span.stamp.start_ns - _TOLERANCE_NS, span.end_ns + _LATEST_NS
    return earliest <= moment <= latest
