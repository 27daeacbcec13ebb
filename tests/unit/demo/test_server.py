"""The demo server as the real openai client sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from otel_token_monitor.demo.server import DemoServer

Client = Any
"""An openai client, whose answers are too wide unions for tests that know what they asked."""

HELLO = [{"role": "user", "content": "Hello"}]


class Answer(BaseModel):
    """What is asked for as structured output: a property of each simple type."""

    city: str
    count: int
    share: float
    sure: bool


def test_chat_usage_follows_from_the_request(client: Client) -> None:
    usage = client.chat.completions.create(model="gpt-5-mini", messages=HELLO).usage
    # "Hello": 2 tokens, 4 for its message, 3 for the reply; "You said: Hello": 4, 64 of reasoning
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (9, 68, 77)
    assert usage.completion_tokens_details.reasoning_tokens == 64


def test_half_of_a_long_prompt_is_cached(client: Client) -> None:
    messages = [{"role": "user", "content": "x" * 8192}]
    usage = client.chat.completions.create(model="gpt-4o", messages=messages).usage
    assert usage.prompt_tokens_details.cached_tokens == 1024


def test_a_model_gets_its_date(client: Client) -> None:
    made = client.chat.completions.create(model="gpt-5-mini", messages=HELLO)
    assert made.model == "gpt-5-mini-2025-08-07"


def test_n_choices(client: Client) -> None:
    made = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    assert [choice.index for choice in made.choices] == [0, 1, 2]


def test_tools_are_called(client: Client) -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    made = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[tool])
    assert made.choices[0].message.tool_calls[0].function.arguments == '{"a": 1}'


def test_chat_answers_in_the_asked_schema(client: Client) -> None:
    made = client.chat.completions.parse(model="m", messages=HELLO, response_format=Answer)
    assert made.choices[0].message.parsed == Answer(city="demo", count=1, share=1.5, sure=True)


def test_responses_answer_in_the_asked_schema(client: Client) -> None:
    made = client.responses.parse(model="m", input="Hello", text_format=Answer)
    assert made.output_parsed == Answer(city="demo", count=1, share=1.5, sure=True)


def test_a_small_limit_cuts_parsing_short(client: Client) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="m", messages=HELLO, response_format=Answer, max_completion_tokens=16
        )


def test_a_stream_ends_in_its_usage(client: Client) -> None:
    options = {"include_usage": True}
    *first, last = client.chat.completions.create(
        model="m", messages=HELLO, stream=True, stream_options=options
    )
    assert {chunk.usage for chunk in first} == {None}
    assert (last.choices, last.usage.total_tokens) == ([], 13)


def test_a_stream_carries_no_usage_unasked(client: Client) -> None:
    chunks = client.chat.completions.create(model="m", messages=HELLO, stream=True)
    assert {chunk.usage for chunk in chunks} == {None}


def streamed(client: Client, **arguments: Any) -> list[Any]:
    """The data of a streamed chat's chunks, as they were sent."""
    raw = client.chat.completions.with_raw_response.create(
        model="m", messages=HELLO, stream=True, **arguments
    )
    lines = raw.http_response.read().decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def test_a_stream_without_usage_has_no_place_for_it(client: Client) -> None:
    assert [chunk for chunk in streamed(client) if "usage" in chunk] == []


def test_a_stream_with_usage_has_null_before(client: Client) -> None:
    chunks = streamed(client, stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 5


def test_usage_in_each_chunk_grows_to_the_whole(client: Client) -> None:
    chunks = streamed(client, extra_headers={"x-demo-usage-each": "1"})
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [0, 1, 2, 3, 4]


def test_usage_in_each_chunk_is_repeated_without_choices(client: Client) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    *_, before, last = streamed(client, stream_options=options)
    assert (last["choices"], last["usage"]) == ([], before["usage"])


def test_streamed_chat_adds_up(client: Client) -> None:
    with client.chat.completions.stream(model="m", messages=HELLO) as stream:
        assert stream.get_final_completion().choices[0].message.content == "You said: Hello"


def test_streamed_tool_calls_add_up(client: Client) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}
    with client.chat.completions.stream(model="m", messages=HELLO, tools=[tool]) as stream:
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("f", "{}")


def test_text_completion(client: Client) -> None:
    made = client.completions.create(model="m", prompt="Hello")
    assert (made.choices[0].text, made.usage.total_tokens) == ("You said: Hello", 6)


