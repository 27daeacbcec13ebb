"""What a span says of tokens, as five parts that do not overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.dialects.names import ALL_NAMES, Names
from otel_token_monitor.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_TOKENS", "ReadUsage", "disjoint", "read_usage"]

MAX_TOKENS: Final = 2**32
"""No call has so many tokens; and the sums of all calls still fit SQLite's 64 bits."""

_DIGITS: Final = 12


class ReadUsage(NamedTuple):
    """Usage read from a span; None without any. `invalid`: there were values, none usable."""

    usage: TokenUsage | None
    invalid: bool = False


def read_usage(
    attributes: Mapping[str, object],
    names: Names = ALL_NAMES,
    *,
    is_embedding: bool = False,
    zeros_count: bool = False,
) -> ReadUsage:
    """The usage on a span, whichever dialect it is written in.

    Zeros alone are what some instrumentations write when they know nothing, and no usage, unless
    `zeros_count`.
    """
    input_tokens, bad_input = _first(attributes, names.input)
    output_tokens, bad_output = _first(attributes, names.output)
    total, bad_total = _first(attributes, names.total)
    known = (input_tokens, output_tokens, total) != (None, None, None)
    if not (input_tokens or output_tokens or total or (zeros_count and known)):
        return ReadUsage(None, bad_input or bad_output or bad_total)
    if input_tokens is None or output_tokens is None:
        input_tokens, output_tokens = _completed(input_tokens, output_tokens, total)
    elif is_embedding:
        # Some instrumentations repeat the total as output; an embedding has no output tokens.
        output_tokens = 0 if total == input_tokens else output_tokens
    cache_read, _ = _first(attributes, names.cache_read)
    cache_write, _ = _first(attributes, names.cache_write)
    reasoning, _ = _first(attributes, names.reasoning)
    return ReadUsage(
        disjoint(
            input_tokens, output_tokens, cache_read or 0, cache_write or 0, reasoning or 0, total
        )
    )


def disjoint(  # noqa: PLR0913, PLR0917 - as many counts as there are
    input_tokens: int,
    output_tokens: int,
    cache_read: int = 0,
    cache_write: int = 0,
    reasoning: int = 0,
    total: int | None = None,
) -> TokenUsage:
    """Take apart counts that overlap, or not: the dialects disagree, so the numbers decide.

    The conventions say that input includes what was cached, and output the reasoning. Raw
    Anthropic counts, and early Vercel ones, leave the cache out of input; raw Gemini counts leave
    reasoning out of output. A part larger than its whole, or a total that only fits so, tells.
    """
    cached = cache_read + cache_write
    cache_beside = cached > input_tokens
    reasoning_beside = reasoning > output_tokens
    if total is not None and total != input_tokens + output_tokens:
        for cache_too, reasoning_too in ((True, False), (False, True), (True, True)):
            summed = input_tokens + output_tokens + cached * cache_too + reasoning * reasoning_too
            if summed == total:
                cache_beside = cache_beside or cache_too
                reasoning_beside = reasoning_beside or reasoning_too
                break
    return TokenUsage(
        input_tokens if cache_beside else input_tokens - cached,
        cache_read,
        cache_write,
        output_tokens if reasoning_beside else output_tokens - reasoning,
        reasoning,
    )


def _completed(
    input_tokens: int | None, output_tokens: int | None, total: int | None
) -> tuple[int, int]:
    """Input and output where one of them, or both, must come from the total."""
    if input_tokens is None and output_tokens is None:
        return total or 0, 0
    if input_tokens is None:
        return max((total or 0) - (output_tokens or 0), 0), output_tokens or 0
    return input_tokens, max((total or 0) - input_tokens, 0)


def _first(attributes: Mapping[str, object], keys: tuple[str, ...]) -> tuple[int | None, bool]:
    """The first usable count under these names; and whether an unusable one was seen before."""
    if not keys:
        return None, False
    invalid = False
    for key in keys:
        value = attributes.get(key)
        if value is None:
            continue
        if type(value) is int and 0 <= value < MAX_TOKENS:
            return value, invalid
        count = _count(value)
        if count is not None:
            return count, invalid
        invalid = True
    return None, invalid


def _count(value: object) -> int | None:
    """A count that was not written as a plain integer: a whole float, or digits; else None."""
    digits = (
        isinstance(value, str) and len(value) <= _DIGITS and value.isascii() and value.isdigit()
    )
    if digits or (isinstance(value, float) and value.is_integer()):
        value = int(value)  # type: ignore[call-overload]
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return int(value) if 0 <= value < MAX_TOKENS else None
