"""The hot path: what happens in the user's own call, as little as possible."""

from __future__ import annotations

import logging
import time
import weakref
from asyncio import current_task
from asyncio.events import _get_running_loop
from collections import deque
from random import getrandbits
from threading import get_ident
from typing import TYPE_CHECKING, Final

from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import get_current_span

from otel_token_monitor.spans.observation import Observation
from otel_token_monitor.spans.sampling import RECORDED_FOR_US
from otel_token_monitor.spans.scopes import (
    MANUAL,
    MARKERS,
    WIRE,
    is_client_scope,
    is_llm_scope,
)
from otel_token_monitor.usage import UsageRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext

    from otel_token_monitor.spans.project import ProjectPolicy

__all__ = ["EndedSpan", "FrontDoor", "SpanQueue", "Stamp", "TokenSpanProcessor"]

_log = logging.getLogger("otel_token_monitor")

# How many scope names, and how many spans that have not ended, are remembered at most.
_MAX_SCOPES: Final = 4096
_MAX_OPEN: Final = 65536

# A span's id has 64 bits without a sign, a record's nonce has one.
_SIGN: Final = 1 << 63
# A record whose time is further from now than this was not made of a call that ended just now.
_LATE_NS: Final = 60_000_000_000


class _Watch(weakref.ref[Span]):
    """Tells when a span is collected, and which it was."""

    __slots__ = ("span_id",)

    span_id: int


class Stamp:
    """What must be noted when a span starts, while the context is still the caller's.

    `owner` is the thread and the asyncio task; `enclosing` the open span of a call to a model that
    this one is a child of. `attributes` outlive the span: a span that is collected without having
    ended still tells of a call.
    """

    __slots__ = (
        "attributes",
        "client",
        "enclosing",
        "name",
        "owner",
        "parent_id",
        "project",
        "read",
        "scope",
        "span_id",
        "start_ns",
        "trace_id",
        "watch",
    )

    attributes: Mapping[str, object]
    watch: _Watch

    def __init__(self, span: Span | ReadableSpan, scope: str, project: str) -> None:
        identity: SpanContext = span.context
        parent = span.parent
        self.scope = scope
        self.client = False
        self.project = project
        self.name = span.name
        self.span_id = identity.span_id
        self.trace_id = identity.trace_id
        self.parent_id = 0 if parent is None else parent.span_id
        self.start_ns = span.start_time or 0
        loop = _get_running_loop()
        self.owner = get_ident(), 0 if loop is None else id(current_task(loop))
        self.enclosing: Stamp | None = None
        # Set by the drain thread once it has read the span.
        self.read = False

    @classmethod
    def on_the_wire(cls, project: str, current: Context) -> Stamp:
        """The stamp of a request that OpenAI's client makes now, below the current span.

        It has an id of its own, and no trace where there is no span.
        """
        stamp = cls._without_span(WIRE, project, getrandbits(64) or 1, current)
        stamp.client = True
        stamp.start_ns = time.time_ns()
        stamp.read = False
        return stamp

    @classmethod
    def by_hand(cls, record: UsageRecord, now_ns: int) -> Stamp:
        """The stamp of a call that is logged by hand now, a child of the caller's current span.

        It starts when it is logged, or, where the record tells of an earlier time, then.
        """
        stamp = cls._without_span(MANUAL, record.labels.project, record.nonce + _SIGN)
        stamp.client = False
        late = abs(now_ns - record.time_ns) > _LATE_NS
        stamp.start_ns = record.time_ns if late else now_ns
        stamp.read = True
        return stamp

    @classmethod
    def _without_span(
        cls, scope: str, project: str, span_id: int, current: Context | None = None
    ) -> Stamp:
        """What stamps of calls have in common that are no spans: where the caller is."""
        stamp = cls.__new__(cls)
        caller = get_current_span(current).get_span_context()
        stamp.scope = scope
        stamp.project = project
        stamp.name = ""
        stamp.span_id = span_id
        stamp.trace_id = caller.trace_id
        stamp.parent_id = caller.span_id
        stamp.owner = _owner()
        stamp.enclosing = None
        return stamp


def _owner() -> tuple[int, int]:
    """The thread that this is, and its task of asyncio."""
    loop = _get_running_loop()
    return get_ident(), 0 if loop is None else id(current_task(loop))