def test_streamed_text_completion_adds_up(client: Client) -> None:
    chunks = client.completions.create(model="m", prompt="Hello", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "You said: Hello"


def test_embeddings_of_two_inputs(client: Client) -> None:
    made = client.embeddings.create(model="m", input=["Hello", "you"], dimensions=2)
    assert [item.embedding for item in made.data] == [[1.0, 0.0], [1.0, 0.0]]
    assert made.usage.total_tokens == 3


def test_response_events_come_in_order(client: Client) -> None:
    events = list(client.responses.create(model="m", input="Hello", stream=True))
    kinds = [event.type.removeprefix("response.") for event in events]
    opening = ["created", "in_progress", "output_item.added", "content_part.added"]
    deltas = ["output_text.delta"] * 3
    closing = ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert kinds == [*opening, *deltas, *closing]
    assert events[-1].response.usage.total_tokens == 13


def test_streamed_response_adds_up(client: Client) -> None:
    with client.responses.stream(model="m", input="Hello") as stream:
        assert stream.get_final_response().output_text == "You said: Hello"


def test_a_response_under_a_small_limit_is_incomplete(client: Client) -> None:
    made = client.responses.create(model="gpt-5", input="Hello", max_output_tokens=16)
    assert (made.status, made.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert made.usage.output_tokens == 16


def test_a_response_can_be_retrieved(client: Client) -> None:
    made = client.responses.create(model="m", input="Hello")
    assert client.responses.retrieve(made.id) == made


def test_an_unknown_response_is_not_found(client: Client) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_unknown")


def test_a_background_response_completes_later(client: Client) -> None:
    made = client.responses.create(model="m", input="Hello", background=True)
    later = client.responses.retrieve(made.id)
    assert (made.status, made.usage) == ("queued", None)
    assert (later.status, later.usage.total_tokens) == ("completed", 13)


def test_usage_is_replaced(client: Client) -> None:
    given = {"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15, "cost": 0.5}
    headers = {"x-demo-usage": json.dumps(given)}
    made = client.chat.completions.create(model="m", messages=HELLO, extra_headers=headers)
    assert made.usage.to_dict() == given


def test_usage_is_left_out(client: Client) -> None:
    headers = {"x-demo-usage": "none"}
    made = client.embeddings.with_raw_response.create(
        model="m", input="Hello", extra_headers=headers
    )
    assert "usage" not in made.http_response.json()


def test_usage_that_is_no_object_is_refused(client: Client) -> None:
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="m", input="a", extra_headers={"x-demo-usage": "[]"})


def test_the_id_is_forced(client: Client) -> None:
    headers = {"x-demo-id": "chatcmpl-1"}
    made = client.chat.completions.create(model="m", messages=HELLO, extra_headers=headers)
    assert made.id == "chatcmpl-1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("400", openai.BadRequestError),
        ("401", openai.AuthenticationError),
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
    ],
)
def test_errors(client: Client, status: str, expected: type[openai.APIStatusError]) -> None:
    with pytest.raises(expected):
        client.responses.create(model="m", input="a", extra_headers={"x-demo-status": status})


def test_requests_fail_until_retried_enough(server: DemoServer, client: Client) -> None:
    headers = {"x-demo-fail-times": "2", "x-demo-key": "retried"}
    before = server.requests
    client.with_options(max_retries=2).responses.create(model="m", input="a", extra_headers=headers)
    assert server.requests - before == 3


def test_the_answer_is_delayed(client: Client) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.responses.create(
            model="m", input="a", timeout=0.05, extra_headers={"x-demo-delay": "5"}
        )


def test_a_stream_is_cut_after_its_chunks(client: Client) -> None:
    headers = {"x-demo-cut-after": "2"}
    stream = client.chat.completions.create(
        model="m", messages=HELLO, stream=True, extra_headers=headers
    )
    seen = []
    with pytest.raises(openai.APIConnectionError):
        seen.extend(stream)
    assert len(seen) == 2


def test_the_connection_is_cut_before_the_headers(client: Client) -> None:
    with pytest.raises(openai.APIConnectionError):
        client.responses.create(model="m", input="a", extra_headers={"x-demo-cut-after": "0"})


def test_azure(server: DemoServer) -> None:
    endpoint = server.base_url.removesuffix("/v1")
    azure: Client = openai.AzureOpenAI(azure_endpoint=endpoint, api_key="k", api_version="1")
    with azure:
        assert azure.chat.completions.create(model="m", messages=HELLO).model == "m"


@pytest.mark.parametrize("prefix", ["/api/v1", "/openai/v1"])
def test_other_prefixes(server: DemoServer, client: Client, prefix: str) -> None:
    base_url = server.base_url.removesuffix("/v1") + prefix
    other = client.with_options(base_url=base_url)
    assert other.chat.completions.create(model="m", messages=HELLO).usage.total_tokens == 13


def test_the_async_client(server: DemoServer) -> None:
    async def total() -> object:
        client: Client = openai.AsyncOpenAI(base_url=server.base_url, api_key="k")
        async with client:
            stream = await client.responses.create(model="m", input="Hello", stream=True)
            return [event async for event in stream][-1].response.usage.total_tokens

    assert asyncio.run(total()) == 13


def test_the_connection_is_kept_alive(client: Client) -> None:
    ports = set()
    for _ in range(2):
        raw = client.embeddings.with_raw_response.create(model="m", input="a")
        stream = raw.http_response.extensions["network_stream"]
        ports.add(stream.get_extra_info("client_addr"))
    assert len(ports) == 1


def test_a_stopped_server_has_no_address() -> None:
    server = DemoServer().start()
    server.stop()
    with pytest.raises(RuntimeError):
        _ = server.base_url
