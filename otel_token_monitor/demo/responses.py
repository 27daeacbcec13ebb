"""What the demo server answers to ``responses``: bodies and server-sent events.

As in :mod:`.replies`, all but ids and timestamps follows from the request.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from otel_token_monitor.demo.replies import (
    answer,
    cached_tokens,
    chat_prompt_tokens,
    flat_text,
    new_id,
    pieces,
    response_model,
    spent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.demo.replies import Json, UsageMaker


def response_usage(request: Json, output: int, reasoning: int) -> Json:
    """The usage of a response, counted as for the same messages in chat."""
    given = request.get("input", "")
    messages = given if isinstance(given, list) else [given]
    if request.get("instructions"):
        messages = [request["instructions"], *messages]
    count = chat_prompt_tokens({"messages": messages})
    return {
        "input_tokens": count,
        "input_tokens_details": {"cached_tokens": cached_tokens(count), "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": count + output,
    }


def response(request: Json, response_id: str | None, usage: UsageMaker) -> Json:
    """The body of a finished response: ``completed``, or ``incomplete`` under a small limit."""
    given = request.get("input", "")
    form = (request.get("text") or {}).get("format") or {"type": "text"}
    text = answer(flat_text(given[-1:] if isinstance(given, list) else given), form.get("schema"))
    text, output, reasoning, cut = spent(request, request.get("max_output_tokens"), text)
    status = "incomplete" if cut else "completed"
    message = {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }
    body = {
        **response_frame(request, response_id or new_id("resp_")),
        "status": status,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [message],
    }
    return {**body, "usage": usage(response_usage(request, output, reasoning))}


def response_frame(request: Json, response_id: str) -> Json:
    """A response's fields that do not depend on its progress: mostly the request's echo."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(time.time()),
        "model": response_model(request),
        "error": None,
        "background": bool(request.get("background")),
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "metadata": request.get("metadata") or {},
        "parallel_tool_calls": True,
        "previous_response_id": request.get("previous_response_id"),
        "service_tier": "default",
        "temperature": request.get("temperature", 1.0),
        "text": request.get("text") or {"format": {"type": "text"}},
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools") or [],
        "top_p": request.get("top_p", 1.0),
    }


def unfinished(body: Json, status: str) -> Json:
    """A finished response as it looked before: no output, no usage, the status given."""
    return {**body, "status": status, "output": [], "usage": None, "incomplete_details": None}


def response_stream(_request: Json, body: Json) -> Iterator[str]:
    """The events that stream a response, numbered, from ``response.created`` to its end."""
    for number, event in enumerate(response_events(body)):
        data = json.dumps({**event, "sequence_number": number})
        yield f"event: {event['type']}\ndata: {data}\n\n"


def response_events(body: Json) -> Iterator[Json]:
    """The events of a streamed response, before they are numbered."""
    started = unfinished(body, "in_progress")
    for name in ("created", "in_progress"):
        yield {"type": f"response.{name}", "response": started}
    for item in body["output"]:  # one, or none if it was cancelled
        fresh = {**item, "status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "output_index": 0, "item": fresh}
        yield from part_events(item)
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": f"response.{body['status']}", "response": body}


def part_events(item: Json) -> Iterator[Json]:
    """The events of the one text part of a response's message."""
    [part] = item["content"]
    where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
    done = {"text": part["text"], "logprobs": []}
    yield {"type": "response.output_text.done", **where, **done}
    yield {"type": "response.content_part.done", **where, "part": part}