EndedSpan = tuple[Stamp, ReadableSpan | UsageRecord | Observation | None]
"""A stamp and its span; None where the span was collected without having ended; the record of a
call that was logged by hand; what was observed of a call below the client."""


class SpanQueue:
    """Ended spans on their way to the drain thread, bounded; a full queue drops and counts."""

    def __init__(self, capacity: int, wake: Callable[[], None]) -> None:
        self._capacity = capacity
        self._wake = wake
        self._items: deque[EndedSpan] = deque()
        self.idle = True
        self.dropped = 0

    def put(self, item: EndedSpan) -> None:
        """Append; never waits. The garbage collector may call it, in the midst of anything."""
        items = self._items
        if len(items) >= self._capacity:
            self.dropped += 1
            return
        items.append(item)
        if self.idle:
            # Only the first span after a pause pays for waking the thread.
            self.idle = False
            self._wake()

    def __len__(self) -> int:
        return len(self._items)

    def take(self, limit: int | None = None) -> list[EndedSpan]:
        """What is in the queue now, oldest first; `limit` at most."""
        items = self._items
        length = len(items)
        return [items.popleft() for _ in range(length if limit is None else min(limit, length))]


class TokenSpanProcessor(SpanProcessor):
    """Stamps spans of calls to models when they start, and queues them when they end.

    OpenTelemetry's SDK does not catch what a processor raises: it would replace the user's own
    exception. So both hooks catch everything; this is the one boundary that does.
    """

    def __init__(self, queue: SpanQueue, policy: ProjectPolicy) -> None:
        self._queue = queue
        self.policy = policy
        self._scopes: dict[str, bool] = {}
        # When scopes were found to make calls to models: their spans in flight had no stamp.
        self._learned_ns: dict[str, int] = {}
        self._open: dict[int, Stamp] = {}
        self._on_collected = self._gone
        self._complained = False
        self.active = True
        self.hook_errors = 0

    def open_stamps(self) -> list[Stamp]:
        """The stamps of spans that have started and not ended."""
        return list(self._open.values())

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp the span, if its scope makes calls to models."""
        try:
            scope = span.instrumentation_scope
            if scope is None or not self.active:
                return
            name = scope.name
            known = self._scopes.get(name)
            if known is None:
                known = self._learn(name, is_llm_scope(name))
            if known:
                self._stamp(span, name, parent_context)
        except Exception:  # noqa: BLE001 - the boundary: see the class
            self.complain()

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, if it is a call to a model."""
        try:
            stamp = self._open.pop(span.context.span_id, None)
            if stamp is None:
                stamp = self._unannounced(span)
                if stamp is None:
                    return
            self._queue.put((stamp, span))
        except Exception:  # noqa: BLE001 - the boundary: see the class
            self.complain()

    def log(self, record: UsageRecord, now_ns: int) -> None:
        """Queue a call that the application logs by hand."""
        try:
            stamp = Stamp.by_hand(record, now_ns)
            stamp.enclosing = self._open.get(stamp.parent_id)
            self._queue.put((stamp, record))
        except Exception:  # noqa: BLE001 - the boundary: see the class
            self.complain()

    def announce(self) -> Stamp:
        """A stamp for a request that OpenAI's client makes now; whoever asks must end it."""
        current = context.get_current()
        stamp = Stamp.on_the_wire(self.policy.project_in(current), current)
        stamp.enclosing = self._open.get(stamp.parent_id)
        self._remember(stamp)
        return stamp

    def observe(self, stamp: Stamp, observation: Observation | None) -> None:
        """Queue what was observed of an announced request; None: it was no call to a model."""
        self._open.pop(stamp.span_id, None)
        if observation is None or not self.active:
            stamp.read = True
        else:
            self._queue.put((stamp, observation))

    def claims(self, span: Span) -> bool:
        """Whether the application's sampler dropped this span: then nobody else gets to see it."""
        try:
            attributes = span._attributes  # noqa: SLF001
            if not attributes or RECORDED_FOR_US not in getattr(attributes, "_dict", attributes):
                return False
            # The span itself knows who is told of its end.
            span._span_processor = self  # noqa: SLF001
        except Exception:  # noqa: BLE001 - the boundary: see the class
            self.complain()
            return False
        return True

    def shutdown(self) -> None:
        """Nothing: spans may still end after their provider was shut down, and they count."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's
        """Nothing: what is queued is written within the drain interval."""
        return True

    def reset_after_fork(self) -> None:
        """Forget the parent's open spans: it is the parent that will see them end."""
        self._open = {}

    def _stamp(self, span: Span, scope: str, parent_context: Context | None) -> None:
        current = context.get_current() if parent_context is None else parent_context
        stamp = Stamp(span, scope, self.policy.project_in(current))
        stamp.client = is_client_scope(scope)
        if stamp.parent_id:
            stamp.enclosing = self._open.get(stamp.parent_id)
        # The mapping itself, not a copy of now.
        stamp.attributes = span._attributes  # type: ignore[assignment]  # noqa: SLF001
        stamp.watch = watch = _Watch(span, self._on_collected)
        watch.span_id = stamp.span_id
        self._remember(stamp)

    def _remember(self, stamp: Stamp) -> None:
        if len(self._open) >= _MAX_OPEN:
            # Spans that never end, kept alive by someone: the oldest give way.
            self._open.pop(next(iter(self._open)), None)
        self._open[stamp.span_id] = stamp

    def _gone(self, watch: weakref.ref[Span]) -> None:
        """A span was collected that never ended: its call was abandoned, and still counts."""
        try:
            stamp = self._open.pop(watch.span_id, None)  # type: ignore[attr-defined]
            if stamp is not None and self.active:
                self._queue.put((stamp, None))
        except Exception:  # noqa: BLE001 - runs inside the garbage collector
            self.complain()

    def _unannounced(self, span: ReadableSpan) -> Stamp | None:
        """A stamp for a span of a scope that was not known to make calls to models; else None."""
        scope = span.instrumentation_scope
        if scope is None or not self.active:
            return None
        if self._scopes.get(scope.name) and (
            (span.start_time or 0) >= self._learned_ns.get(scope.name, 0)
        ):
            # It was announced, to the process that this one was forked from.
            return None
        attributes = span._attributes  # noqa: SLF001
        if not attributes or MARKERS.isdisjoint(getattr(attributes, "_dict", attributes)):
            return None
        self._learn(scope.name, is_llm=True)
        if scope.name in self._scopes:
            self._learned_ns.setdefault(scope.name, time.time_ns())
        return Stamp(span, scope.name, self.policy.project_in(context.get_current()))

    def _learn(self, scope: str, is_llm: bool) -> bool:  # noqa: FBT001
        if scope in self._scopes or len(self._scopes) < _MAX_SCOPES:
            self._scopes[scope] = is_llm
        return is_llm

    def complain(self) -> None:
        """Count a fault of ours that is being handled, and log the first."""
        self.hook_errors += 1
        if not self._complained:
            self._complained = True
            _log.exception("a hook of otel_token_monitor failed; the call itself is unharmed")


class FrontDoor(SpanProcessor):
    """Stands before a provider's own processors: our hooks run first, and for all spans once.

    Spans that the application's sampler dropped pass by here only: its own processors, which may
    ignore the sampled flag, see what they saw without us.
    """

    def __init__(self, ours: TokenSpanProcessor, theirs: SpanProcessor) -> None:
        self.ours = ours
        self.theirs = theirs

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Ours first; theirs only for what their sampler let through."""
        self.ours.on_start(span, parent_context)
        if not self.ours.claims(span):
            self.theirs.on_start(span, parent_context)

    def _on_ending(self, span: Span) -> None:
        self.theirs._on_ending(span)  # noqa: SLF001 - the SDK's own hook

    def on_end(self, span: ReadableSpan) -> None:
        """Ours first, whatever theirs may raise."""
        self.ours.on_end(span)
        self.theirs.on_end(span)

    def shutdown(self) -> None:
        """Theirs alone: spans may still end afterwards, and they count."""
        self.theirs.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Theirs alone: what we have queued is written within the drain interval."""
        return self.theirs.force_flush(timeout_millis)

    def __getattr__(self, name: str) -> object:
        """All else is the provider's own: `add_span_processor` foremost."""
        return getattr(self.theirs, name)
