"""What a scripted server sends: chats and responses as they should be, and as they should not."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from typing import TYPE_CHECKING, Any

from tests.integration.applications.scripted import CLOSE, chunked, head, sse, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.integration.applications.scripted import Part, Script

__all__ = ["CHAT", "NEVER", "SCRIPTS", "USAGE", "chat_events"]

Json = dict[str, Any]

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
CHAT: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-mini",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "message": {"role": "assistant", "content": '{"name": "håj"}'},
        }
    ],
    "usage": USAGE,
    "made_up": {"by": ["the", "server"]},
}
CHUNK: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-5-mini",
}
RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-mini",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
}
DONE = b"data: [DONE]\n\n"
NEVER = threading.Event()
"""What a server waits for that does not answer."""


def chat_events(request: Json) -> list[Json]:
    """The events of a streamed chat, with usage if it is asked for."""
    asks = (request.get("stream_options") or {}).get("include_usage")
    more: Json = {"usage": None} if asks else {}
    deltas: list[Json] = [
        {"role": "assistant", "content": ""},
        {"content": '{"name": '},
        {"content": '"håj"}'},
        {},
    ]
    ends: list[str | None] = [*[None] * (len(deltas) - 1), "stop"]
    choices: list[Json] = [
        {"index": 0, "delta": delta, "finish_reason": end}
        for delta, end in zip(deltas, ends, strict=True)
    ]
    events: list[Json] = [{**CHUNK, "choices": [choice], **more} for choice in choices]
    return [*events, {**CHUNK, "choices": [], "usage": USAGE}] if asks else events


def response_events() -> list[Json]:
    """The events of a streamed response."""
    where: Json = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item: Json = RESPONSE["output"][0]
    part: Json = item["content"][0]
    begun = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    added = {**item, "status": "in_progress", "content": []}
    said: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": added},
        {"type": "response.content_part.added", **where, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **where, "delta": "Hello", "logprobs": []},
        {"type": "response.output_text.done", **where, "text": "Hello", "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": RESPONSE},
    ]
    return [{"sequence_number": number, **event} for number, event in enumerate(said)]


def _bytes_of(events: Iterable[Json], end: str = "\n", indent: int | None = None) -> bytes:
    """Events as a body whose lines end so."""
    texts = [json.dumps(event, indent=indent, ensure_ascii=False) for event in events]
    lines = [line for text in (*texts, "[DONE]") for line in (*text.split("\n"), "")]
    return "".join(f"data: {line}{end}" if line else end for line in lines).encode()


def _in_pieces(content: bytes, **headers: str | None) -> list[Part]:
    """A stream in pieces that end anywhere."""
    given = {"content_type": "text/event-stream", "transfer_encoding": "chunked", **headers}
    pieces = [chunked(content[at : at + 37]) for at in range(0, len(content), 37)]
    return [head(200, **given), *pieces, chunked(b"")]


def _chat(request: Json) -> Iterable[Part]:
    return sse(*chat_events(request), DONE) if request.get("stream") else [whole(CHAT)]


def _response(request: Json) -> Iterable[Part]:
    return sse(*response_events()) if request.get("stream") else [whole(RESPONSE)]


def _always(*parts: Part) -> Script:
    return lambda _request: parts


def _stream(**how: Any) -> Script:
    """A streamed chat whose lines are written so."""
    return lambda request: _in_pieces(_bytes_of(chat_events(request), **how))


def _coded(coding: str, code: Callable[[bytes], bytes]) -> Script:
    """A chat, whole or streamed, in a content coding."""

    def script(request: Json) -> Iterable[Part]:
        if request.get("stream"):
            content = code(_bytes_of(chat_events(request)))
            return _in_pieces(content, content_encoding=coding)
        return [whole(code(json.dumps(CHAT).encode()), content_encoding=coding)]

    return script


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def _cut(request: Json) -> Iterable[Part]:
    """A chat that ends too early."""
    if request.get("stream"):
        return [*list(_chat(request))[:3], CLOSE]
    return [whole(CHAT)[:-10], CLOSE]


def _refused(status: int, **headers: str | None) -> Script:
    body = {"error": {"message": "no", "type": "made_up", "param": None, "code": "c"}}
    return _always(whole(body, status, **headers))


def _with(usage: object) -> Script:
    """A chat whose usage is something."""

    def script(request: Json) -> Iterable[Part]:
        if not request.get("stream"):
            return [whole({**CHAT, "usage": usage})]
        *events, last = chat_events(request)
        return sse(*events, {**last, "usage": usage} if "usage" in last else last, DONE)

    return script


_MALFORMED = b'{"id": "chatcmpl-1", "choices": [}'
_FIRST = chat_events({})[0]

ODD_USAGES: dict[str, object] = {
    "text": "many",
    "a list": [11, 7],
    "a number": 11,
    "empty": {},
    "texts": {"prompt_tokens": "eleven", "completion_tokens": "seven"},
    "lists": {"prompt_tokens": [11], "completion_tokens": [7]},
    "negative": {"prompt_tokens": -11, "completion_tokens": -7},
    "fractions": {"prompt_tokens": 11.5, "completion_tokens": 7.25},
    "NaN": {"prompt_tokens": float("nan"), "completion_tokens": float("inf")},
    "huge": {"prompt_tokens": 10**30, "completion_tokens": 10**30},
    "nested": {"prompt_tokens": {"n": {"n": [11]}}, "completion_tokens": {"n": 7}},
    "details": {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": ["x", {}]},
}

SCRIPTS: dict[str, Script] = {
    "chat": _chat,
    "response": _response,
    "cut by limit": _always(
        whole({**CHAT, "choices": [{**CHAT["choices"][0], "finish_reason": "length"}]})
    ),
    "refused": _refused(400),
    "busy": _refused(429, retry_after_ms="1"),
    "silent": _always(NEVER),
    "at once": lambda request: [b"".join(part for part in _chat(request) if type(part) is bytes)],
    "silent after three": lambda request: [*list(_chat(request))[:4], NEVER],
    "silent midway": lambda request: [*list(_chat(request))[:2], NEVER],
    "closed at once": _always(CLOSE),
    "cut": _cut,
    "longer than it says": lambda _request: [
        whole(CHAT).replace(b"content-length: ", b"content-length: 9"),
        CLOSE,
    ],
    "html": _always(whole(b"<html>busy</html>", 503, content_type="text/html")),
    "html for an answer": _always(whole(b"<html>hi</html>", content_type="text/html")),
    "malformed": lambda request: (
        sse(_FIRST, b"data: {malformed\n\n", DONE) if request.get("stream") else [whole(_MALFORMED)]
    ),
    "empty": _always(whole(b"")),
    "no content": _always(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "a list": _always(whole([CHAT])),
    "latin-1": _always(whole(json.dumps(CHAT, ensure_ascii=False).encode("latin-1", "replace"))),
    "utf-16": _always(whole(json.dumps(CHAT).encode("utf-16"))),
    "surrogates": _always(whole(json.dumps(CHAT).replace("gpt-5-mini", "\\ud800").encode())),
    "NUL": _always(whole({**CHAT, "model": "\x00", "id": "\x00"})),
    "long names": _always(whole({**CHAT, "model": "m" * 10**6, "id": "i" * 10**6})),
    "an error in the stream": _always(*sse(_FIRST, {"error": {"message": "broken", "code": 7}})),
    "broken text in the stream": _always(*sse(_FIRST, b'data: {"id": "\xff\xfe"}\n\n', DONE)),
    "without content type": lambda request: (
        _in_pieces(_bytes_of(chat_events(request)), content_type=None)
        if request.get("stream")
        else [whole(CHAT, content_type=None)]
    ),
    "without length": _always(head(connection="close") + json.dumps(CHAT).encode(), CLOSE),
    "gzip": _coded("gzip", _gzip),
    "deflate": _coded("deflate", zlib.compress),
    "raw deflate": _coded("deflate", _raw_deflate),
    "gzip twice": _coded("gzip, gzip", lambda content: _gzip(_gzip(content))),
    "gzip in name only": _coded("gzip", bytes),
    "br in name only": _coded("br", bytes),
    "made-up coding": _coded("made-up", bytes),
    "cut gzip": _coded("gzip", lambda content: _gzip(content)[:-12]),
    "CR": _stream(end="\r"),
    "CRLF": _stream(end="\r\n"),
    "many lines": _stream(end="\r\n", indent=1),
    "a BOM": lambda request: _in_pieces(b"\xef\xbb\xbf" + _bytes_of(chat_events(request))),
    "comments": lambda request: sse(
        b": begin\n\n",
        *(part for event in chat_events(request) for part in (b": keep-alive\n\n", event)),
        DONE,
    ),
    "white space": _always(
        head(transfer_encoding="chunked"),
        *[chunked(b"\n")] * 20,
        chunked(json.dumps(CHAT).encode()),
        chunked(b""),
    ),
    **{f"usage: {name}": _with(usage) for name, usage in ODD_USAGES.items()},
}
