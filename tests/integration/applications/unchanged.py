"""An application that tells all that the caller of OpenAI's client sees, of every kind of call.

Run with the monitor and without, it must tell the same.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import re
import threading
import weakref
from typing import TYPE_CHECKING, Any

import openai
from pydantic import BaseModel

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import asked, complaints, report
from tests.integration.applications.client import BASES, REFUSING, Client, drive, http
from tests.integration.applications.scripted import Server, sse
from tests.integration.applications.scripts import SCRIPTS, chat_events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.integration.applications.scripted import Part

Json = dict[str, Any]

SOME = [{"role": "user", "content": "Hello there"}]
MODEL = "gpt-5-mini"
_PORT = re.compile(r"(?<=127\.0\.0\.1):\d+")


class Person(BaseModel):
    """What is parsed."""

    name: str


class Run:
    """One client, and the script that its requests ask for."""

    def __init__(self, client: Client, server: Server, script: str) -> None:
        self.client = client
        self.server = server
        self.script = script
        self.headers = {"x-script": script}

    async def chat(self, api: Any = None, method: str = "create", **arguments: Any) -> Any:
        """A chat completion, by any of the ways that lead there."""
        chats = self.client.api.chat.completions if api is None else api
        given = {"model": MODEL, "messages": SOME, "extra_headers": self.headers, **arguments}
        return await self.client.done(getattr(chats, method)(**given))

    async def post(self, cast_to: Any, *, stream: bool = False, **arguments: Any) -> Any:
        """The same, by hand."""
        body = {"model": MODEL, "messages": SOME, **({"stream": True} if stream else {})}
        post = self.client.api.post
        options = {"headers": self.headers}
        arguments |= {"cast_to": cast_to, "body": body, "options": options, "stream": stream}
        return await self.client.done(post("/chat/completions", **arguments))

    @property
    def raw(self) -> Any:
        """Chats whose responses are read and not parsed."""
        return self.client.api.chat.completions.with_raw_response

    def open(self, **arguments: Any) -> Any:
        """A chat whose response is not read."""
        given = {"model": MODEL, "messages": SOME, "extra_headers": self.headers, **arguments}
        return self.client.api.chat.completions.with_streaming_response.create(**given)

    def named(self, name: str) -> str:
        """A method of an HTTP response, as it is called for this kind of client."""
        return f"a{name}" if self.client.asynchronous else name

    async def read(self, stream: Any, limit: int | None = None) -> list[Any]:
        """A stream, and where it ended."""
        return await self.client.read(stream, limit)


KINDS: dict[str, tuple[str, Callable[[Run], Awaitable[Any]]]] = {}


def kind(script: str) -> Callable[[Callable[[Run], Awaitable[Any]]], Any]:
    """Enter a kind of call under its name, with the script of the server."""

    def enter(function: Callable[[Run], Awaitable[Any]]) -> Any:
        KINDS[function.__name__] = script, function
        return function

    return enter


# Chat, whole.


@kind("chat")
async def plain(run: Run) -> Any:
    return await run.chat()


@kind("chat")
async def parsed(run: Run) -> Any:
    return await run.chat(method="parse", response_format=Person)


@kind("chat")
async def raw(run: Run) -> Any:
    answer = await run.chat(run.raw)
    return [answer.http_response, answer.parse(), answer.parse(), answer.headers, answer.text]


@kind("chat")
async def raw_pickled(run: Run) -> Any:
    answer = await run.chat(run.raw)
    return pickle.loads(pickle.dumps(answer.http_response))  # noqa: S301 - our own


@kind("chat")
async def raw_parsed(run: Run) -> Any:
    return (await run.chat(run.raw, "parse", response_format=Person)).parse()


def _opened(how: str, *arguments: Any) -> Callable[[Run], Awaitable[Any]]:
    """A response that is opened, and then read in one of the ways."""

    async def opened(run: Run) -> Any:
        async def then(answer: Any) -> Any:
            before = described(answer.http_response)
            got = getattr(answer, how)(*arguments)
            if how.startswith("iter"):
                got = await run.read(got)
            else:
                got = await run.client.done(got)
            if isinstance(got, (openai.Stream, openai.AsyncStream)):
                got = await run.read(got)
            return [before, got, answer.http_response]

        return await run.client.within(run.open(stream=run.script == "CRLF"), then)

    return opened


for _how in ("iter_bytes", "iter_text", "iter_lines", "read", "text", "json", "parse"):
    KINDS[f"opened_{_how}"] = "chat", _opened(_how)
    KINDS[f"opened_stream_{_how}"] = "CRLF", _opened(_how)
KINDS["opened_iter_bytes_of_7"] = "chat", _opened("iter_bytes", 7)
KINDS["opened_stream_iter_bytes_of_7"] = "CRLF", _opened("iter_bytes", 7)


@kind("chat")
async def opened_raw_bytes(run: Run) -> Any:
    async def then(answer: Any) -> Any:
        response = answer.http_response
        return [await run.read(getattr(response, run.named("iter_raw"))()), response]

    return await run.client.within(run.open(), then)


@kind("gzip")
async def opened_coded_raw_bytes(run: Run) -> Any:
    async def then(answer: Any) -> Any:
        response = answer.http_response
        return [b"".join(await run.read(getattr(response, run.named("iter_raw"))(7))), response]

    return await run.client.within(run.open(), then)


@kind("chat")
async def opened_and_read_twice(run: Run) -> Any:
    async def then(answer: Any) -> Any:
        return [await run.client.done(answer.read()) for _ in range(2)]

    return await run.client.within(run.open(), then)


@kind("chat")
async def opened_and_iterated_twice(run: Run) -> Any:
    async def then(answer: Any) -> Any:
        return [await run.read(answer.iter_bytes()) for _ in range(2)]

    return await run.client.within(run.open(), then)


@kind("chat")
async def opened_and_not_read(run: Run) -> Any:
    async def then(answer: Any) -> Any:
        return answer.http_response

    return await run.client.within(run.open(), then)


@kind("chat")
async def opened_closed_and_read(run: Run) -> Any:
    async def then(answer: Any) -> Any:
        await run.client.done(answer.close())
        return await run.client.done(answer.read())

    return await run.client.within(run.open(), then)


@kind("chat")
async def opened_and_pickled(run: Run) -> Any:
    async def then(answer: Any) -> Any:
        before = pickle.loads(pickle.dumps(answer.http_response))  # noqa: S301 - our own
        await run.client.done(answer.read())
        after = pickle.loads(pickle.dumps(answer.http_response))  # noqa: S301 - our own
        return [before, after, copy.copy(answer.http_response)]

    return await run.client.within(run.open(), then)


@kind("chat")
async def opened_in_one_breath(run: Run) -> Any:
    stream = (await run.chat(run.raw, stream=True)).http_response
    # Whoever has the method has the response.
    bytes_of = getattr(stream, run.named("iter_bytes"))
    del stream
    return b"".join(await run.read(bytes_of()))


@kind("chat")
async def closed_in_one_breath(run: Run) -> Any:
    close = getattr((await run.chat(run.raw, stream=True)).http_response, run.named("close"))
    return await run.client.done(close())


# Chat, streamed.


@kind("chat")
async def stream(run: Run) -> Any:
    stream = await run.chat(stream=True)
    before = described(stream.response)
    return [before, await run.read(stream), stream.response]


@kind("chat")
async def stream_by_next(run: Run) -> Any:
    stream = await run.chat(stream=True)
    chunks = []
    with contextlib.suppress(StopIteration, StopAsyncIteration):
        while True:
            chunks.append(
                await run.client.done(stream.__anext__())
                if run.client.asynchronous
                else next(stream)
            )
    return chunks


@kind("chat")
async def stream_with_usage(run: Run) -> Any:
    return await run.read(await run.chat(stream=True, stream_options={"include_usage": True}))


@kind("chat")
async def stream_without_usage(run: Run) -> Any:
    return await run.read(await run.chat(stream=True, stream_options={"include_usage": False}))


@kind("chat")
async def stream_in_with(run: Run) -> Any:
    return await run.client.within(await run.chat(stream=True), run.read)


async def _left(run: Run) -> Any:
    stream = await run.chat(stream=True)
    chunks = await run.read(stream, 2)
    await run.client.done(stream.close())
    return [chunks, stream.response]


async def _left_and_read(run: Run) -> Any:
    stream = await run.chat(stream=True)
    await run.read(stream, 2)
    await run.client.done(stream.close())
    return await run.read(stream)


# Of what has arrived, the client gives more once it is closed; for the rest it looks in vain.
for _script in ("at once", "silent after three"):
    KINDS[f"stream_left_and_closed: {_script}"] = _script, _left
    KINDS[f"stream_left_closed_and_read: {_script}"] = _script, _left_and_read


@kind("chat")
async def stream_never_read_and_closed(run: Run) -> Any:
    stream = await run.chat(stream=True)
    await run.client.done(stream.close())
    return await run.read(stream)


@kind("chat")
async def stream_read_to_done_by_hand(run: Run) -> Any:
    stream = await run.chat(stream=True)
    return [await run.read(stream), await run.read(stream)]


@kind("chat")
async def stream_by_raw(run: Run) -> Any:
    answer = await run.chat(run.raw, stream=True)
    return [answer.headers, await run.read(answer.parse()), answer.http_response]


@kind("chat")
async def stream_of_dicts(run: Run) -> Any:
    stream_cls = openai.AsyncStream if run.client.asynchronous else openai.Stream
    return await run.read(
        await run.post(dict[str, Any], stream=True, stream_cls=stream_cls[dict[str, Any]])
    )


@kind("chat")
async def stream_by_helper(run: Run) -> Any:
    async def then(stream: Any) -> Any:
        events = await run.read(stream)
        return [events, await run.client.done(stream.get_final_completion())]

    chats = run.client.api.chat.completions
    given = {"model": MODEL, "messages": SOME, "extra_headers": run.headers}
    return await run.client.within(chats.stream(response_format=Person, **given), then)


@kind("response")
async def response_by_helper(run: Run) -> Any:
    async def then(stream: Any) -> Any:
        events = await run.read(stream)
        return [events, await run.client.done(stream.get_final_response())]

    given = {"model": MODEL, "input": "Hello", "extra_headers": run.headers}
    return await run.client.within(run.client.api.responses.stream(**given), then)


@kind("response")
async def response(run: Run) -> Any:
    create = run.client.api.responses.create
    return await run.client.done(create(model=MODEL, input="Hello", extra_headers=run.headers))


@kind("response")
async def response_stream(run: Run) -> Any:
    create = run.client.api.responses.create
    given = {"model": MODEL, "input": "Hello", "extra_headers": run.headers}
    return await run.read(await run.client.done(create(stream=True, **given)))


# By hand.


@kind("chat")
async def posted_for_object(run: Run) -> Any:
    return await run.post(object)


@kind("chat")
async def posted_for_dict(run: Run) -> Any:
    return await run.post(dict[str, Any])


@kind("chat")
async def posted_for_text(run: Run) -> Any:
    return await run.post(str)


@kind("chat")
async def posted_for_http(run: Run) -> Any:
    return await run.post(http.Response)


# What fails.


@kind("busy")
async def busy_after_retries(run: Run) -> Any:
    run.client.api.max_retries = 2
    return await run.chat()


@kind("chat")
async def refusing(run: Run) -> Any:
    return await run.chat(run.client.at(REFUSING).api.chat.completions)


@kind("silent")
async def timeout(run: Run) -> Any:
    return await run.chat(timeout=0.1)


@kind("silent midway")
async def stream_timeout(run: Run) -> Any:
    return await run.read(await run.chat(stream=True, timeout=0.1))


@kind("cut by limit")
async def parsed_cut_by_limit(run: Run) -> Any:
    return await run.chat(method="parse", response_format=Person)


def _whole(run: Run) -> Awaitable[Any]:
    return run.chat()


async def _streamed(run: Run) -> Any:
    stream = await run.chat(stream=True)
    if run.client.asynchronous:
        return [described(chunk) async for chunk in stream]
    return [described(chunk) for chunk in stream]


def _read_raw(run: Run) -> Awaitable[Any]:
    async def then(answer: Any) -> Any:
        return b"".join(await run.read(getattr(answer.http_response, run.named("iter_raw"))()))

    return run.client.within(run.open(stream=True), then)


for _script in SCRIPTS:
    if not _script.startswith(("silent", "busy")):
        KINDS[f"whole: {_script}"] = _script, _whole
        KINDS[f"streamed: {_script}"] = _script, _streamed
        KINDS[f"raw: {_script}"] = _script, _read_raw


# What a caller sees of it.


def described(value: Any) -> Any:
    """All that a caller can see of a value."""
    if isinstance(value, BaseModel):
        return {
            "type": repr(type(value)),
            "set": sorted(value.model_fields_set),
            "fields": described(vars(value)),
            "extra": described(value.model_extra),
            "request": getattr(value, "_request_id", None),
        }
    if isinstance(value, (dict, http.Headers)):
        return [[key, described(inner)] for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return [described(inner) for inner in value]
    if isinstance(value, http.Response):
        return _described_response(value)
    if isinstance(value, BaseException):
        return _described_error(value)
    return [type(value).__name__, repr(value)] if not isinstance(value, str) else value


def _described_response(response: Any) -> Json:
    # A stream is longer where its usage was asked for.
    may_be_longer = response.is_closed and "_content" not in vars(response)
    return {
        "type": repr(type(response)),
        "status": response.status_code,
        "headers": described(response.headers),
        "content": repr(vars(response).get("_content")),
        "closed": response.is_closed,
        "consumed": response.is_stream_consumed,
        "downloaded": None if may_be_longer else response.num_bytes_downloaded,
        "encoding": response.encoding,
        "stream": repr(type(response.stream)),
        "method": repr(type(response.iter_bytes)) if response.is_closed else None,
        "own": sorted(vars(response)) if response.is_closed else None,
    }


def _described_error(error: BaseException) -> Json:
    response = getattr(error, "response", None)
    return {
        "type": repr(type(error)),
        "text": str(error),
        "body": described(getattr(error, "body", None)),
        "status": getattr(error, "status_code", None),
        "response": None if response is None else described(response),
        "cause": _PORT.sub("", repr(error.__cause__)),
        "context": _PORT.sub("", repr(error.__context__)),
        "completion": described(getattr(error, "completion", None)),
    }


async def told(client: Client, server: Server, script: str, act: Any) -> Json:
    """What the caller of one kind saw, and how often its client connected, with one call more."""
    before = server.connections
    try:
        got = described(await act(Run(client, server, script)))
    except (
        openai.OpenAIError,
        http.HTTPError,
        http.StreamError,
        ValueError,
        TypeError,
    ) as error:
        got = described(error)
    again = await Run(client, server, "chat").chat()
    return {"got": got, "again": described(again), "connections": server.connections - before}


# Time, and what is collected.


async def first_chunk(client: Client, server: Server, release: threading.Event) -> Json:
    """The first chunk reaches the caller before the server sends the second."""
    stream = await Run(client, server, "stepwise").chat(stream=True)
    first = await client.read(stream, 1)
    waited = not release.is_set()
    release.set()
    return {
        "first": described(first),
        "waited": waited,
        "rest": described(await client.read(stream)),
    }


async def collected(client: Client, server: Server) -> Json:
    """What dies as soon as nobody has it."""
    run = Run(client, server, "chat")
    dead: Json = {}
    gc.disable()
    for name, stream in (("whole", False), ("stream", True)):
        answer = await run.chat(run.raw, stream=stream)
        watch = weakref.ref(answer.http_response)
        del answer
        dead[name] = watch() is None
    answer = await run.chat(stream=True)
    watches = weakref.ref(answer), weakref.ref(answer.response)
    del answer
    dead["parsed stream"] = [watch() is None for watch in watches]
    answer = await run.chat(stream=True)
    watches = weakref.ref(answer), weakref.ref(answer.response)
    await client.read(answer)
    del answer
    dead["parsed stream, read"] = [watch() is None for watch in watches]
    gc.enable()
    return dead


def scripts(release: threading.Event) -> Json:
    """The server's scripts, and one that waits for the caller."""

    def stepwise(request: Json) -> list[Part]:
        first, *others = chat_events(request)
        return sse(first, release, *others, b"data: [DONE]\n\n")

    return {**SCRIPTS, "stepwise": stepwise}


