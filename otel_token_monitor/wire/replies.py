"""What is read of a response's body while it passes: its usage, its id, and how much text came.

A body is JSON, or a stream of server-sent events; its first bytes tell, for content types are
missing or wrong now and then. Nothing is kept of it but what `Reply` has, and, until it is whole,
a body or an event that is being received.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Final

import msgspec

__all__ = ["MAX_BUFFERED", "Reply", "ReplyReader", "read_whole"]

MAX_BUFFERED: Final = 64 * 1024 * 1024
"""Of a body, or an event, that is larger than this (bytes), the usage is not read."""

# A second, slower reader takes what the fast one refuses (NaN, UTF-16), up to this size (bytes).
_MAX_SLOW: Final = 1024 * 1024
# What is larger is no usage; and it would be kept until it is in the ledger.
_MAX_USAGE: Final = 64 * 1024
_TOO_LARGE: Final = b'"too large"'

_EVENT_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
_LONGEST_FIELD: Final = max(map(len, _EVENT_FIELDS))
_SPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"

_TERMINAL: Final = frozenset(
    {
        "response.cancelled",
        "response.completed",
        "response.failed",
        "response.incomplete",
    }
)
_DONE: Final = b"[DONE]"
# What the client raises at an event that has an error.
_CLIENTS_ERROR: Final = "APIError"
# Steps tell their share of the usage that their run tells in the end.
_STEP: Final = "thread.run.step"


class _Kind(Enum):
    """What a body is; OTHER is neither JSON nor events: speech, a file."""

    UNKNOWN = "unknown"
    JSON = "json"
    EVENTS = "events"
    OTHER = "other"


_NOTHING: Final = msgspec.Raw()
_NULL: Final = msgspec.Raw(b"null")


class _Body(msgspec.Struct):
    """Of a whole body, and of what some events carry: the rest is skipped unread.

    So is the usage: it is a piece of the body, to be read where there is time.
    """

    id: Any = None
    model: Any = None
    object: Any = None
    status: Any = None
    usage: msgspec.Raw = _NOTHING


class _Delta(msgspec.Struct):
    content: Any = None
    refusal: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    tool_calls: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: Any = None
    finish_reason: Any = None


class _Event(_Body):
    type: Any = None
    error: Any = None
    choices: list[_Choice] | None = None
    delta: Any = None
    response: _Body | None = None


class _OddEvent(_Body):
    """An event whose other fields are not of the types that they should be."""

    type: Any = None
    error: Any = None


_whole = msgspec.json.Decoder(_Body)
_event = msgspec.json.Decoder(_Event)
_odd_event = msgspec.json.Decoder(_OddEvent)


class Reply:
    """What a body has told so far.

    `usage` is the JSON that the server sent, unchecked; `final`: nothing that comes can change it.
    `error` is what the client raises at one of its events, and ends it. `text_bytes` is the size of
    the text that streamed, in UTF-8.
    """

    __slots__ = (
        "error",
        "final",
        "is_list",
        "model",
        "response_id",
        "status",
        "text_bytes",
        "usage",
    )

    def __init__(self) -> None:
        self.usage: bytes | None = None
        self.response_id: str | None = None
        self.model: str | None = None
        self.status: str | None = None
        self.is_list = False
        self.final = False
        self.error: str | None = None
        self.text_bytes = 0

    def note(self, body: _Body) -> bool:
        """Take over what a body, or the part of an event that stands for one, says.

        Whether it has a usage.
        """
        if isinstance(body.id, str) and body.id:
            self.response_id = body.id
        if isinstance(body.model, str) and body.model:
            self.model = body.model
        if isinstance(body.status, str):
            self.status = body.status
        usage = body.usage
        if not usage or usage == _NULL:
            return False
        # A copy: the piece would keep the whole body.
        self.usage = bytes(usage) if len(usage) <= _MAX_USAGE else _TOO_LARGE
        return True

    def note_whole(self, body: _Body) -> None:
        """Take over what a body says that came alone."""
        self.note(body)
        self.is_list = body.object == "list"
        self.final = True


def read_whole(content: bytes) -> Reply:
    """What a whole body says, if it is JSON or events; else an empty reply."""
    if content[:1] == b"{" and len(content) <= MAX_BUFFERED:
        # Nearly always: the long way round costs more than all the rest.
        reply = Reply()
        body = _decoded(content, _whole)
        if body is not None:
            reply.note_whole(body)
        return reply
    reader = ReplyReader()
    reader.feed(content)
    reader.end()
    return reader.reply


class ReplyReader:
    """Reads a body as its bytes come by. Nothing that they hold raises anything."""

    __slots__ = ("_after_cr", "_data", "_data_size", "_kind", "_parts", "_size", "reply")

    def __init__(self) -> None:
        self.reply = Reply()
        self._parts: list[bytes] = []
        self._size = 0
        # The lines of the event that is being received, and are its data.
        self._data: list[bytes] = []
        self._data_size = 0
        # Whether the last byte was a CR: an LF that follows belongs to it.
        self._after_cr = False
        self._kind = _Kind.UNKNOWN

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        kind = self._kind
        if kind is _Kind.EVENTS:
            self._feed_events(chunk)
        elif kind is _Kind.JSON:
            self._keep(chunk)
        elif kind is _Kind.UNKNOWN:
            self._feed_first(chunk)

    def end(self) -> None:
        """Take in that nothing more comes."""
        rest = b"".join(self._parts)
        self._parts = []
        if self._kind is _Kind.EVENTS:
            if rest[:5] == b"data:":
                self._note_data(rest)
            self._end_event()
        elif self._kind is _Kind.JSON and rest:
            body = _decoded(rest, _whole)
            if body is not None:
                self.reply.note_whole(body)
        self._kind = _Kind.OTHER

    def _feed_first(self, chunk: bytes) -> None:
        """Find out what kind of body it is."""
        begun = b"".join((*self._parts, chunk))
        start = begun.removeprefix(_BOM).lstrip(_SPACE)
        self._parts = []
        if start[:1] == b"{":
            self._kind = _Kind.JSON
        elif start.startswith(_EVENT_FIELDS):
            self._kind = _Kind.EVENTS
        elif len(start) < _LONGEST_FIELD:
            # One space stands for any: servers send them for minutes, to keep a connection.
            self._parts = [begun if begun == _BOM[: len(begun)] else b" " + start]
            return
        else:
            self._kind = _Kind.OTHER
        self.feed(start)

    def _feed_events(self, chunk: bytes) -> None:
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in chunk:
            self._keep(chunk)
            return
        *lines, rest = chunk.split(b"\n")
        if self._parts:
            lines[0] = b"".join((*self._parts, lines[0]))
            self._parts = []
        self._size = 0
        for line in lines:
            if line[:5] == b"data:":
                self._note_data(line)
            elif not line and self._data_size:
                self._end_event()
        if rest:
            self._keep(rest)

    def _keep(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= MAX_BUFFERED:
            self._parts.append(chunk)
        else:
            # Too large to be kept: what it would have told stays unknown.
            self._parts = []

    def _note_data(self, line: bytes) -> None:
        self._data_size += len(line)
        self._data.append(line[5:].lstrip(b" "))
        if self._data_size > MAX_BUFFERED:
            self._data = []

    def _end_event(self) -> None:
        data, self._data, self._data_size = self._data, [], 0
        if data:
            self._dispatch(data[0] if len(data) == 1 else b"\n".join(data))

    def _dispatch(self, data: bytes) -> None:
        reply = self.reply
        try:
            event = _event.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._dispatch_odd(data)
            return
        has_usage = _note_event(reply, event)
        if event.response is not None:
            reply.note(event.response)
        if event.choices is not None:
            if has_usage:
                # The usage comes beside no choice at all, or beside the end of one; what comes
                # beside each chunk, as from servers that count as they go, is not final.
                reply.final = not event.choices or any(
                    choice.finish_reason is not None for choice in event.choices
                )
            for choice in event.choices:
                reply.text_bytes += _text_bytes(choice)
        elif isinstance(event.delta, str) and "audio.delta" not in str(event.type):
            reply.text_bytes += _size_of(event.delta)

    def _dispatch_odd(self, data: bytes) -> None:
        """Take in what is no event as most are."""
        reply = self.reply
        if data.startswith(_DONE):
            reply.final = True
            return
        odd = _decoded(data, _odd_event)
        if odd is not None:
            _note_event(reply, odd)
        elif reply.error is None:
            reply.error = _error_at(data)


def _note_event(reply: Reply, event: _Event | _OddEvent) -> bool:
    """Take over what an event says; whether it has a usage."""
    kind = event.type
    if event.object == _STEP:
        return False
    if isinstance(kind, str) and kind.startswith("response."):
        # The id of an item may stand where a response's would; the response is within.
        event.id = None
    has_usage = reply.note(event)
    if isinstance(kind, str):
        ends = kind in _TERMINAL or has_usage
    else:
        ends = event.object == "thread.run" and has_usage
    reply.final = reply.final or ends
    if event.error and reply.error is None:
        reply.error = _CLIENTS_ERROR
    return has_usage


def _text_bytes(choice: _Choice) -> int:
    delta = choice.delta
    if delta is None:
        return _size_of(choice.text)
    size = _size_of(delta.content)
    if delta.tool_calls is not None:
        size += _size_within(delta.tool_calls)
    if delta.refusal is not None:
        size += _size_of(delta.refusal)
    if delta.reasoning_content is not None or delta.reasoning is not None:
        size += _size_of(delta.reasoning_content) or _size_of(delta.reasoning)
    return size


def _size_of(text: object) -> int:
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _size_within(calls: object) -> int:
    """The size of the names and arguments of calls of tools."""
    size = 0
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            size += _size_of(function.get("name")) + _size_of(function.get("arguments"))
    return size


def _error_at(data: bytes) -> str | None:
    """What the client raises where this is to be JSON; None if nothing."""
    if len(data) > _MAX_SLOW:
        return None
    try:
        json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        return type(error).__name__
    return None


def _decoded(data: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """A body or event; None if it is no JSON object."""
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if len(data) > _MAX_SLOW:
            return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    fields = decoder.type.__struct_fields__
    told = {name: found[name] for name in fields if name in found}
    if "usage" in told:
        told["usage"] = msgspec.Raw(json.dumps(told["usage"]).encode())
    return decoder.type(**told)
