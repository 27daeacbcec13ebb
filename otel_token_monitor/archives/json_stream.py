"""Reading a JSON document of any size: one object with arrays of flat objects, piece by piece.

An array that has an element a line, as an export writes it, is read many lines at a time; of any
other layout, each element is found first.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

import msgspec

from otel_token_monitor.archives.errors import COPY, CUT_OFF
from otel_token_monitor.archives.rows import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_token_monitor.archives.errors import Broken

__all__ = ["ARRAY", "Batch", "JsonStream"]

T = TypeVar("T")

_BLOCK: Final = 64 * 1024
_MAX_ELEMENT: Final = 64 * 1024
_MAX_SPACE: Final = 1024 * 1024
_ELEMENTS: Final = 500

_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_WHOLE_STRING: Final = re.compile(_STRING, re.DOTALL)
_SCALAR: Final = re.compile(rb'[^\s,:{}\[\]"]+')
# Up to where a flat object ends, or goes on beyond what was read, or is not flat.
_INSIDE: Final = re.compile(rb'\{(?:[^"{}\[\]]++|' + _STRING + rb")*+", re.DOTALL)


class Batch(Generic[T]):
    """Elements of an array, each with its line; `printable`: whether all texts certainly are."""

    __slots__ = ("lines", "printable", "rows")

    def __init__(self, rows: list[T], lines: Sequence[int], *, printable: bool) -> None:
        self.rows = rows
        self.lines = lines
        self.printable = printable


ARRAY: Final = object()
"""In place of the value of a member that is an array: read it with `batches`."""


class JsonStream:
    """Reads from a file; `broken` makes the error that is raised of a line."""

    def __init__(self, file: IO[bytes], broken: Broken) -> None:
        self._file = file
        self._broken = broken
        self._buffer = b""
        self._position = 0
        self._ended = False
        self._by_line = True
        self.line = 1
        """The line that is being read."""

    def members(self) -> Iterator[tuple[str, Any]]:
        """The members of the document's object: name and value, which may be ARRAY."""
        self._expect(b"{", "a document {…}")
        if self._accept(b"}"):
            return
        while True:
            name = self._decoded(self._token())
            if not isinstance(name, str):
                raise self._broken(self.line, f"here must stand a name in quotes, not {name!r}")
            self._expect(b":", "a colon")
            yield name, ARRAY if self._next() == b"[" else self._decoded(self._token())
            if self._accept(b"}"):
                return
            self._expect(b",", "a comma or }")

    def end(self) -> None:
        """Refuse whatever is left."""
        if self._next():
            raise self._broken(self.line, "the file goes on after the document's end")

    def batches(self, decoder: msgspec.json.Decoder[list[T]]) -> Iterator[Batch[T]]:
        """The elements of the array that comes next; the decoder takes many of them."""
        self._expect(b"[", "an array […]")
        if self._accept(b"]"):
            return
        while True:
            yield self._whole_lines(decoder) or self._elements(decoder)
            if self._accept(b"]"):
                return
            self._expect(b",", "a comma or ]")
            self._next()

    def _whole_lines(self, decoder: msgspec.json.Decoder[list[T]]) -> Batch[T] | None:
        """The elements of many lines, each of which has one; None if they don't."""
        if not self._by_line:
            return None
        self._fill(_BLOCK)
        buffer, start = self._buffer, self._position
        # A single byte is found ten times faster than two, and there is seldom one in a name.
        end = buffer.find(b"\n]", start) if buffer.find(b"]", start) >= 0 else -1
        end = buffer.rfind(b"\n", start) if end < 0 else end
        content = buffer[start : max(end, start)].rstrip(b" \t\r\n")
        content = content.removesuffix(b",").rstrip(b" \t\r\n")
        number = content.count(b"\n") + 1
        try:
            rows = decoder.decode(b"[%b]" % content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            rows = []
        if len(rows) != number:
            self._by_line = False
            return None
        lines = range(self.line, self.line + number)
        self._position += len(content)
        self.line += number - 1
        return Batch(rows, lines, printable=_is_plain(content))

    def _elements(self, decoder: msgspec.json.Decoder[list[T]]) -> Batch[T]:
        """Elements wherever they stand."""
        texts: list[bytes] = []
        lines: list[int] = []
        while True:
            self._next()
            lines.append(self.line)
            texts.append(self._object())
            if len(texts) == _ELEMENTS or self._next() != b",":
                break
            self._position += 1
        try:
            rows = decoder.decode(b"[%b]" % b",".join(texts))
        except (msgspec.DecodeError, UnicodeDecodeError):
            rows = [self._row(decoder, text, line) for text, line in zip(texts, lines, strict=True)]
        return Batch(rows, lines, printable=False)

    def _row(self, decoder: msgspec.json.Decoder[list[T]], text: bytes, line: int) -> T:
        try:
            (row,) = decoder.decode(b"[%b]" % text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._broken(line, reason_of(error)) from error
        return row

    def _object(self) -> bytes:
        """The text of the flat object that begins here."""
        while True:
            inside = _INSIDE.match(self._buffer, self._position)
            if inside is None:
                self._refuse("an object {…}")
            end = inside.end()
            after = self._buffer[end : end + 1]
            if after == b"}":
                return self._taken(end + 1)
            if after and after != b'"':
                raise self._broken(self.line, "an object or an array within an object")
            self._need_more()

    def _token(self) -> bytes:
        """The text of the value that comes next, no array."""
        first = self._next()
        if first == b"{":
            return self._object()
        pattern = _WHOLE_STRING if first == b'"' else _SCALAR
        while True:
            found = pattern.match(self._buffer, self._position)
            if found is None and first != b'"':
                self._refuse("a value")
            # What ends with the buffer may go on.
            if found is not None and (first == b'"' or found.end() < len(self._buffer)):
                return self._taken(found.end())
            self._need_more()

    def _decoded(self, text: bytes) -> Any:
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._broken(self.line, reason_of(error)) from error

    def _taken(self, end: int) -> bytes:
        text = self._buffer[self._position : end]
        self._position = end
        self.line += text.count(b"\n")
        return text

    def _next(self) -> bytes:
        """The next byte that is no white space, which stays; empty at the end of the file."""
        skipped = 0
        while True:
            found = _SPACE.match(self._buffer, self._position)
            end = found.end() if found is not None else self._position
            skipped += end - self._position
            self.line += self._buffer.count(b"\n", self._position, end)
            self._position = end
            if skipped > _MAX_SPACE:
                raise self._broken(self.line, "more than 1 MiB of white space")
            if end < len(self._buffer) or not self._fill(1):
                return self._buffer[end : end + 1] if end < len(self._buffer) else b""

    def _accept(self, byte: bytes) -> bool:
        if self._next() != byte:
            return False
        self._position += 1
        return True

    def _expect(self, byte: bytes, wanted: str) -> None:
        if not self._accept(byte):
            self._refuse(wanted)

    def _refuse(self, wanted: str) -> NoReturn:
        found = self._buffer[self._position : self._position + 1]
        if not found:
            raise self._broken(self.line, CUT_OFF, COPY)
        raise self._broken(self.line, f"here must stand {wanted}, not {_shown(found)}")

    def _need_more(self) -> None:
        """Read on in an element, which has an end."""
        if len(self._buffer) - self._position > _MAX_ELEMENT:
            raise self._broken(self.line, "an element of more than 64 KiB")
        if not self._fill(len(self._buffer) - self._position + 1):
            raise self._broken(self.line, CUT_OFF, COPY)

    def _fill(self, wanted: int) -> bool:
        """Have that many bytes ahead; False if there are no more."""
        while len(self._buffer) - self._position < wanted and not self._ended:
            block = self._file.read(_BLOCK)
            self._ended = not block
            self._buffer = self._buffer[self._position :] + block
            self._position = 0
        return len(self._buffer) - self._position >= wanted


def _is_plain(text: bytes) -> bool:
    """Whether all strings in it are printable, at a glance: it may be that they are if not."""
    return text.isascii() and b"\\" not in text and b"\x7f" not in text


def _shown(byte: bytes) -> str:
    return repr(byte.decode("ascii", "backslashreplace"))
