"""An application that makes every kind of call there is, each as a project of its own."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any

import openai
from pydantic import BaseModel

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import (
    asked,
    complaints,
    report,
    scrape,
    switch_on,
)
from tests.integration.applications.client import BASES, REFUSING, Client, drive, http

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Json = dict[str, Any]
Answer = Any
"""What a call returned: something with a usage, a list of events with one among them, or None."""

MODEL = "gpt-5-mini"
MESSAGES = [{"role": "user", "content": "Hello there"}]
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    },
}


class City(BaseModel):
    """What is parsed into."""

    name: str
    people: int


class Run:
    """One call: the client, and the headers that steer the demo server."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    def asking(self, **controls: object) -> Json:
        """The request's headers, with more controls for the server."""
        named = {f"x-demo-{name.replace('_', '-')}": str(to) for name, to in controls.items()}
        return {"extra_headers": self.headers | named}

    async def chat(self, **arguments: Any) -> Answer:
        """A chat completion."""
        given = {"model": MODEL, "messages": MESSAGES, **self.asking(), **arguments}
        return await self.client.done(self.client.api.chat.completions.create(**given))

    async def responses(self, **arguments: Any) -> Answer:
        """A response."""
        given = {"model": MODEL, "input": "Hello there", **self.asking(), **arguments}
        return await self.client.done(self.client.api.responses.create(**given))

    async def completions(self, **arguments: Any) -> Answer:
        """A text completion."""
        given = {"model": "gpt-3.5-turbo-instruct", "prompt": "Hello", **self.asking(), **arguments}
        return await self.client.done(self.client.api.completions.create(**given))

    async def embeddings(self, **arguments: Any) -> Answer:
        """An embedding."""
        given = {"model": "text-embedding-3-small", "input": "Hello", **self.asking(), **arguments}
        return await self.client.done(self.client.api.embeddings.create(**given))

    async def read(self, stream: Any) -> Answer:
        """A stream, to its end."""
        return await self.client.read(stream)

    async def leave(self, stream: Any) -> None:
        """A stream, left midway and closed."""
        await self.client.read(stream, 3)
        await self.client.done(stream.close())

    async def forget(self, stream: Any) -> None:
        """A stream, left midway and left to the garbage collector."""
        await self.client.read(stream, 3)

    async def cancel(self, call: Awaitable[Any]) -> None:
        """A call, cancelled once the request is on its way."""
        task = asyncio.ensure_future(call)
        await self.client.sent.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        await task


Kind = "Callable[[Run], Awaitable[Answer]]"
CALLS: dict[str, Callable[[Run], Awaitable[Answer]]] = {}
ASYNC_ONLY = {"chat_cancelled", "chat_stream_cancelled", "responses_cancelled"}
LEFT_BEHIND = ("_forgotten", "_never_read", "_cancelled")
"""The ends of the names of calls that leave something to the garbage collector."""


def call(kind: Callable[[Run], Awaitable[Answer]]) -> Callable[[Run], Awaitable[Answer]]:
    """Enter a kind of call under its name."""
    CALLS[kind.__name__] = kind
    return kind


# Chat, whole.


@call
async def chat(run: Run) -> Answer:
    return await run.chat()


@call
async def chat_tools(run: Run) -> Answer:
    return await run.chat(tools=[TOOL])


@call
async def chat_two_choices(run: Run) -> Answer:
    return await run.chat(n=2)


@call
async def chat_cut_by_limit(run: Run) -> Answer:
    return await run.chat(max_completion_tokens=8)


@call
async def chat_parse(run: Run) -> Answer:
    given: Json = {"model": MODEL, "messages": MESSAGES, **run.asking()}
    completions = run.client.api.chat.completions
    return await run.client.done(completions.parse(response_format=City, **given))


@call
async def chat_parse_cut_by_limit(run: Run) -> Answer:
    given: Json = {"model": MODEL, "messages": MESSAGES, "max_completion_tokens": 8, **run.asking()}
    completions = run.client.api.chat.completions
    return await run.client.done(completions.parse(response_format=City, **given))


@call
async def chat_raw(run: Run) -> Answer:
    given: Json = {"model": MODEL, "messages": MESSAGES, **run.asking()}
    completions = run.client.api.chat.completions
    return (await run.client.done(completions.with_raw_response.create(**given))).parse()