async def see_all(question: Json, mode: str) -> Json:
    """Make calls of all kinds, each with a client and a project of its own."""
    release = threading.Event()
    seen: Json = {}
    asynchronous = mode == "async"
    with Server(scripts(release)) as server:

        def fresh() -> Client:
            return Client(server.base_url, asynchronous=asynchronous, at=BASES[question["at"]])

        for name, (script, act) in KINDS.items():
            client = fresh()
            with project(f"{mode} {name}"):
                seen[name] = await told(client, server, script, act)
            await client.close()
        client = fresh()
        with project(f"{mode} others"):
            seen["first chunk"] = await first_chunk(client, server, release)
            seen["collected"] = await collected(client, server)
            await client.collect()
        await client.close()
        asks = sum("stream_options" in body for body in server.bodies)
    return {"seen": seen, "asks": asks, "requests": len(server.requests)}


def main() -> None:
    """See all, with the monitor or without."""
    question = asked()
    with complaints() as said:
        if question["instrumentation"] is not None:
            otel_token_monitor.instrument(
                data_dir=question["data_dir"],
                serve=False,
                instrumentation=question["instrumentation"],
            )
        answers = {
            mode: drive(see_all(question, mode), asynchronous=mode == "async")
            for mode in ("sync", "async")
        }
        otel_token_monitor.uninstrument()
    report(complaints=said, **answers)


if __name__ == "__main__":
    main()
