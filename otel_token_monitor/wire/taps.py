"""Reading a response's body along with the caller, who notices nothing.

What a client's response reads from is bound to it by one object, which hands on what an inner
stream gives. That inner one is replaced: by a stream that hands on the same, at the same moment,
and raises what it raises. The response itself stays as it was: it is collected, copied and pickled
as ever. Whatever ends first is the end: the last byte, an error, `close`, or the garbage collector,
who finds what was left behind.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.wire.boundary import guarded
from otel_token_monitor.wire.replies import ReplyReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from otel_token_monitor.wire.exchange import Exchange

__all__ = ["tap"]

# Bytes are read so many at once: a reader that runs at each chunk runs at its slowest each time,
# for what the caller does in between has taken its place in the processor's caches.
_AT_ONCE: Final = 16 * 1024


def tap(exchange: Exchange, response: Any) -> bool:
    """Read a response's body along with its caller, and end the exchange when that ends.

    Whether it could: False for a response that no client of httpx or httpx2 made.
    """
    bound = response.stream
    if not hasattr(bound, "_stream"):
        return False
    bound._stream = _Tap(exchange, bound._stream, _decoder_of(response))  # noqa: SLF001 - httpx's
    return True


class _Tap:
    """A stream of bytes that hands on another's, and reads them; observes its end."""

    def __init__(self, exchange: Exchange, inner: Any, decoder: Any) -> None:
        self._exchange: Exchange | None = exchange
        self._inner = inner
        self._decoder = decoder
        self._reader = ReplyReader()
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._first_ns: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._feed(chunk)
                yield chunk
        except BaseException as error:
            self._end(error)
            raise
        self._end(None, complete=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        inner = self._inner.__aiter__()
        try:
            async for chunk in inner:
                self._feed(chunk)
                yield chunk
        except BaseException as error:
            self._end(error)
            raise
        finally:
            if isinstance(inner, AsyncGenerator):
                await inner.aclose()
        self._end(None, complete=True)

    def close(self) -> None:
        """Give the connection back."""
        try:
            self._inner.close()
        finally:
            self._end(None)

    async def aclose(self) -> None:
        """Give the connection back."""
        try:
            await self._inner.aclose()
        finally:
            self._end(None)

    def __getattr__(self, name: str) -> Any:
        """All else that the stream has."""
        return getattr(self._inner, name)

    def __del__(self) -> None:
        self._end(None)

    def _feed(self, chunk: bytes) -> None:
        """Take in the next bytes: up to the first text as they come, later many at once."""
        self._waiting.append(chunk)
        self._waiting_size += len(chunk)
        if self._first_ns is None or self._waiting_size >= _AT_ONCE:
            self._read()

    @guarded
    def _read(self) -> None:
        chunk = b"".join(self._waiting)
        self._waiting = []
        self._waiting_size = 0
        if self._exchange is None:
            return
        reader = self._reader
        if self._decoder is None:
            reader.feed(chunk)
        else:
            for plain in self._decoded(chunk):
                reader.feed(plain)
        if self._first_ns is None and reader.reply.text_bytes:
            self._first_ns = time.time_ns()

    def _decoded(self, chunk: bytes) -> Iterable[bytes]:
        try:
            plain = self._decoder.decode(chunk)
            # One does it at once, the other bit by bit.
            yield from (plain,) if isinstance(plain, bytes) else plain
        except Exception:  # noqa: BLE001 - the caller's own decoder says so to them, if they decode
            self._decoder = _Blind()

    @guarded
    def _end(self, error: BaseException | None, *, complete: bool = False) -> None:
        self._read()
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        reader = self._reader
        reader.end()
        first = None if self._first_ns is None else exchange.first_token_after(self._first_ns)
        if isinstance(error, GeneratorExit):
            # The caller reads no further, which is no error.
            error = None
        exchange.replied(reader.reply, complete=complete, error=error, first_token_ns=first)


class _Blind:
    """Reads nothing of bytes that are not in the coding that they should be in."""

    @staticmethod
    def decode(_: bytes) -> bytes:
        return b""


def _decoder_of(response: Any) -> Any:
    """A decoder of the body's bytes; None if they are as they should be."""
    if "content-encoding" not in response.headers:
        return None
    try:
        decoder = response._get_content_decoder()  # noqa: SLF001 - httpx's
        # The response is to make another when it reads: they remember what came.
        del response._decoder  # noqa: SLF001 - httpx's
    except AttributeError:
        return _Blind()
    return decoder