@call
async def chat_raw_stream(run: Run) -> Answer:
    given: Json = {"model": MODEL, "messages": MESSAGES, **WITH_USAGE, **run.asking()}
    completions = run.client.api.chat.completions
    raw = await run.client.done(completions.with_raw_response.create(**given))
    return await run.read(raw.parse())


@call
async def chat_streaming_response(run: Run) -> Answer:
    given: Json = {"model": MODEL, "messages": MESSAGES, **run.asking()}
    completions = run.client.api.chat.completions

    async def parse(response: Any) -> Answer:
        return await run.client.done(response.parse())

    return await run.client.within(completions.with_streaming_response.create(**given), parse)


@call
async def chat_streaming_response_stream(run: Run) -> Answer:
    given: Json = {"model": MODEL, "messages": MESSAGES, **WITH_USAGE, **run.asking()}
    completions = run.client.api.chat.completions

    async def parse(response: Any) -> Answer:
        return await run.read(await run.client.done(response.parse()))

    return await run.client.within(completions.with_streaming_response.create(**given), parse)


@call
async def chat_without_usage(run: Run) -> Answer:
    return await run.chat(**run.asking(usage="none"))


# Chat, as a stream.


@call
async def chat_stream(run: Run) -> Answer:
    return await run.read(await run.chat(**WITH_USAGE))


@call
async def chat_stream_tools(run: Run) -> Answer:
    return await run.read(await run.chat(tools=[TOOL], **WITH_USAGE))


@call
async def chat_stream_two_choices(run: Run) -> Answer:
    return await run.read(await run.chat(n=2, **WITH_USAGE))


@call
async def chat_stream_within(run: Run) -> Answer:
    return await run.client.within(await run.chat(**WITH_USAGE), run.read)


@call
async def chat_stream_helper(run: Run) -> Answer:
    given: Json = {"model": MODEL, "messages": MESSAGES, **run.asking()}
    given["stream_options"] = {"include_usage": True}
    return await run.client.within(run.client.api.chat.completions.stream(**given), run.read)


@call
async def chat_stream_without_usage(run: Run) -> Answer:
    return await run.read(await run.chat(stream=True))


@call
async def chat_stream_left(run: Run) -> Answer:
    await run.leave(await run.chat(**WITH_USAGE))


@call
async def chat_stream_forgotten(run: Run) -> Answer:
    await run.forget(await run.chat(**WITH_USAGE))


@call
async def chat_stream_never_read(run: Run) -> Answer:
    await run.chat(**WITH_USAGE)


@call
async def chat_stream_left_in_error(run: Run) -> Answer:
    async def fail(stream: Any) -> Answer:
        await run.client.read(stream, 2)
        raise KeyError("the application's own")

    return await run.client.within(await run.chat(**WITH_USAGE), fail)


@call
async def chat_stream_lost(run: Run) -> Answer:
    return await run.read(await run.chat(**WITH_USAGE, **run.asking(cut_after=2)))


@call
async def chat_cancelled(run: Run) -> Answer:
    await run.cancel(run.chat(**run.asking(delay=1)))


@call
async def chat_stream_cancelled(run: Run) -> Answer:
    stream = await run.chat(**WITH_USAGE, **run.asking(chunk_delay=1))
    await run.cancel(run.client.read(stream))


# Text completions and embeddings.


@call
async def completions(run: Run) -> Answer:
    return await run.completions()


@call
async def completions_stream(run: Run) -> Answer:
    return await run.read(await run.completions(**WITH_USAGE))


@call
async def completions_stream_without_usage(run: Run) -> Answer:
    return await run.read(await run.completions(stream=True))


@call
async def embeddings(run: Run) -> Answer:
    return await run.embeddings()


@call
async def embeddings_raw(run: Run) -> Answer:
    embeddings = run.client.api.embeddings.with_raw_response
    given: Json = {"model": "text-embedding-3-small", "input": "Hello", **run.asking()}
    return (await run.client.done(embeddings.create(**given))).parse()


# Responses.


@call
async def responses(run: Run) -> Answer:
    return await run.responses()


