"""What is read of a body while it passes: the same in any pieces, and never a fault."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.dialects.bodies import parsed_usage, usage_in_body
from otel_token_monitor.dialects.tokens import ReadUsage
from otel_token_monitor.wire import replies
from otel_token_monitor.wire.replies import ReplyReader, read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_token_monitor.wire.replies import Reply

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
CHAT = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5-mini", "usage": USAGE}
DELTA = {"id": "c-1", "model": "m", "choices": [{"index": 0, "delta": {"content": "håj"}}]}
LAST = {"id": "c-1", "model": "m", "choices": [], "usage": USAGE}
COMPLETED = {
    "type": "response.completed",
    "response": {"id": "resp_1", "model": "m", "status": "completed", "usage": USAGE},
}


def usage_in(reply: Reply) -> object:
    return None if reply.usage is None else parsed_usage(reply.usage)


def said(reply: Reply) -> dict[str, Any]:
    return {name: getattr(reply, name) for name in reply.__slots__} | {"usage": usage_in(reply)}


def read(pieces: Iterable[bytes]) -> dict[str, Any]:
    reader = ReplyReader()
    for piece in pieces:
        reader.feed(piece)
    reader.end()
    return said(reader.reply)


def events(*bodies: object, end: str = "\n", before: str = "") -> bytes:
    """A stream of these events, whose lines end so, each with `before` in front."""
    lines = "".join(f"{before}data: {json.dumps(body)}{end}{end}" for body in bodies)
    return (lines + f"data: [DONE]{end}{end}").encode()


def indented(body: object, end: str) -> bytes:
    """An event whose data has many lines."""
    lines = json.dumps(body, indent=1, ensure_ascii=False).split("\n")
    return "".join(f"data: {line}{end}" for line in lines).encode() + end.encode()


BODIES = {
    "json": json.dumps(CHAT).encode(),
    "json after a BOM": b"\xef\xbb\xbf" + json.dumps(CHAT).encode(),
    "json after white space": b"\n \r\n\t" + json.dumps(CHAT, indent=2).encode(),
    "json after a BOM after white space": b" \xef\xbb\xbf" + json.dumps(CHAT).encode(),
    "json after two BOMs": b"\xef\xbb\xbf\xef\xbb\xbf" + json.dumps(CHAT).encode(),
    "cut json": json.dumps(CHAT).encode()[:-3],
    "neither": b"ID3\x04\x00 some sound {",
    "a list": b'[{"usage": {"prompt_tokens": 1}}]',
    "empty": b"",
    "LF": events(DELTA, LAST),
    "CRLF": events(DELTA, LAST, end="\r\n"),
    "CR": events(DELTA, LAST, end="\r"),
    "comments": events(DELTA, LAST, before=": keep-alive\n\n"),
    "names": events(DELTA, COMPLETED, before="event: response.completed\nid: 7\n"),
    "a BOM": b"\xef\xbb\xbf" + events(DELTA, LAST),
    "many lines, LF": indented(DELTA, "\n") + indented(LAST, "\n"),
    "many lines, CRLF": indented(DELTA, "\r\n") + indented(LAST, "\r\n"),
    "many lines, CR": indented(DELTA, "\r") + indented(LAST, "\r"),
    "cut": events(DELTA, LAST)[:-40],
    "without a last empty line": events(DELTA, LAST).rstrip(),
    "no data": b": one\n\n: two\n\nevent: three\n\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_says_the_same_wherever_it_is_split(body: bytes) -> None:
    whole = said(read_whole(body))

    for place in range(len(body) + 1):
        assert read([body[:place], body[place:]]) == whole


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_says_the_same_byte_by_byte(body: bytes) -> None:
    assert read(bytes([byte]) for byte in body) == said(read_whole(body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_says_the_same_with_empty_pieces_between(body: bytes) -> None:
    pieces = [piece for byte in body for piece in (bytes([byte]), b"")]

    assert read([b"", *pieces]) == said(read_whole(body))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_lines_end_in_three_ways(end: str) -> None:
    assert read([events(DELTA, LAST, end=end)]) == {
        "usage": USAGE,
        "response_id": "c-1",
        "model": "m",
        "status": None,
        "is_list": False,
        "final": True,
        "error": None,
        "text_bytes": 4,
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_the_data_of_an_event_may_have_many_lines(end: str) -> None:
    reply = read_whole(indented(DELTA, end) + indented(LAST, end))

    assert (usage_in(reply), reply.text_bytes) == (USAGE, 4)


def test_white_space_for_minutes_before_a_body_is_not_kept() -> None:
    reader = ReplyReader()

    tracemalloc.start()
    for _ in range(10_000):
        reader.feed(b"\n" * 100)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.feed(BODIES["json"])
    reader.end()

    assert usage_in(reader.reply) == USAGE
    assert most < 100_000


def test_an_event_that_never_ends_takes_no_more_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replies, "MAX_BUFFERED", 10_000)
    reader = ReplyReader()

    tracemalloc.start()
    for _ in range(10_000):
        reader.feed(b'data: "and so on, and so forth"\n')
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 100_000


def test_what_follows_an_event_beyond_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MAX_BUFFERED", 1000)
    reader = ReplyReader()
    for _ in range(100):
        reader.feed(b'data: "and so on, and so forth"\n')
    reader.feed(b"\n")
    reader.feed(events(LAST))
    reader.end()

    assert usage_in(reader.reply) == USAGE


def test_what_follows_a_line_beyond_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MAX_BUFFERED", 1000)
    reader = ReplyReader()
    reader.feed(b"data: ")
    for _ in range(100):
        reader.feed(b"and so on, and so forth")
    reader.feed(b"\n\n")
    reader.feed(events(LAST))
    reader.end()

    assert usage_in(reader.reply) == USAGE


def test_a_body_beyond_the_limit_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "MAX_BUFFERED", 1000)
    reader = ReplyReader()
    for piece in (b'{"usage": {"prompt_tokens": 3}, "text": "', *[b"x" * 100] * 20, b'"}'):
        reader.feed(piece)
    reader.end()

    assert reader.reply.usage is None


def test_text_in_a_body_with_lone_surrogates_hides_no_usage() -> None:
    reply = read_whole(b'{"model": "m", "text": "\\ud800", "usage": {"a": 1}}')

    assert usage_in(reply) == {"a": 1}


def test_nan_in_a_body_hides_no_usage() -> None:
    reply = read_whole(b'{"score": NaN, "usage": {"prompt_tokens": 3}}')

    assert usage_in(reply) == {"prompt_tokens": 3}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_is_too_large_to_be_a_usage_is_not_kept(streamed: bool) -> None:
    body = {"model": "m", "usage": {"prompt_tokens": 3, "note": "x" * 100_000}}
    reply = read_whole(events(body) if streamed else json.dumps(body).encode())

    assert reply.usage is not None
    assert len(reply.usage) < 100
    assert usage_in_body(usage_in(reply)) == ReadUsage(None, invalid=True)


def test_an_error_among_the_events_is_told() -> None:
    assert read_whole(events(DELTA, {"error": {"message": "overloaded"}})).error == "APIError"


@pytest.mark.parametrize(
    ("data", "error"), [(b"{", "JSONDecodeError"), (b'{"id": "\xff"}', "UnicodeDecodeError")]
)
def test_an_event_that_cannot_be_parsed_is_an_error(data: bytes, error: str) -> None:
    assert read_whole(events(DELTA) + b"data: " + data + b"\n\n").error == error


@pytest.mark.parametrize("data", [b"[1]", b"7", b'{"id": NaN}'], ids=repr)
def test_an_event_that_is_odd_is_no_error(data: bytes) -> None:
    assert read_whole(b"data: " + data + b"\n\n" + events(LAST)).error is None


@pytest.mark.parametrize("error", [None, "", {}], ids=repr)
def test_an_error_that_is_none_is_no_error(error: object) -> None:
    assert read_whole(events({**DELTA, "error": error}, LAST)).error is None


def test_the_error_within_a_response_is_none_of_the_stream() -> None:
    failed = {"status": "failed", "error": {"code": "server_error"}, "id": "resp_1"}

    assert read_whole(events({"type": "response.failed", "response": failed})).error is None


def test_a_body_in_utf_16_says_its_usage() -> None:
    assert usage_in(read_whole(json.dumps(CHAT).encode("utf-16-le"))) == USAGE


@pytest.mark.parametrize("coding", ["utf-16", "utf-32", "cp500"])
def test_a_body_in_an_encoding_that_is_not_known_says_nothing(coding: str) -> None:
    assert read_whole(json.dumps(CHAT).encode(coding)).usage is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NAMES = ("id", "model", "object", "status", "usage", "type", "choices", "delta", "response")
ODD = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6)
PIECES = st.one_of(
    st.binary(max_size=20),
    ODD.map(json.dumps).map(str.encode),
    ODD.map(events),
    st.sampled_from((b"data:", b"data: ", b"\r", b"\n", b"\r\n", b"\n\n", b"[DONE]", b'{"', b"{")),
)


@given(st.lists(PIECES, max_size=12))
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    reply = read(pieces)

    assert isinstance(reply["text_bytes"], int)


@given(st.lists(PIECES, max_size=8), st.data())
def test_any_bytes_say_the_same_in_other_pieces(pieces: list[bytes], data: st.DataObject) -> None:
    body = b"".join(pieces)
    places = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    bounds = [0, *places, len(body)]
    other = [body[start:end] for start, end in itertools.pairwise(bounds)]

    assert repr(read(other)) == repr(said(read_whole(body)))


@given(ODD)
def test_odd_values_in_a_body_come_with_the_types_that_are_promised(body: dict[str, Any]) -> None:
    for reply in (read_whole(json.dumps(body).encode()), read_whole(events(body))):
        assert isinstance(reply.model, str | None)
        assert isinstance(reply.response_id, str | None)
        assert isinstance(reply.status, str | None)


@pytest.mark.parametrize(
    "number", ["-1", "1.5", "NaN", "Infinity", "1" + "0" * 30, "1e400", "9" * 5000, '"7"', "[[1]]"]
)
def test_odd_numbers_raise_nothing(number: str) -> None:
    body = f'{{"usage": {{"prompt_tokens": {number}}}}}'.encode()

    for whole in (body, b"data: " + body + b"\n\n"):
        usage_in_body(usage_in(read_whole(whole)))


@pytest.mark.parametrize("opening", [b"[", b'{"usage":', b'{"choices":[{"delta":'])
def test_a_nest_without_a_ground_raises_nothing(opening: bytes) -> None:
    body = b'{"usage": ' + opening * 100_000

    assert read_whole(body).usage is None
    assert read_whole(b"data: " + body + b"\n\n").usage is None


def test_a_stream_of_10_mb_is_read_in_little_memory() -> None:
    piece = events(DELTA).partition(b"data: [DONE]")[0] * 500
    reader = ReplyReader()

    tracemalloc.start()
    for _ in range(10_000_000 // len(piece)):
        reader.feed(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 1_000_000
