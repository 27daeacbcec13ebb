"""Bodies that are not as they should be, or not as they usually are: ``x-demo-body``."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from starlette.responses import Response

__all__ = ["HUGE_BYTES", "Form"]

HUGE_BYTES: Final = 20_000_000

# What is written before all other fields, and so before the usage.
_FIELDS: Final[dict[str, Callable[[], bytes]]] = {
    "huge": lambda: b'"padding": "' + b"x" * HUGE_BYTES + b'", ',
    "latin1": lambda: b'"note": "caf\xe9", ',
    "nan": lambda: b'"score": NaN, ',
}
_ALTERED: Final = frozenset({"array", "malformed", *_FIELDS})
# How zlib is told the format.
_ENCODINGS: Final = {"deflate": zlib.MAX_WBITS, "gzip": zlib.MAX_WBITS | 16}
_NAMES: Final = frozenset({"no-content-type", *_ENCODINGS, *_ALTERED})


class Form:
    """What `x-demo-body` asks for: some of the names above, separated by commas.

    Raises ValueError for another name.
    """

    def __init__(self, control: str | None) -> None:
        self._names = [name.strip() for name in control.split(",")] if control else []
        strangers = set(self._names) - _NAMES
        if strangers:
            raise ValueError(f"x-demo-body must be of {sorted(_NAMES)}")
        self._encoding = next((name for name in self._names if name in _ENCODINGS), None)

    def shape(self, response: Response) -> None:
        """Bring a response into this form; of one that streams, its headers only."""
        if self._encoding is not None:
            response.headers["content-encoding"] = self._encoding
        if "no-content-type" in self._names and "content-type" in response.headers:
            del response.headers["content-type"]
        if hasattr(response, "body"):
            encoder = self._encoder()
            whole = self._altered(bytes(response.body))
            response.body = whole if encoder is None else encoder.compress(whole) + encoder.flush()
            response.headers["content-length"] = str(len(response.body))

    def events(self, chunks: Iterable[str]) -> Iterator[bytes]:
        """The events of a stream; the last one that has JSON is altered."""
        made = [chunk.encode() for chunk in chunks]
        last = max((n for n, chunk in enumerate(made) if b"data: {" in chunk), default=-1)
        for number, chunk in enumerate(made):
            head, data, end = chunk.partition(b"data: ")
            if number == last:
                yield head + data + self._altered(end.rstrip(b"\n")) + b"\n\n"
            else:
                yield chunk

    async def sent(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks of a stream as they are sent: each can be read when it has arrived."""
        encoder = self._encoder()
        async for chunk in chunks:
            if encoder is None:
                yield chunk
            else:
                yield encoder.compress(chunk) + encoder.flush(zlib.Z_SYNC_FLUSH)
        if encoder is not None:
            yield encoder.flush()

    def _encoder(self) -> zlib._Compress | None:
        if self._encoding is None:
            return None
        return zlib.compressobj(wbits=_ENCODINGS[self._encoding])

    def _altered(self, body: bytes) -> bytes:
        for name in self._names:
            if name in _FIELDS:
                body = body.replace(b"{", b"{" + _FIELDS[name](), 1)
            elif name == "array":
                body = b"[" + body + b"]"
            elif name == "malformed":
                body = body[: len(body) // 2]
        return body
