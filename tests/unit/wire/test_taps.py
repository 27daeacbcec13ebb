"""Reading a body along: the response and its chunks stay as they were."""

from __future__ import annotations

import pickle
import weakref
from typing import TYPE_CHECKING, cast

import httpx2
import pytest
from openai._models import FinalRequestOptions

from otel_token_monitor.dialects.bodies import parsed_usage
from otel_token_monitor.spans.observation import Observation
from otel_token_monitor.spans.processor import SpanQueue, TokenSpanProcessor
from otel_token_monitor.spans.project import ProjectPolicy
from otel_token_monitor.wire.exchange import Exchange
from otel_token_monitor.wire.taps import tap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


EVENTS = [
    b'data: {"choices": [{"delta": {"content": "four"}}]}\n\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": 3}}\n\n',
    b"data: [DONE]\n\n",
]


class BrokenError(Exception):
    """What goes wrong on the way."""


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Chunks, one after the other; and whether somebody closed it."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks
        self.given = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in EVENTS[:1] if self.breaks else EVENTS:
            self.given += 1
            yield chunk
        if self.breaks:
            raise BrokenError

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


class Seen:
    """An exchange, and what is observed of it."""

    def __init__(self) -> None:
        self._queue = SpanQueue(10, lambda: None)
        processor = TokenSpanProcessor(self._queue, ProjectPolicy("default"))
        options = FinalRequestOptions(method="post", url="/chat/completions", json_data={})
        self.exchange = Exchange(processor, httpx2.URL("http://a.test/v1"), options, streams=True)

    @property
    def ends(self) -> list[tuple[object, str | None, str | None]]:
        """Usage, reason and error."""
        seen = [item for _, item in self._queue.take() if isinstance(item, Observation)]
        return [
            (end.usage and parsed_usage(end.usage), end.unmetered, end.error_type) for end in seen
        ]


class Tapped:
    """A response of a client, read along."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.body = Body(breaks=breaks)
        self.seen = Seen()
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=self.body))
        client = httpx2.Client(transport=transport)
        request = client.build_request("GET", "http://a.test")
        self.response: httpx2.Response | None = client.send(request, stream=True)
        assert tap(self.seen.exchange, self.response)


USAGE = {"prompt_tokens": 3}


def test_chunks_are_handed_on_as_they_come() -> None:
    tapped = Tapped()
    assert tapped.response is not None
    chunks = tapped.response.iter_bytes()

    assert [(next(chunks), tapped.body.given) for _ in EVENTS] == list(
        zip(EVENTS, (1, 2, 3), strict=True)
    )


def test_nothing_is_read_before_its_caller_reads() -> None:
    assert Tapped().body.given == 0


def test_the_last_byte_is_the_end() -> None:
    tapped = Tapped()
    assert tapped.response is not None
    tapped.response.read()

    assert tapped.seen.ends == [(USAGE, None, None)]


def test_an_error_is_the_end_and_goes_on_to_the_caller() -> None:
    tapped = Tapped(breaks=True)
    assert tapped.response is not None
    with pytest.raises(BrokenError):
        tapped.response.read()

    assert tapped.seen.ends == [(None, "abandoned", "BrokenError")]


def test_close_is_the_end() -> None:
    tapped = Tapped()
    assert tapped.response is not None
    next(tapped.response.iter_bytes())
    tapped.response.close()

    assert tapped.seen.ends == [(None, "abandoned", None)]
    assert tapped.body.closed == 1


def test_a_response_that_is_left_dies_at_once_and_that_is_the_end() -> None:
    tapped = Tapped()
    watch = weakref.ref(cast("httpx2.Response", tapped.response))
    tapped.response = None

    assert watch() is None
    assert tapped.seen.ends == [(None, "abandoned", None)]


def test_who_has_a_method_of_a_response_has_its_body() -> None:
    tapped = Tapped()
    read = cast("httpx2.Response", tapped.response).iter_bytes
    tapped.response = None

    assert list(read()) == EVENTS
    assert tapped.seen.ends == [(USAGE, None, None)]


def test_a_response_is_pickled_before_it_is_read() -> None:
    response = pickle.loads(pickle.dumps(Tapped().response))  # noqa: S301 - our own

    assert response.status_code == 200


def test_a_response_that_no_client_made_is_left_as_it_is() -> None:
    seen = Seen()
    response = httpx2.Response(200, stream=Body())

    assert not tap(seen.exchange, response)
    assert response.read() == b"".join(EVENTS)
    assert seen.ends == []


async def test_asynchronous_chunks_are_handed_on_as_they_come() -> None:
    body, seen = Body(), Seen()
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, stream=body))
    async with httpx2.AsyncClient(transport=transport) as client:
        response = await client.send(client.build_request("GET", "http://a.test"), stream=True)
        tap(seen.exchange, response)
        came = [(chunk, body.given) async for chunk in response.aiter_bytes()]

    assert came == list(zip(EVENTS, (1, 2, 3), strict=True))
    assert seen.ends == [(USAGE, None, None)]
