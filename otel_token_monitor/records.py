"""The record of a call that was made without instrumentation, from what its caller knows."""

from __future__ import annotations

import math
import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import time_ns as now_ns
from typing import Final

from otel_token_monitor.dialects.outcome import UNKNOWN_ERROR
from otel_token_monitor.dialects.tokens import MAX_TOKENS
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

__all__ = ["MANUAL", "endpoint_of", "labels_of", "new_record", "usage_of"]

MANUAL: Final = "manual"
"""The source of a record that no instrumentation told of."""

_ENDPOINTS: Final = {
    "chat": "chat/completions",
    "chat_completion": "chat/completions",
    "chat_completions": "chat/completions",
    "chat.completions": "chat/completions",
    "completion": "completions",
    "text_completion": "completions",
    "embedding": "embeddings",
    "response": "responses",
    "image": "images/generations",
    "image_generation": "images/generations",
    "image_edit": "images/edits",
    "image_variation": "images/variations",
    "audio_transcription": "audio/transcriptions",
    "transcription": "audio/transcriptions",
    "audio_translation": "audio/translations",
    "translation": "audio/translations",
    "audio_speech": "audio/speech",
    "speech": "audio/speech",
    "tts": "audio/speech",
    "moderation": "moderations",
}

_MAX_TEXT: Final = 128
_MAX_ID: Final = 256
_MAX_URL: Final = 2048
_MAX_SECONDS: Final = 7 * 86400
_MAX_COST_USD: Final = 10_000
_NANO: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_SIGN: Final = 1 << 63


def new_record(  # noqa: PLR0913 - a record says as much
    labels: Labels,
    usage: TokenUsage | None,
    *,
    status: str = "ok",
    error_type: str | None = None,
    response_id: str | None = None,
    response_model: str | None = None,
    duration: float | None = None,
    time: datetime | None = None,
    cost_usd: Decimal | float | None = None,
    estimated: bool = False,
    trace_id: int = 0,
) -> UsageRecord:
    """A record of one call; see TokenMonitor.create_usage_record. `trace_id` may be 0: none.

    Raises TypeError or ValueError, saying which parameter cannot be used, and what can.
    """
    failed = _is_error(status, error_type)
    if estimated and usage is None:
        message = "estimated=True goes with a usage: give input_tokens and output_tokens, too"
        raise ValueError(message)
    # Refused, a call used nothing: that is known.
    refused = failed and usage is not None and not any(usage)
    return UsageRecord(
        time_ns=_nanoseconds_of(time),
        nonce=secrets.randbits(64) - _SIGN,
        labels=labels,
        source=MANUAL,
        status="error" if failed else "ok",
        usage=None if refused else usage,
        estimated=bool(estimated) and not refused,
        unmetered="no_usage" if usage is None else None,
        response_model=None if response_model is None else _text("response_model", response_model),
        response_id=None if response_id is None else _text("response_id", response_id, _MAX_ID),
        duration_ns=None if duration is None else _duration_ns_of(duration),
        error_type=_text("error_type", error_type or UNKNOWN_ERROR) if failed else None,
        cost_nanousd=None if cost_usd is None else _nanodollars_of(cost_usd),
        trace_id=f"{trace_id:032x}" if trace_id else None,
    )


def labels_of(project: str, provider: str, model: str, endpoint: str) -> Labels:
    """What a call is counted under. Raises TypeError or ValueError."""
    return Labels(
        project, _text("provider", provider), _text("model", model), endpoint_of(endpoint)
    )


def endpoint_of(said: str) -> str:
    """The OpenAI path without `/v1/` of an endpoint, also of one that was given another name.

    Raises TypeError or ValueError.
    """
    path = _text("endpoint", said, _MAX_URL).rpartition("/v1/")[2].removeprefix("v1/").strip("/")
    return _text("endpoint", _ENDPOINTS.get(path, path))


