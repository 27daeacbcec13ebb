"""Bodies in odd forms, as they come from the demo server."""

from __future__ import annotations

import json
import math
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai
import pytest

if TYPE_CHECKING:
    from otel_token_monitor.demo.server import DemoServer

Client = Any
"""An openai client, whose answers are too wide unions for tests that know what they asked."""

HELLO = [{"role": "user", "content": "Hello"}]


def chat(client: Client, form: str, **arguments: object) -> Any:
    """The raw answer to a chat in some form."""
    return client.chat.completions.with_raw_response.create(
        model="m", messages=HELLO, extra_headers={"x-demo-body": form}, **arguments
    ).http_response


def stream(client: Client, form: str) -> Any:
    """The events of a chat in some form."""
    return client.chat.completions.create(
        model="m",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-demo-body": form},
    )


def test_half_of_a_malformed_body_is_missing(client: Client) -> None:
    whole = chat(client, "no-content-type").content
    assert len(chat(client, "malformed").content) == len(whole) // 2


def test_the_last_event_of_a_malformed_stream_is_none(client: Client) -> None:
    seen = []
    with pytest.raises(json.JSONDecodeError):
        seen.extend(stream(client, "malformed"))
    assert len(seen) == 5


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_is_compressed(client: Client, encoding: str) -> None:
    answer = chat(client, encoding)
    assert answer.headers["content-encoding"] == encoding
    assert answer.json()["usage"]["total_tokens"] == 13


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_stream_is_compressed(client: Client, encoding: str) -> None:
    events = stream(client, encoding)
    assert events.response.headers["content-encoding"] == encoding
    assert [event.usage for event in events][-1].total_tokens == 13


def test_each_chunk_of_a_compressed_stream_can_be_read_at_once(server: DemoServer) -> None:
    address = urlsplit(server.base_url)
    body = json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1",
        "host: localhost",
        f"content-length: {len(body)}",
        "x-demo-body: gzip",
        "x-demo-cut-after: 1",
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    # A block that is flushed ends so, whether or not more follows.
    assert b"\x00\x00\xff\xff" in received


def test_a_content_type_can_be_missing(client: Client) -> None:
    assert "content-type" not in chat(client, "no-content-type").headers


def test_a_stream_without_content_type(client: Client) -> None:
    assert "content-type" not in stream(client, "no-content-type").response.headers


def test_a_string_is_no_utf_8(client: Client) -> None:
    with pytest.raises(UnicodeDecodeError):
        chat(client, "latin1").content.decode()


def test_twenty_megabytes_come_before_the_usage(client: Client) -> None:
    content = chat(client, "huge").content
    assert content.index(b'"usage"') > 20_000_000


def test_twenty_megabytes_come_before_the_usage_of_a_stream(client: Client) -> None:
    *_, last = stream(client, "huge")
    assert (len(last.padding), last.usage.total_tokens) == (20_000_000, 13)


def test_a_body_is_an_array(client: Client) -> None:
    [body] = chat(client, "array").json()
    assert body["usage"]["total_tokens"] == 13


def test_a_number_is_none(client: Client) -> None:
    body = chat(client, "nan").json()
    assert math.isnan(body["score"])


def test_forms_come_together(client: Client) -> None:
    answer = chat(client, "gzip, no-content-type")
    assert (answer.headers["content-encoding"], "content-type" in answer.headers) == ("gzip", False)


def test_an_error_has_a_form_too(client: Client) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model="m",
            messages=HELLO,
            extra_headers={"x-demo-status": "500", "x-demo-body": "malformed"},
        )
    assert isinstance(caught.value.body, str | None)


def test_an_unknown_form_is_refused(client: Client) -> None:
    with pytest.raises(openai.BadRequestError, match="x-demo-body must be of"):
        chat(client, "round")
