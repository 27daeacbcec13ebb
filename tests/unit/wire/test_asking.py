"""What a caller gets of a stream whose usage was asked for on their behalf."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from otel_token_monitor.wire.asking import keep_back

CHUNK: dict[str, Any] = {
    "id": "c-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
EXTRA: dict[str, Any] = {**CHUNK, "choices": [], "usage": USAGE}


class Stream:
    """A stream, as far as its chunks go."""

    def __init__(self, *chunks: Any) -> None:
        self._iterator: Any = (chunk for chunk in chunks)


def kept(*chunks: Any) -> list[Any]:
    stream = Stream(*chunks)
    keep_back(stream, asynchronous=False)
    return list(stream._iterator)


def test_null_is_taken_off_a_chunk() -> None:
    (chunk,) = kept(ChatCompletionChunk.construct(**CHUNK, usage=None))

    assert chunk == ChatCompletionChunk.construct(**CHUNK)
    assert chunk.model_fields_set == set(CHUNK)


def test_null_is_taken_off_a_dict() -> None:
    assert kept({**CHUNK, "usage": None}) == [CHUNK]


def test_the_extra_chunk_is_kept_back() -> None:
    assert kept(CHUNK, EXTRA) == [CHUNK]
    assert kept(ChatCompletionChunk.construct(**EXTRA)) == []


def test_a_chunk_with_usage_beside_a_choice_is_given() -> None:
    chunk = {**CHUNK, "usage": USAGE}

    assert kept(chunk) == [chunk]


def test_a_chunk_without_a_choice_and_without_usage_is_given() -> None:
    chunk = {**CHUNK, "choices": []}

    assert kept({**chunk, "usage": None}) == [chunk]


@pytest.mark.parametrize("chunk", ["text", 7, None, [1], b"bytes"], ids=repr)
def test_a_chunk_that_is_none_is_given_as_it_is(chunk: object) -> None:
    assert kept(chunk) == [chunk]


def test_the_iterator_can_be_closed_as_before() -> None:
    stream = Stream(CHUNK, EXTRA)
    inner = stream._iterator
    keep_back(stream, asynchronous=False)
    stream._iterator.close()

    assert list(inner) == []


async def test_asynchronous_chunks_are_kept_back_alike() -> None:
    async def chunks() -> Any:
        for chunk in ({**CHUNK, "usage": None}, EXTRA):
            yield chunk

    stream = Stream()
    stream._iterator = chunks()
    keep_back(stream, asynchronous=True)

    assert [chunk async for chunk in stream._iterator] == [CHUNK]