def usage_of(
    input_tokens: int | None,
    output_tokens: int | None,
    *,
    cached_tokens: int = 0,
    cache_write_tokens: int = 0,
    reasoning_tokens: int = 0,
) -> TokenUsage | None:
    """The five parts of what OpenAI reports; None if it reported nothing.

    Cached tokens are among the input tokens there, and reasoning among the output.

    Raises TypeError or ValueError.
    """
    cached = _count("cached_tokens", cached_tokens)
    written = _count("cache_write_tokens", cache_write_tokens)
    reasoning = _count("reasoning_tokens", reasoning_tokens)
    if input_tokens is None and output_tokens is None:
        if cached or written or reasoning:
            message = "parts are known, but input_tokens and output_tokens are None: give both"
            raise ValueError(message)
        return None
    if input_tokens is None or output_tokens is None:
        missing = "input_tokens" if input_tokens is None else "output_tokens"
        message = f"{missing} is None: give both counts, or None for both if the usage is unknown"
        raise ValueError(message)
    whole_input = _count("input_tokens", input_tokens)
    whole_output = _count("output_tokens", output_tokens)
    if cached + written > whole_input:
        message = (
            f"cached_tokens={cached} and cache_write_tokens={written} are more than "
            f"input_tokens={whole_input}: input_tokens must include them, as OpenAI's do"
        )
        raise ValueError(message)
    if reasoning > whole_output:
        message = (
            f"reasoning_tokens={reasoning} are more than output_tokens={whole_output}: "
            f"output_tokens must include them, as OpenAI's do"
        )
        raise ValueError(message)
    return TokenUsage(
        whole_input - cached - written, cached, written, whole_output - reasoning, reasoning
    )


def _is_error(status: object, error_type: object) -> bool:
    """Whether the call failed: so it did where the type of an error is given."""
    if status not in {"ok", "error"}:
        message = f"status={status!r}: use 'ok' or 'error'"
        raise ValueError(message)
    return status == "error" or error_type is not None


def _count(name: str, value: object) -> int:
    """A number of tokens."""
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"{name}={value!r}: use a whole number of tokens"
        raise TypeError(message)
    if not 0 <= value < MAX_TOKENS:
        message = f"{name}={value}: use a number from 0 to {MAX_TOKENS - 1}"
        raise ValueError(message)
    return value


def _text(name: str, value: object, limit: int = _MAX_TEXT) -> str:
    """A text that may be a label."""
    if not isinstance(value, str):
        message = f"{name}={value!r}: use a string"
        raise TypeError(message)
    if not value.strip() or len(value) > limit or not value.isprintable():
        message = f"{name}={value[:200]!r}: use 1 to {limit} printable characters"
        raise ValueError(message)
    return value


def _nanoseconds_of(time: object) -> int:
    """When a call ended, in nanoseconds since the epoch; now, if nobody said."""
    if time is None:
        return now_ns()
    if not isinstance(time, datetime):
        message = f"time={time!r}: use a datetime with a time zone"
        raise TypeError(message)
    if time.utcoffset() is None:
        message = f"time={time!r} has no time zone: use datetime.now(timezone.utc), say"
        raise ValueError(message)
    if not _EPOCH < time < _LATEST:
        message = f"time={time!r}: use a time between the years 1970 and 2100"
        raise ValueError(message)
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _duration_ns_of(duration: object) -> int:
    """A duration in nanoseconds."""
    seconds = _number("duration", duration, "a number of seconds")
    if not 0 <= seconds < _MAX_SECONDS:
        message = f"duration={duration!r}: use seconds, from 0 to a week"
        raise ValueError(message)
    return round(seconds * _NANO)


def _nanodollars_of(cost: object) -> int:
    """A cost in nano-dollars."""
    dollars = _number("cost_usd", cost, "a number of dollars, or None for the price that is known")
    if not 0 <= dollars < _MAX_COST_USD:
        message = f"cost_usd={cost!r}: use dollars, from 0 to {_MAX_COST_USD}"
        raise ValueError(message)
    return round(dollars * _NANO)


def _number(name: str, value: object, wanted: str) -> Decimal | float:
    """A finite number."""
    if not isinstance(value, (int, float, Decimal)) or isinstance(value, bool):
        message = f"{name}={value!r}: use {wanted}"
        raise TypeError(message)
    if not math.isfinite(value):
        message = f"{name}={value!r}: use {wanted}"
        raise ValueError(message)
    return value
