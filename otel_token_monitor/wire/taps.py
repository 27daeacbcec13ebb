"""Reading a response's body along with the caller, who notices nothing.

The response's own iterators are replaced on the object, until the body has been read: by iterators
that hand on what theirs give, at the moment when they give it, and raise what they raise. Whatever
ends first is the end: the last byte, an error, `close`, or the garbage collector, who finds what
was left behind.
"""

from __future__ import annotations

import time
import weakref
import zlib
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.wire.boundary import guarded
from otel_token_monitor.wire.replies import ReplyReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.wire.exchange import Exchange

__all__ = ["tap"]

# gzip or zlib, whichever it is.
_ANY_ZLIB: Final = zlib.MAX_WBITS | 32
_UNCODED: Final = frozenset({"", "identity"})

# A response that dies takes its own references along: who would then tell of its end?
_open: set[_Tap] = set()


def tap(exchange: Exchange, response: Any, *, asynchronous: bool) -> None:
    """Read a response's body along with its caller, and end the exchange when that ends."""
    reading = _Tap(exchange, response)
    _open.add(reading)
    # The response must not be in a cycle: it is collected as soon as nobody has it.
    reference = weakref.ref(response)
    kind = type(response)
    if asynchronous:
        replaced = {
            "aiter_bytes": _iterate(reading, reference, kind.aiter_bytes, _AsyncBytes),
            "aiter_raw": _iterate_raw(reading, reference, kind.aiter_raw, _AsyncBytes),
            "aclose": _close_async(reading, reference, kind.aclose),
        }
    else:
        replaced = {
            "iter_bytes": _iterate(reading, reference, kind.iter_bytes, _Bytes),
            "iter_raw": _iterate_raw(reading, reference, kind.iter_raw, _Bytes),
            "close": _close(reading, reference, kind.close),
        }
    vars(response).update(replaced)
    reading.replaced = tuple(replaced)


class _Tap:
    """What has been read of one body; observes its end."""

    __slots__ = ("_exchange", "_first_ns", "_inflate", "_reader", "_watch", "busy", "replaced")

    def __init__(self, exchange: Exchange, response: Any) -> None:
        self._exchange: Exchange | None = exchange
        self._reader = ReplyReader()
        self._first_ns: int | None = None
        self._inflate: Any = None
        self._watch = weakref.ref(response, self._gone)
        # While the response is asked for bytes: it closes itself then, and there is more to come.
        self.busy = False
        self.replaced: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the end has been observed."""
        return self._exchange is None

    def inflate(self, coding: str) -> None:
        """Expect bytes that are still compressed."""
        self._inflate = zlib.decompressobj(_ANY_ZLIB) if coding in {"gzip", "deflate"} else _Blind()

    @guarded
    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        if self._inflate is not None:
            try:
                chunk = self._inflate.decompress(chunk)
            except zlib.error:
                self._inflate = _Blind()
                return
        self._reader.feed(chunk)
        if self._first_ns is None and self._reader.reply.text_bytes:
            self._first_ns = time.time_ns()

    @guarded
    def end(self, *, complete: bool, error: BaseException | None = None) -> None:
        """Observe the end: `complete` if the last byte came."""
        exchange, self._exchange = self._exchange, None
        _open.discard(self)
        if exchange is None:
            return
        response = self._watch()
        del self._watch
        if response is not None:
            for name in self.replaced:
                vars(response).pop(name, None)
        reader = self._reader
        reader.end()
        first = None if self._first_ns is None else exchange.first_token_after(self._first_ns)
        exchange.streamed(reader.reply, complete=complete, error=error, first_token_ns=first)

    def closed(self) -> None:
        """Observe that the response was closed, unless it is being read."""
        if not self.busy:
            self.end(complete=False)

    def _gone(self, _: object) -> None:
        self.end(complete=False)


class _Blind:
    """Reads nothing of bytes in a coding that Python does not know."""

    def decompress(self, _: bytes) -> bytes:
        return b""


class _Bytes:
    """An iterator over bytes, which a tap reads along."""

    __slots__ = ("_inner", "_tap")

    def __init__(self, inner: Any, reading: _Tap) -> None:
        self._inner = inner
        self._tap = reading

    def __iter__(self) -> _Bytes:
        return self

    def __next__(self) -> bytes:
        reading = self._tap
        reading.busy = True
        try:
            chunk: bytes = next(self._inner)
        except StopIteration:
            reading.end(complete=True)
            raise
        except BaseException as error:
            reading.end(complete=False, error=error)
            raise
        finally:
            reading.busy = False
        reading.feed(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        """All else that a generator has, `close` foremost."""
        return getattr(self._inner, name)


class _AsyncBytes:
    """The same, asynchronous."""

    __slots__ = ("_inner", "_tap")

    def __init__(self, inner: Any, reading: _Tap) -> None:
        self._inner = inner
        self._tap = reading

    def __aiter__(self) -> _AsyncBytes:
        return self

    async def __anext__(self) -> bytes:
        reading = self._tap
        reading.busy = True
        try:
            chunk: bytes = await self._inner.__anext__()
        except StopAsyncIteration:
            reading.end(complete=True)
            raise
        except BaseException as error:
            reading.end(complete=False, error=error)
            raise
        finally:
            reading.busy = False
        reading.feed(chunk)
        return chunk

    def __getattr__(self, name: str) -> Any:
        """All else that an asynchronous generator has, `aclose` foremost."""
        return getattr(self._inner, name)


def _iterate(
    reading: _Tap, reference: weakref.ref[Any], method: Callable[..., Any], wrapper: type[Any]
) -> Callable[..., Any]:
    def iterate(chunk_size: int | None = None) -> Any:
        inner = method(reference(), chunk_size)
        return inner if reading.ended else wrapper(inner, reading)

    return iterate


def _iterate_raw(
    reading: _Tap, reference: weakref.ref[Any], method: Callable[..., Any], wrapper: type[Any]
) -> Callable[..., Any]:
    def iterate(chunk_size: int | None = None) -> Any:
        response: Any = reference()
        inner = method(response, chunk_size)
        if reading.ended or reading.busy:
            # The response itself asks, on behalf of its other iterator.
            return inner
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding not in _UNCODED:
            reading.inflate(coding)
        return wrapper(inner, reading)

    return iterate


def _close(
    reading: _Tap, reference: weakref.ref[Any], method: Callable[..., None]
) -> Callable[[], None]:
    def close() -> None:
        try:
            method(reference())
        finally:
            reading.closed()

    return close


def _close_async(
    reading: _Tap, reference: weakref.ref[Any], method: Callable[..., Any]
) -> Callable[[], Any]:
    async def aclose() -> None:
        try:
            await method(reference())
        finally:
            reading.closed()

    return aclose
