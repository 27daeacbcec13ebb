"""What a call used that was left before its usage came: an estimate, by a fixed rule.

A token is four bytes of UTF-8, begun or full. Input: the texts of the request (messages, input,
prompt, instructions, tools), and each token that it gives as a number. Output: the text that
arrived, reasoning and the arguments of tools included. Images, audio and files count nothing.
"""

from __future__ import annotations

from typing import Final

from otel_token_monitor.usage import TokenUsage

__all__ = ["estimated_usage"]

_BYTES_PER_TOKEN: Final = 4
_TEXTS: Final = ("messages", "input", "prompt", "instructions", "tools", "functions")
# What is not said to the model, or is no text.
_NO_TEXT: Final = frozenset(
    {
        "audio",
        "call_id",
        "data",
        "detail",
        "file_data",
        "file_id",
        "file_url",
        "format",
        "id",
        "image_url",
        "input_audio",
        "role",
        "status",
        "tool_call_id",
        "type",
    }
)
# A request of more parts than this is not looked at any further.
_MOST_PARTS: Final = 100_000


def estimated_usage(request: object, text_bytes: int) -> TokenUsage:
    """The usage of a call with this request, of which so many bytes of text arrived."""
    size, numbers = 0, 0
    parts = [request.get(key) for key in _TEXTS] if isinstance(request, dict) else []
    looked_at = 0
    while parts and looked_at < _MOST_PARTS:
        part = parts.pop()
        looked_at += 1
        if isinstance(part, str):
            size += len(part.encode("utf-8", "surrogatepass"))
        elif isinstance(part, (list, tuple)):
            parts += part
        elif isinstance(part, dict):
            parts += [value for key, value in part.items() if key not in _NO_TEXT]
        elif type(part) is int:
            numbers += 1
    return TokenUsage(input=_tokens(size) + numbers, output=_tokens(text_bytes))


def _tokens(size: int) -> int:
    return -(-size // _BYTES_PER_TOKEN)
