"""What a file holds: single calls, sums of calls without records, and the facts about itself."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from otel_token_monitor.dialects.tokens import MAX_TOKENS

__all__ = ["KIND", "SCHEMA_VERSION", "Call", "Count", "Head", "Sum", "reason_of"]

KIND: Final = "otel_token_monitor.export"
SCHEMA_VERSION: Final = 1

# What no call has, and no quarter-hour: with these bounds the sums of a ledger fit its 64 bits.
_MAX_DURATION_NS: Final = 10**15
_MAX_COST_NANOUSD: Final = 10_000 * 10**9
_MAX_SUM: Final = 2**60

Tokens = Annotated[int, Meta(ge=0, lt=MAX_TOKENS)]
Nanoseconds = Annotated[int, Meta(ge=0, le=_MAX_DURATION_NS)]
Cost = Annotated[int, Meta(ge=0, le=_MAX_COST_NANOUSD)]
Amount = Annotated[int, Meta(ge=0, le=_MAX_SUM)]
# In characters; that they are printable is checked later, for many at once.
Text = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Time = Annotated[str, Meta(min_length=17, max_length=48)]
CallId = Annotated[str, Meta(min_length=17, max_length=17)]


class Call(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False, kw_only=False):
    """A single call, as `LedgerReader.calls` gives it.

    `time` is when it ended, `id` an x and 16 hexadecimal digits. A usage that is not known has
    none of its five parts. Without garbage collection, which has nothing to find here.
    """

    time: Time
    id: CallId
    project: Text
    provider: Text
    model: Text
    endpoint: Text
    source: Text
    status: Literal["ok", "error"]
    input: Tokens | None = None
    input_cached: Tokens | None = None
    input_cache_write: Tokens | None = None
    output: Tokens | None = None
    output_reasoning: Tokens | None = None
    estimated: bool | None = None
    unmetered: Text | None = None
    response_model: Text | None = None
    response_id: Name | None = None
    duration_ns: Nanoseconds | None = None
    first_token_ns: Nanoseconds | None = None
    error_type: Text | None = None
    cost_nanousd: Cost | None = None
    trace_id: Name | None = None
    span_id: Name | None = None


class Sum(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """What calls of one quarter-hour and label set add up to of which there is no record.

    `time` is when the quarter-hour began, `ledger` the id of the ledger that counted them.
    """

    time: Time
    ledger: Text
    project: Text
    provider: Text
    model: Text
    endpoint: Text
    input: Amount = 0
    input_cached: Amount = 0
    input_cache_write: Amount = 0
    output: Amount = 0
    output_reasoning: Amount = 0
    estimated_input: Amount = 0
    estimated_output: Amount = 0
    requests_ok: Amount = 0
    requests_error: Amount = 0
    unmetered_requests: Amount = 0
    cost_nanousd: Amount = 0
    unpriced_requests: Amount = 0


class Count(msgspec.Struct, forbid_unknown_fields=True):
    """How many of each a file holds."""

    calls: Annotated[int, Meta(ge=0)]
    sums: Annotated[int, Meta(ge=0)]


class Head(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a JSON document says of itself: which ledger, which days, from when to when."""

    schema_version: Annotated[int, Meta(ge=1)]
    kind: str
    ledger: Text
    timezone: Text
    start: Annotated[str, Meta(max_length=10)]
    end: Annotated[str, Meta(max_length=10)]
    from_: Time = msgspec.field(name="from")
    to: Time
    count: Count


_PLACE: Final = re.compile(r" - at `\$(?:\[\d+\]|\[\.\.\.\])?(?:\.)?(?P<field>[^`]*)`$")
_SAID: Final = (
    (re.compile(r"Object contains unknown field `(.*)`", re.DOTALL), r"unknown field '\1'"),
    (re.compile(r"Object missing required field `(.*)`"), r"'\1' is missing"),
    (re.compile(r"Invalid enum value (.*)", re.DOTALL), r"\1: use 'ok' or 'error'"),
    (re.compile(r"Expected `str` of length (.*)"), r"use a text of \1 characters"),
    (re.compile(r"Expected `(?:int|int \| null)` (.*)"), r"use a whole number \1"),
    (re.compile(r"Expected `([^`]*)`, got `([^`]*)`"), r"use \1, not \2"),
    (re.compile(r"Input data was truncated"), "the text is cut off"),
    (re.compile(r"JSON is malformed: (.*) \(byte \d+\)"), r"malformed JSON: \1"),
)
_NULL: Final = re.compile(r"(?<=use )(\w+) \| null(?=, not)")


def reason_of(error: Exception) -> str:
    """What msgspec or Python says of a value, in the words of the file."""
    if isinstance(error, UnicodeDecodeError):
        return f"text that is not UTF-8 ({error.reason})"
    text = str(error)
    place = _PLACE.search(text)
    text = text[: place.start()] if place else text
    for pattern, words in _SAID:
        text = pattern.sub(words, text)
    field = place["field"] if place else ""
    text = _NULL.sub(r"\1", text)
    return f"{field}: {text}" if field else text


FIELDS_OF_CALL: Final[tuple[str, ...]] = Call.__struct_fields__
FIELDS_OF_SUM: Final[tuple[str, ...]] = Sum.__struct_fields__


def columns_of(rows: list[Any]) -> tuple[tuple[Any, ...], ...]:
    """The values of many structs of one kind, field by field."""
    return tuple(zip(*map(msgspec.structs.astuple, rows), strict=True))
