"""How the demo server streams chat and text completions.

A body that :mod:`.replies` made is cut into OpenAI's chunks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from otel_token_monitor.demo.replies import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.demo.replies import Json

__all__ = ["completion_stream"]


def completion_stream(request: Json, body: Json) -> Iterator[str]:
    """The events that stream a chat or text completion, ending in ``[DONE]``.

    With ``stream_options.include_usage`` each chunk carries ``usage: null`` and one more, without
    choices, the usage. With ``stream_options.continuous_usage_stats``, which is vLLM's, each chunk
    carries the usage up to it. A body without usage streams none at all.
    """
    chatting = body["object"] == "chat.completion"
    base = {**body, "object": "chat.completion.chunk" if chatting else body["object"]}
    usage = base.pop("usage", None)
    options = request.get("stream_options") or {}
    parts = [
        part
        for choice in body["choices"]
        for part in (_chat_choice_chunks(choice) if chatting else _text_choice_chunks(choice))
    ]
    for number, part in enumerate(parts, 1):
        chunk = {**base, "choices": [part]}
        if usage is not None and options.get("continuous_usage_stats"):
            chunk["usage"] = _usage_so_far(usage, number, len(parts))
        elif usage is not None and options.get("include_usage"):
            chunk["usage"] = None
        yield f"data: {json.dumps(chunk)}\n\n"
    if usage is not None and options.get("include_usage"):
        yield f"data: {json.dumps({**base, 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def _usage_so_far(usage: Json, number: int, chunks: int) -> Json:
    """The usage when so many of all chunks are made: the output grows evenly, to the whole."""
    if number == chunks:
        return usage
    prompt = usage.get("prompt_tokens", 0)
    made = usage.get("completion_tokens", 0) * number // chunks
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def _chat_deltas(message: Json) -> Iterator[Json]:
    """The deltas that add up to an assistant's message."""
    yield {"role": "assistant", "content": None if "tool_calls" in message else "", "refusal": None}
    for index, call in enumerate(message.get("tool_calls", [])):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]}
        rest = {"index": index, "function": {"arguments": function["arguments"]}}
        yield {"tool_calls": [rest]}
    for piece in pieces(message["content"] or ""):
        yield {"content": piece}


def _chat_choice_chunks(choice: Json) -> Iterator[Json]:
    """The ``choices`` entries of the chunks that stream one choice, the finish reason last."""
    for delta in _chat_deltas(choice["message"]):
        yield {"index": choice["index"], "delta": delta, "finish_reason": None}
    yield {"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}


def _text_choice_chunks(choice: Json) -> Iterator[Json]:
    """The same for one choice of a text completion."""
    for piece in pieces(choice["text"]):
        yield {**choice, "text": piece, "finish_reason": None}
    yield {**choice, "text": ""}
