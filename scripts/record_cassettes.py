"""Record the cassettes of tests/cassettes against the bundled demo server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
import openai
import yaml

from otel_token_monitor.demo.server import DemoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIRECTORY: Final = Path(__file__).resolve().parent.parent / "tests/cassettes"

HELLO: Final = [{"role": "user", "content": "Hello"}]
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "integer"}},
            "required": ["number"],
        },
    },
}
USAGE: Final = {"stream": True, "stream_options": {"include_usage": True}}
# What a client says of the machine, or the demo server of itself, is nobody's business.
_KEPT: Final = frozenset(
    {"accept", "content-encoding", "content-type", "host", "user-agent", "x-request-id"}
)
Client = Any
"""A client, whose answers are too wide unions for who knows what was asked."""


def demo(**controls: object) -> dict[str, Any]:
    """The argument that steers the demo server."""
    return {"extra_headers": {f"x-demo-{name}": str(value) for name, value in controls.items()}}


def chat(client: Client) -> None:
    """Chats of all sizes: reasoning, a cached prompt, choices, a compressed body."""
    create = client.chat.completions.create
    create(model="gpt-4o", messages=HELLO)
    create(model="gpt-5-mini", messages=HELLO)
    create(model="gpt-4o", messages=[{"role": "user", "content": "x" * 4200}])
    create(model="gpt-4o", messages=HELLO, n=3)
    create(model="gpt-5-mini", messages=HELLO, **demo(body="gzip"))
    create(model="gpt-4o", messages=HELLO, **demo(usage="none"))


def tools(client: Client) -> None:
    """A tool that is called, and its answer."""
    create = client.chat.completions.create
    made = create(model="gpt-5-mini", messages=HELLO, tools=[TOOL]).choices[0].message
    answer = {"role": "tool", "tool_call_id": made.tool_calls[0].id, "content": "shipped"}
    create(model="gpt-5-mini", messages=[*HELLO, made, answer], tools=[TOOL])


def chat_stream(client: Client) -> None:
    """Streams with usage and without, of tools, compressed, and as vLLM has it."""
    create = client.chat.completions.create
    list(create(model="gpt-5-mini", messages=HELLO, **USAGE))
    list(create(model="gpt-4o", messages=HELLO, stream=True))
    list(create(model="gpt-4o", messages=HELLO, tools=[TOOL], **USAGE))
    list(create(model="gpt-4o", messages=HELLO, **USAGE, **demo(body="gzip")))
    list(create(model="gpt-4o", messages=HELLO, stream=True, **demo(**{"usage-each": 1})))


def completions(client: Client) -> None:
    """Text completions."""
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt=["Hello", "you"])
    list(client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hello", **USAGE))


def responses(client: Client) -> None:
    """Responses: one that is fetched again, one cut short, one with a cache that is written."""
    made = client.responses.create(model="gpt-5", input="Hello")
    client.responses.retrieve(made.id)
    client.responses.create(model="gpt-5", input="Hello", max_output_tokens=16)
    cached = {"cached_tokens": 1024, "cache_write_tokens": 512}
    usage = {
        "input_tokens": 2048,
        "input_tokens_details": cached,
        "output_tokens": 90,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 2138,
    }
    client.responses.create(model="gpt-5", input="Hello", **demo(usage=json.dumps(usage)))


def responses_stream(client: Client) -> None:
    """Streamed responses: to the end, cut short, and read again."""
    events = list(client.responses.create(model="gpt-5", input="Hello", stream=True))
    list(client.responses.create(model="gpt-5", input="Hello", stream=True, max_output_tokens=16))
    list(client.responses.retrieve(events[0].response.id, stream=True, starting_after=8))


def background(client: Client) -> None:
    """Background responses: polled to the end and beyond, left alone, cancelled."""
    arguments = {"model": "gpt-5", "input": "Hello", "background": True, **demo(polls=2)}
    made = client.responses.create(**arguments)
    for _ in range(4):
        client.responses.retrieve(made.id)
    client.responses.create(**arguments)
    client.responses.cancel(client.responses.create(**arguments).id)


def batches(client: Client) -> None:
    """Batches: polled to the end and beyond, left alone; and their list."""
    arguments = {"input_file_id": "file-1", "completion_window": "24h", **demo(polls=1)}
    made = client.batches.create(endpoint="/v1/responses", **arguments)
    for _ in range(3):
        client.batches.retrieve(made.id)
    client.batches.create(endpoint="/v1/responses", **arguments)
    list(client.batches.list())


def embeddings(client: Client) -> None:
    """Embeddings of one text and of two."""
    client.embeddings.create(model="text-embedding-3-small", input="Hello")
    client.embeddings.create(model="text-embedding-3-small", input=["Hello", "you"], dimensions=2)


def images(client: Client) -> None:
    """Images: generated, edited, streamed."""
    client.images.generate(model="gpt-image-1", prompt="A lake", n=2)
    client.images.edit(model="gpt-image-1", prompt="A lake", image=("lake.png", b"\x89PNG" * 60))
    list(
        client.images.generate(model="gpt-image-1", prompt="A lake", stream=True, partial_images=2)
    )


def audio(client: Client) -> None:
    """Transcriptions by tokens, by duration, as text, streamed; and speech."""
    create = client.audio.transcriptions.create
    file = ("a.wav", b"RIFF\xff\xfe" * 60)
    create(model="gpt-4o-transcribe", file=file)
    create(model="whisper-1", file=file)
    create(model="gpt-4o-transcribe", file=file, response_format="text")
    list(create(model="gpt-4o-transcribe", file=file, stream=True))
    client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Hello")


def errors(client: Client) -> None:
    """What the server refuses, also of streams."""
    for status in ("400", "401", "429", "500"):
        _refused(client.chat.completions.create, model="gpt-4o", messages=HELLO, status=status)
    _refused(client.responses.create, model="gpt-5", input="Hello", stream=True, status="429")


def _refused(create: Callable[..., Any], *, status: str, **arguments: Any) -> None:
    try:
        create(**arguments, **demo(status=status))
    except openai.APIStatusError:
        return
    raise RuntimeError("the demo server did not refuse")


def others(client: Client) -> None:
    """What has no usage of its own: a moderation, a list of chats."""
    client.moderations.create(model="omni-moderation-latest", input="Hello")
    client.chat.completions.create(model="gpt-4o", messages=HELLO, store=True)
    client.chat.completions.list()


def azure(client: Client) -> None:
    """Azure's addresses."""
    client.chat.completions.create(model="my-deployment", messages=HELLO)
    list(client.chat.completions.create(model="my-deployment", messages=HELLO, **USAGE))
    client.responses.create(model="my-deployment", input="Hello")


