"""What the demo server answers to chat, text completions and embeddings, in OpenAI's formats.

Every function here is pure but for ids and timestamps: the text, the finish reasons and the
token counts follow from the request alone, so that a test can foretell them.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import time
import uuid
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
UsageMaker = Callable[[Json], Json | None]
"""Given the usage computed from the request, the usage to send (None: the body carries none)."""

DATED_MODELS = {
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "o3": "o3-2025-04-16",
    "o4-mini": "o4-mini-2025-04-16",
}
"""The name a request asks for -> the dated name that the response carries."""

REASONING_TOKENS = 64
CACHE_FLOOR = 1024
"""Prompts of at least this many tokens have half of them (in blocks of 128) cached."""
LENGTH_LIMIT = 16
"""An output limit of this many tokens or fewer cuts the answer short."""
EMBEDDING_SIZE = 8


def tokens(text: str) -> int:
    """The token count of a text: one for each four characters begun."""
    return (len(text) + 3) // 4


def new_id(prefix: str) -> str:
    """A unique id with OpenAI's prefix, e.g. ``chatcmpl-`` or ``resp_``."""
    return prefix + uuid.uuid4().hex


def response_model(request: Json) -> str:
    """The model name that the response carries: dated where OpenAI dates it."""
    model = str(request.get("model", ""))
    return DATED_MODELS.get(model, model)


def reasoning_tokens(request: Json) -> int:
    """How many tokens the asked-for model spends on reasoning (0 if it does not reason)."""
    name = str(request.get("model", "")).rsplit("/", 1)[-1]
    return REASONING_TOKENS if re.match(r"gpt-5|o\d", name) else 0


def cached_tokens(prompt: int) -> int:
    """How many of a prompt's tokens count as read from the cache."""
    return prompt // 2 // 128 * 128 if prompt >= CACHE_FLOOR else 0


def fill(schema: Json) -> Any:
    """The smallest value that a trivially simple JSON schema accepts."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: fill(properties.get(name, {})) for name in schema.get("required", [])}
    return {"string": "demo", "integer": 1, "number": 1.5, "boolean": True, "array": []}.get(kind)


def flat_text(content: object) -> str:
    """All the text in a message's content, or in a list of messages or parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return flat_text(content.get("content", content.get("text", "")))
    if isinstance(content, list):
        return " ".join(flat_text(part) for part in content)
    return ""


def answer(prompt: str, schema: Json | None) -> str:
    """The assistant's text: JSON for a schema, otherwise an echo of the prompt's start."""
    return f"You said: {prompt[:60]}" if schema is None else json.dumps(fill(schema))