@call
async def responses_parse(run: Run) -> Answer:
    given: Json = {"model": MODEL, "input": "Hello there", **run.asking()}
    return await run.client.done(run.client.api.responses.parse(text_format=City, **given))


@call
async def responses_raw(run: Run) -> Answer:
    given: Json = {"model": MODEL, "input": "Hello there", **run.asking()}
    raw = run.client.api.responses.with_raw_response
    return (await run.client.done(raw.create(**given))).parse()


@call
async def responses_raw_stream(run: Run) -> Answer:
    given: Json = {"model": MODEL, "input": "Hello there", "stream": True, **run.asking()}
    raw = run.client.api.responses.with_raw_response
    return await run.read((await run.client.done(raw.create(**given))).parse())


@call
async def responses_streaming_response(run: Run) -> Answer:
    given: Json = {"model": MODEL, "input": "Hello there", **run.asking()}
    streaming = run.client.api.responses.with_streaming_response

    async def parse(response: Any) -> Answer:
        return await run.client.done(response.parse())

    return await run.client.within(streaming.create(**given), parse)


@call
async def responses_incomplete(run: Run) -> Answer:
    return await run.responses(max_output_tokens=16)


@call
async def responses_stream(run: Run) -> Answer:
    return await run.read(await run.responses(stream=True))


@call
async def responses_stream_incomplete(run: Run) -> Answer:
    return await run.read(await run.responses(stream=True, max_output_tokens=16))


@call
async def responses_stream_helper(run: Run) -> Answer:
    given: Json = {"model": MODEL, "input": "Hello there", **run.asking()}
    return await run.client.within(run.client.api.responses.stream(**given), run.read)


@call
async def responses_stream_left(run: Run) -> Answer:
    await run.leave(await run.responses(stream=True))


@call
async def responses_stream_forgotten(run: Run) -> Answer:
    await run.forget(await run.responses(stream=True))


@call
async def responses_stream_lost(run: Run) -> Answer:
    return await run.read(await run.responses(stream=True, **run.asking(cut_after=5)))


@call
async def responses_retrieved_twice(run: Run) -> Answer:
    response = await run.responses()
    for _ in range(2):
        await run.client.done(run.client.api.responses.retrieve(response.id))
    return response


@call
async def responses_background(run: Run) -> Answer:
    response = await run.responses(background=True)
    for _ in range(2):
        response = await run.client.done(run.client.api.responses.retrieve(response.id))
    return response


@call
async def responses_cancelled(run: Run) -> Answer:
    await run.cancel(run.responses(**run.asking(delay=1)))


# What fails, and what fails at first.


@call
async def chat_error_400(run: Run) -> Answer:
    return await run.chat(**run.asking(status=400))


@call
async def chat_error_401(run: Run) -> Answer:
    return await run.chat(**run.asking(status=401))


@call
async def chat_error_429(run: Run) -> Answer:
    return await run.chat(**run.asking(status=429))


@call
async def chat_error_500(run: Run) -> Answer:
    return await run.chat(**run.asking(status=500))


@call
async def chat_stream_error_429(run: Run) -> Answer:
    return await run.read(await run.chat(**WITH_USAGE, **run.asking(status=429)))


@call
async def completions_error_429(run: Run) -> Answer:
    return await run.completions(**run.asking(status=429))


@call
async def embeddings_error_429(run: Run) -> Answer:
    return await run.embeddings(**run.asking(status=429))


@call
async def responses_error_429(run: Run) -> Answer:
    return await run.responses(**run.asking(status=429))


@call
async def chat_retried(run: Run) -> Answer:
    run.client.api.max_retries = 3
    return await run.chat(**run.asking(fail_times=2, key=id(run)))


@call
async def chat_timeout(run: Run) -> Answer:
    return await run.chat(timeout=0.05, **run.asking(delay=1))


@call
async def chat_refused(run: Run) -> Answer:
    return await Run(run.client.at(REFUSING), run.headers).chat()


@call
async def chat_lost(run: Run) -> Answer:
    return await run.chat(**run.asking(cut_after=0))


# Other hosts.


