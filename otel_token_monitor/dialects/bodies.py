"""The usage that a response's body tells, as servers of OpenAI's protocol write it."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from otel_token_monitor.dialects.names import Names
from otel_token_monitor.dialects.tokens import MAX_TOKENS, ReadUsage, read_usage

__all__ = ["is_by_duration", "modalities_in_body", "parsed_usage", "usage_in_body"]

# Chat and text completions say prompt and completion, all newer endpoints input and output; the
# details are one level below, in a singular or a plural. DeepSeek names what hit its cache.
_USAGE: Final = Names(
    input=("input_tokens", "prompt_tokens"),
    output=("output_tokens", "completion_tokens"),
    total=("total_tokens",),
    cache_read=(
        "input_tokens_details.cached_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_token_details.cached_tokens",
        "cache_read_input_tokens",
        "prompt_cache_hit_tokens",
    ),
    cache_write=(
        "input_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_creation_tokens",
        "cache_creation_input_tokens",
    ),
    reasoning=(
        "output_tokens_details.reasoning_tokens",
        "completion_tokens_details.reasoning_tokens",
        "reasoning_tokens",
    ),
)

# Where each direction's tokens are taken apart, and what of them.
_DETAILS: Final = (
    (
        "input",
        _USAGE.input,
        ("input_tokens_details", "prompt_tokens_details", "input_token_details"),
    ),
    (
        "output",
        _USAGE.output,
        ("output_tokens_details", "completion_tokens_details", "output_token_details"),
    ),
)
_MODALITIES: Final = (("audio", "audio_tokens"), ("image", "image_tokens"))

# What of the details the five parts need: the name of an object, and names within.
_NESTED: Final = {
    outer: tuple(
        (name.partition(".")[2], name)
        for names in _USAGE
        for name in names
        if name.startswith(f"{outer}.")
    )
    for _, _, details in _DETAILS
    for outer in details
}


def parsed_usage(told: bytes) -> object:
    """The `usage` of a body, from its JSON; where it is none, something that is no usage."""
    try:
        return msgspec.json.decode(told)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Takes what the other refuses: NaN, and numbers out of range.
        return json.loads(told)
    except (ValueError, RecursionError):
        return told


def usage_in_body(usage: object) -> ReadUsage:
    """The five parts of a `usage` object; none where it is not one, or says nothing usable.

    Unlike on a span, zeros count: who sends a body with `usage` knows it.
    """
    if not isinstance(usage, dict):
        return ReadUsage(None, invalid=usage is not None)
    flat = dict(usage)
    for outer, inner in _NESTED.items():
        detail = usage.get(outer)
        if isinstance(detail, dict):
            for within, name in inner:
                flat[name] = detail.get(within)
    return read_usage(flat, _USAGE, zeros_count=True)


def modalities_in_body(usage: object) -> tuple[tuple[str, str, int], ...]:
    """Which of the tokens are audio's and images': direction, modality and number.

    They are among the five parts, not beside them: a number that is more than its whole is none.
    """
    if not isinstance(usage, dict):
        return ()
    found: dict[tuple[str, str], int] = {}
    for direction, wholes, details in _DETAILS:
        for key in details:
            detail = usage.get(key)
            if isinstance(detail, dict):
                for modality, name in _MODALITIES:
                    count = detail.get(name)
                    if type(count) is int and 0 < count <= _whole(usage, wholes) < MAX_TOKENS:
                        found.setdefault((direction, modality), count)
    return tuple((*key, count) for key, count in found.items())


def _whole(usage: dict[str, Any], names: tuple[str, ...]) -> int:
    return next((usage[name] for name in names if type(usage.get(name)) is int), 0)


def is_by_duration(usage: object) -> bool:
    """Whether a call is paid by the second, as some transcriptions are: it has no tokens."""
    return isinstance(usage, dict) and usage.get("type") == "duration"