def spent(request: Json, limit: object, text: str) -> tuple[str, int, int, bool]:
    """The text after the limit, its tokens with reasoning, the reasoning, and whether it was cut.

    Only a limit of at most ``LENGTH_LIMIT`` cuts, and then always, whatever the text's length.
    """
    reasoning = reasoning_tokens(request)
    if isinstance(limit, int) and limit <= LENGTH_LIMIT:
        return text[: len(text) // 2], limit, min(reasoning, limit), True
    return text, tokens(text) + reasoning, reasoning, False


def pieces(text: str) -> list[str]:
    """The text cut into the deltas of a stream: words with the blanks that follow them."""
    return re.findall(r"\S+\s*|\s+", text)


# --- chat completions -----------------------------------------------------------------------


def chat_prompt_tokens(request: Json) -> int:
    """3 for the reply's primer, and 4 with the text's tokens for each message."""
    return 3 + sum(4 + tokens(flat_text(message)) for message in request.get("messages", []))


def chat_usage(prompt: int, completion: int, reasoning: int) -> Json:
    """The usage of a chat or text completion, with all its details."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached_tokens(prompt), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def tool_calls(request: Json) -> list[Json]:
    """One call of the first function tool; none after a tool's answer or without tools."""
    messages = request.get("messages") or [{}]
    if request.get("tool_choice") == "none" or messages[-1].get("role") == "tool":
        return []
    functions = [t["function"] for t in request.get("tools") or [] if t.get("type") == "function"]
    return [
        {
            "id": new_id("call_"),
            "type": "function",
            "function": {
                "name": function["name"],
                "arguments": json.dumps(fill(function.get("parameters") or {})),
            },
        }
        for function in functions[:1]
    ]


def chat_choice(request: Json, index: int) -> tuple[Json, int, int]:
    """One choice of a chat completion, its completion tokens and its reasoning tokens."""
    limit = request.get("max_completion_tokens", request.get("max_tokens"))
    calls = tool_calls(request)
    message: Json = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if calls:
        text = calls[0]["function"]["arguments"]
        message["tool_calls"] = calls
    else:
        form = request.get("response_format") or {}
        schema = (form.get("json_schema") or {}).get("schema")
        text = answer(flat_text((request.get("messages") or [""])[-1]), schema)
    text, completion, reasoning, cut = spent(request, limit, text)
    if not calls:
        message["content"] = text
    finish = "length" if cut else "tool_calls" if calls else "stop"
    choice = {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
    return choice, completion, reasoning


def chat(request: Json, response_id: str | None, usage: UsageMaker) -> Json:
    """The body of a chat completion, with ``n`` choices."""
    made = [chat_choice(request, index) for index in range(request.get("n") or 1)]
    counts = sum(m[1] for m in made), sum(m[2] for m in made)
    body = {
        "id": response_id or new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": response_model(request),
        "choices": [m[0] for m in made],
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
    }
    return with_usage(body, usage(chat_usage(chat_prompt_tokens(request), *counts)))


def with_usage(body: Json, usage: Json | None) -> Json:
    """The body with the usage; without the key if there is none."""
    return body if usage is None else {**body, "usage": usage}


# --- text completions and embeddings --------------------------------------------------------


def text_inputs(value: object) -> list[tuple[str, int]]:
    """Each input of a ``prompt`` or ``input`` field as its text and its token count."""
    if isinstance(value, list) and value and isinstance(value[0], int):
        return [("", len(value))]
    if isinstance(value, list):
        return [pair for part in value for pair in text_inputs(part)]
    return [(str(value), tokens(str(value)))]


def completion(request: Json, response_id: str | None, usage: UsageMaker) -> Json:
    """The body of a text completion: ``n`` choices for each prompt."""
    inputs = text_inputs(request.get("prompt", ""))
    wanted = [text for text, _ in inputs for _ in range(request.get("n") or 1)]
    made = [spent(request, request.get("max_tokens"), answer(text, None)) for text in wanted]
    body = {
        "id": response_id or new_id("cmpl-"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": response_model(request),
        "choices": [
            {
                "index": i,
                "text": m[0],
                "logprobs": None,
                "finish_reason": "length" if m[3] else "stop",
            }
            for i, m in enumerate(made)
        ],
    }
    counts = sum(m[1] for m in made), sum(m[2] for m in made)
    return with_usage(body, usage(chat_usage(sum(n for _, n in inputs), *counts)))


def embeddings(request: Json, response_id: str | None, usage: UsageMaker) -> Json:
    """The body of an embedding, as floats or in base64; OpenAI gives it no id."""
    inputs = text_inputs(request.get("input", ""))
    size = request.get("dimensions") or EMBEDDING_SIZE
    prompt = sum(count for _, count in inputs)
    vector: list[float] | str = [1.0] + [0.0] * (size - 1)
    if request.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
    data = [{"object": "embedding", "index": i, "embedding": vector} for i in range(len(inputs))]
    body: Json = {"object": "list", "data": data, "model": response_model(request)}
    if response_id:
        body["id"] = response_id
    return with_usage(body, usage({"prompt_tokens": prompt, "total_tokens": prompt}))