def _elsewhere(host: str, model: str) -> None:
    async def chat_there(run: Run) -> Answer:
        return await Run(run.client.at(BASES[host]), run.headers).chat(model=model)

    async def stream_there(run: Run) -> Answer:
        there = Run(run.client.at(BASES[host]), run.headers)
        return await there.read(await there.chat(model=model, **WITH_USAGE))

    async def responses_there(run: Run) -> Answer:
        return await Run(run.client.at(BASES[host]), run.headers).responses(model=model)

    async def embeddings_there(run: Run) -> Answer:
        return await Run(run.client.at(BASES[host]), run.headers).embeddings(model=model)

    CALLS[f"chat_at_{host}"] = chat_there
    CALLS[f"chat_stream_at_{host}"] = stream_there
    CALLS[f"responses_at_{host}"] = responses_there
    CALLS[f"embeddings_at_{host}"] = embeddings_there


_elsewhere("azure", MODEL)
_elsewhere("openrouter", "openai/gpt-5-mini")
_elsewhere("groq", "llama-3.3-70b-versatile")
_elsewhere("vllm", "meta-llama/Llama-3.1-8B-Instruct")
_elsewhere("unknown", "house-model")


def usage_of(answer: Answer) -> Json | None:
    """The usage that the client received."""
    for part in reversed(answer if isinstance(answer, list) else [answer]):
        holder = getattr(part, "response", None) or getattr(part, "chunk", None) or part
        usage = getattr(holder, "usage", None)
        if usage is not None:
            received: Json = usage.model_dump(exclude_none=True)
            return received
    return None


def usage_for(name: str, number: int) -> str:
    """A usage for each number, with every part that the endpoint's form knows."""
    given, cached, written, out, thought = (n + number for n in (1000, 200, 300, 500, 100))
    if name.startswith("embeddings"):
        return json.dumps({"prompt_tokens": given, "total_tokens": given})
    counts = {"total_tokens": given + out}
    into = {"cached_tokens": cached, "cache_write_tokens": written}
    reasoned = {"reasoning_tokens": thought}
    if name.startswith("responses"):
        counts |= {"input_tokens": given, "output_tokens": out}
        return json.dumps(
            {**counts, "input_tokens_details": into, "output_tokens_details": reasoned}
        )
    counts |= {"prompt_tokens": given, "completion_tokens": out}
    return json.dumps(
        {**counts, "prompt_tokens_details": into, "completion_tokens_details": reasoned}
    )


async def make(name: str, client: Client, headers: dict[str, str]) -> Json:
    """Make one call; what the client received."""
    try:
        answer = await CALLS[name](Run(client, headers))
    except openai.LengthFinishReasonError as error:
        received: Json = {"usage": usage_of(error.completion), "error": type(error).__name__}
    except (openai.OpenAIError, http.HTTPError, KeyError, asyncio.CancelledError) as error:
        received = {"usage": None, "error": type(error).__name__}
    else:
        received = {"usage": usage_of(answer), "error": None}
        del answer
    if name.endswith(LEFT_BEHIND):
        await client.collect()
    return received


async def make_all(question: Json, mode: str) -> Json:
    """Make the calls that were asked for, one after the other, each as a project of its own."""
    received = {}
    asynchronous = mode == "async"
    for number, name in enumerate(question["calls"] or CALLS):
        if asynchronous or name not in ASYNC_ONLY:
            client = Client(question["server"], asynchronous=asynchronous)
            usage = usage_for(name, 0 if question.get("alike") else number)
            with project(f"{mode} {name}"):
                got = await make(name, client, {"x-demo-usage": usage})
                received[f"{mode} {name}"] = {**got, "sent": json.loads(usage)}
            await client.close()
    return received


def main() -> None:
    """Instrument in the order asked for, make the calls, and report."""
    question = asked()
    with complaints() as said:
        for name in question.get("instrumentations", ()):
            switch_on(name)
        monitor = otel_token_monitor.instrument(
            data_dir=question["data_dir"],
            port=0,
            instrumentation=question.get("instrumentation", "auto"),
        )
        # What is loaded by now stays: the collections after each call need not look at it.
        gc.freeze()
        received: Json = {}
        for mode in question["modes"]:
            received |= drive(make_all(question, mode), asynchronous=mode == "async")
        metrics = scrape(monitor)
        otel_token_monitor.uninstrument()
    report(received=received, metrics=metrics, complaints=said)


if __name__ == "__main__":
    main()