CASSETTES: Final = (
    audio,
    azure,
    background,
    batches,
    chat,
    chat_stream,
    completions,
    embeddings,
    errors,
    images,
    others,
    responses,
    responses_stream,
    tools,
)


class _Recorder(httpx2.BaseTransport):
    """Sends requests to the demo server, and notes them with their responses."""

    def __init__(self, server: DemoServer) -> None:
        self._server = httpx2.URL(server.base_url)
        self._transport = httpx2.HTTPTransport(verify=False)
        self.interactions: list[dict[str, Any]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = {
            "body": _text(request.read()),
            "headers": _headers(request.headers),
            "method": request.method,
            "uri": str(request.url),
        }
        request.url = request.url.copy_with(
            scheme=self._server.scheme, host=self._server.host, port=self._server.port
        )
        response = self._transport.handle_request(request)
        body = b"".join(_raw(response))
        self.interactions.append(
            {
                "request": asked,
                "response": {
                    "body": {"string": _text(body)},
                    "headers": _headers(response.headers),
                    "status": {"code": response.status_code, "message": response.reason_phrase},
                },
            }
        )
        return httpx2.Response(response.status_code, headers=response.headers, content=[body])

    def close(self) -> None:
        self._transport.close()


def _raw(response: httpx2.Response) -> Iterator[bytes]:
    yield from response.iter_raw()


def _text(body: bytes) -> str | bytes | None:
    """A body as vcrpy writes it: text if it is text."""
    if not body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _headers(headers: httpx2.Headers) -> dict[str, list[str]]:
    return {name: headers.get_list(name) for name in sorted(headers) if name in _KEPT}


def _client(recorder: _Recorder, *, at_azure: bool) -> Client:
    http_client = httpx2.Client(transport=recorder)
    if at_azure:
        return openai.AzureOpenAI(
            azure_endpoint="https://my-resource.openai.azure.com",
            api_version="2024-10-21",
            api_key="k",
            max_retries=0,
            http_client=http_client,
        )
    return openai.OpenAI(
        base_url="https://api.openai.com/v1", api_key="k", max_retries=0, http_client=http_client
    )


def main() -> int:
    """Record all of them."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with DemoServer() as server:
        for record in CASSETTES:
            recorder = _Recorder(server)
            with _client(recorder, at_azure=record is azure) as client:
                record(client)
            document = {"interactions": recorder.interactions, "version": 1}
            text = yaml.safe_dump(document, allow_unicode=True)
            (DIRECTORY / f"{record.__name__}.yaml").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
