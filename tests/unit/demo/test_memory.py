"""What the demo server remembers: background responses, streams to go on with, stored chats."""

from __future__ import annotations

from typing import Any

import openai
import pytest

Client = Any
"""An openai client, whose answers are too wide unions for tests that know what they asked."""

HELLO = [{"role": "user", "content": "Hello"}]


def background(client: Client, polls: int) -> Any:
    """A response in the background, as it was created."""
    return client.responses.create(
        model="m", input="Hello", background=True, extra_headers={"x-demo-polls": str(polls)}
    )


def test_a_background_response_is_in_progress_for_so_many_polls(client: Client) -> None:
    made = background(client, 2)
    polled = [client.responses.retrieve(made.id) for _ in range(4)]
    seen = [(later.status, later.usage and later.usage.total_tokens) for later in polled]
    assert seen == [("in_progress", None)] * 2 + [("completed", 13)] * 2


def test_a_background_response_is_cancelled(client: Client) -> None:
    made = background(client, 2)
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.retrieve(made.id).status == "cancelled"


def test_what_has_ended_is_not_cancelled(client: Client) -> None:
    made = background(client, 0)
    client.responses.retrieve(made.id)
    assert client.responses.cancel(made.id).usage.total_tokens == 13


def test_a_response_in_the_foreground_cannot_be_cancelled(client: Client) -> None:
    made = client.responses.create(model="m", input="Hello")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)


def test_an_unknown_response_cannot_be_cancelled(client: Client) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_unknown")


def test_a_stream_of_a_response_goes_on_after_an_event(client: Client) -> None:
    made = background(client, 2)
    events = list(client.responses.retrieve(made.id, stream=True, starting_after=8))
    assert [event.sequence_number for event in events] == [9, 10]
    assert events[-1].response.usage.total_tokens == 13


def batch(client: Client, polls: int) -> Any:
    return client.batches.create(
        input_file_id="file-1",
        endpoint="/v1/responses",
        completion_window="24h",
        extra_headers={"x-demo-polls": str(polls)},
    )


def test_a_batch_uses_nothing_before_it_is_completed(client: Client) -> None:
    made = batch(client, 1)
    polled = [made, *(client.batches.retrieve(made.id) for _ in range(3))]
    seen = [(later.status, later.model, later.usage.total_tokens) for later in polled]
    assert seen == [
        ("validating", None, 0),
        ("in_progress", None, 0),
        *[("completed", "gpt-5-mini-2025-08-07", 270)] * 2,
    ]


def test_batches_are_listed(client: Client) -> None:
    made = [batch(client, 1).id for _ in range(2)]
    assert [listed.id for listed in client.batches.list()][-2:] == made


def test_an_unknown_batch_is_not_found(client: Client) -> None:
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_unknown")


def test_stored_chats_are_listed(client: Client) -> None:
    made = client.chat.completions.create(model="m", messages=HELLO, store=True)
    listed = client.chat.completions.list().data
    assert [item.usage.total_tokens for item in listed if item.id == made.id] == [13]


def test_a_stored_chat_is_retrieved(client: Client) -> None:
    made = client.chat.completions.create(model="m", messages=HELLO, store=True)
    assert client.chat.completions.retrieve(made.id) == made


def test_a_chat_is_not_stored_unasked(client: Client) -> None:
    made = client.chat.completions.create(model="m", messages=HELLO)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)
