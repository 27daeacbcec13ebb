"""How the demo server answers a request: its path, its headers, and what was made before."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse

from otel_token_monitor.demo import batches, chunks, media, replies, responses
from otel_token_monitor.demo.bodies import Form
from otel_token_monitor.demo.controls import cut, error, paced, usage_maker
from otel_token_monitor.demo.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from otel_token_monitor.demo.replies import Json

__all__ = ["Answering"]


class _Endpoint(NamedTuple):
    """One kind of call: how to make its body, how to stream that, and the type if it is bytes."""

    make: Callable[[Json, str | None, replies.UsageMaker], Json | str | bytes]
    stream: Callable[[Json, Json], Iterator[str]] | None = None
    media_type: str | None = None


_ENDPOINTS = {
    "audio/speech": _Endpoint(media.speech, media.speech_stream, "audio/mpeg"),
    "audio/transcriptions": _Endpoint(media.transcription, media.transcription_stream),
    "audio/translations": _Endpoint(media.translation),
    "batches": _Endpoint(batches.batch),
    "chat/completions": _Endpoint(replies.chat, chunks.completion_stream),
    "completions": _Endpoint(replies.completion, chunks.completion_stream),
    "embeddings": _Endpoint(replies.embeddings),
    "images/edits": _Endpoint(media.images, media.image_edit_stream),
    "images/generations": _Endpoint(media.images, media.image_stream),
    "moderations": _Endpoint(media.moderation),
    "responses": _Endpoint(responses.response, responses.response_stream),
}
_PATH = re.compile(
    r"(?:^|/)(?:v1|openai(?:/deployments/(?P<model>[^/]+))?)/"
    rf"(?P<kind>{'|'.join(_ENDPOINTS)})(?:/(?P<id>[^/]+)(?P<cancel>/cancel)?)?$"
)


class Answering:
    """Answers requests, and remembers what it must between them."""

    def __init__(self) -> None:
        self.requests = 0
        self._memory = Memory()

    async def handle(self, request: Request) -> Response:
        """Answer any request: the path's kind of call, or the failure that its headers ask for."""
        found = _PATH.search(request.url.path)
        if found is None:
            return error(404)
        self.requests += 1
        try:
            await request.body()
            await asyncio.sleep(float(request.headers.get("x-demo-delay", 0)))
            form = Form(request.headers.get("x-demo-body"))
            response = await self._failure(request) or await self._answer(request, found, form)
            form.shape(response)
        except ClientDisconnect:
            return Response()
        except ValueError as exc:
            return error(400, str(exc))
        return response

    async def _failure(self, request: Request) -> Response | None:
        """The failure that the request's headers ask for, if they do."""
        times = int(request.headers.get("x-demo-fail-times", 0))
        if self._memory.fails(request.headers.get("x-demo-key", ""), times):
            return error(500)
        if "x-demo-status" in request.headers:
            return error(int(request.headers["x-demo-status"]))
        if request.headers.get("x-demo-cut-after") == "0":
            await cut(request)
            return Response()
        return None

    async def _answer(self, request: Request, found: re.Match[str], form: Form) -> Response:
        """What the path asks for: something made before, or a new body of some kind."""
        kind, made_id = found["kind"], found["id"]
        if kind == "responses" and made_id:
            if request.method == "GET":
                return self._retrieve(request, made_id, form)
            if found["cancel"]:
                return self._cancel(made_id)
        elif request.method == "GET" and kind in {"batches", "chat/completions"}:
            return self._stored(kind, made_id)
        if made_id or request.method == "GET":
            return error(404)
        return await self._create(request, found, form)

    def _retrieve(self, request: Request, response_id: str, form: Form) -> Response:
        """A response made before, or the rest of its events."""
        made = self._memory.response(response_id)
        if made is None:
            return error(404, f"Response with id '{response_id}' not found.")
        streams = request.query_params.get("stream") == "true"
        body = made.retrieve(wait=streams)
        if not streams:
            return JSONResponse(body)
        seen = int(request.query_params.get("starting_after", -1))
        events = list(responses.response_stream({}, body))
        return _streamed(request, form, iter(events[seen + 1 :]))

    def _stored(self, kind: str, made_id: str | None) -> Response:
        """A batch or a chat completion made before; without an id, the list of all."""
        memory = self._memory
        if kind == "batches":
            body = memory.batch(made_id) if made_id else memory.batches()
        else:
            body = memory.chat(made_id) if made_id else memory.chats()
        return error(404) if body is None else JSONResponse(body)

    def _cancel(self, response_id: str) -> Response:
        made = self._memory.response(response_id)
        if made is None:
            return error(404, f"Response with id '{response_id}' not found.")
        body = made.cancel()
        if body is None:
            return error(400, "Cannot cancel a synchronous response.")
        return JSONResponse(body)

    async def _create(self, request: Request, found: re.Match[str], form: Form) -> Response:
        """Make the body that was asked for and send it, whole or as a stream."""
        asked = await _asked(request, found)
        endpoint = _ENDPOINTS[found["kind"]]
        usage = usage_maker(request.headers.get("x-demo-usage"))
        body = endpoint.make(asked, request.headers.get("x-demo-id"), usage)
        headers = {"x-request-id": replies.new_id("req_")}
        if not isinstance(body, dict):
            return Response(body, 200, headers, endpoint.media_type or "text/plain")
        if found["kind"] in {"batches", "responses"} or asked.get("store") is True:
            self._memory.keep(body, polls=int(request.headers.get("x-demo-polls", 0)))
        streams = asked.get("stream") or asked.get("stream_format") == "sse"
        if streams and endpoint.stream:
            return _streamed(request, form, endpoint.stream(asked, body), headers)
        if found["kind"] == "batches":
            body = batches.unfinished(body, "validating")
        elif asked.get("background"):
            body = responses.unfinished(body, "queued")
        return JSONResponse(body, headers=headers)


async def _asked(request: Request, found: re.Match[str]) -> Json:
    """The fields of a request's body; raises ValueError if it has none."""
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/"):
        asked = media.form_fields(content_type, await request.body())
    else:
        asked = await request.json()
        if not isinstance(asked, dict):
            raise ValueError("the request's body must be a JSON object")
    asked.setdefault("model", found["model"] or "")
    if request.headers.get("x-demo-usage-each") == "1":
        options = asked.get("stream_options") or {}
        asked["stream_options"] = {**options, "continuous_usage_stats": True}
    return asked


def _streamed(
    request: Request, form: Form, events: Iterator[str], headers: dict[str, str] | None = None
) -> Response:
    sent = form.sent(paced(request, form.events(events)))
    return StreamingResponse(sent, headers=headers, media_type="text/event-stream")
