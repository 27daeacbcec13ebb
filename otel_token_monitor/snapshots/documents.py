"""The documents in data files: what they hold, how they are written and read.

`schema_version` grows when a key is removed or means something else, not when one is added: what
reads them passes over keys that it does not know. Their JSON Schemas are in docs/schemas.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from otel_token_monitor.usage import Labels, Totals
from otel_token_monitor.views.sums import totals_document

__all__ = [
    "SCHEMA_VERSION",
    "DayDocument",
    "DaySums",
    "Document",
    "DocumentError",
    "ModelSums",
    "MonthDocument",
    "MonthSums",
    "ProjectDocument",
    "SumsOf",
    "Tokens",
    "UsageSums",
    "decoded",
    "encoded",
    "json_schema",
    "sums_of",
]

SCHEMA_VERSION: Final = 1

Count = Annotated[int, Meta(ge=0)]
Instant = Annotated[dt.datetime, Meta(tz=True)]
MonthName = Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]
LedgerId = Annotated[
    str, Meta(description="The random id of the ledger that the file was written from.")
]
TimeZone = Annotated[
    str, Meta(description="The IANA name of the time zone in which days and months end.")
]
Updated = Annotated[Instant, Meta(description="When these sums were read from the ledger.")]
Version = Annotated[
    Literal[1], Meta(description="Grows when a key is removed or means something else.")
]


class DocumentError(ValueError):
    """A file does not hold the document that it should; the message says where and why."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens whose number is exact, in five parts that do not overlap."""

    input: Count
    input_cached: Count
    input_cache_write: Count
    output: Count
    output_reasoning: Count


class SumsOf(msgspec.Struct, frozen=True, kw_only=True):
    """What calls add up to: all that the ledger holds of them, exactly."""

    total_tokens: Annotated[int, Meta(ge=0, description="input_tokens and output_tokens.")]
    input_tokens: Annotated[int, Meta(ge=0, description="Cached ones are among them.")]
    output_tokens: Annotated[int, Meta(ge=0, description="Those of reasoning are among them.")]
    tokens: Tokens
    estimated_tokens: Annotated[int, Meta(ge=0, description="Of total_tokens they are no part.")]
    estimated_input_tokens: Count
    estimated_output_tokens: Count
    requests: Annotated[int, Meta(ge=0, description="All calls.")]
    errors: Annotated[int, Meta(ge=0, description="Calls that failed.")]
    unmetered_requests: Annotated[
        int, Meta(ge=0, description="Calls whose exact usage nobody sent.")
    ]
    unpriced_requests: Annotated[int, Meta(ge=0, description="Calls whose price is not known.")]
    cost_usd: Annotated[float | None, Meta(description="In US dollars; null if no price is known.")]
    cost_nanousd: Annotated[
        int, Meta(ge=0, description="The same, exactly: in thousand-millionths of a dollar.")
    ]

    def __post_init__(self) -> None:
        """Raise ValueError if the sums contradict one another."""
        parts = self.tokens
        given = parts.input + parts.input_cached + parts.input_cache_write
        made = parts.output + parts.output_reasoning
        for name, value in (
            ("input_tokens", given),
            ("output_tokens", made),
            ("total_tokens", given + made),
            ("estimated_tokens", self.estimated_input_tokens + self.estimated_output_tokens),
        ):
            if getattr(self, name) != value:
                message = f"{name} is {getattr(self, name)}, its parts add up to {value}"
                raise ValueError(message)
        if self.errors > self.requests:
            message = f"errors is {self.errors}, more than the {self.requests} requests"
            raise ValueError(message)

    @property
    def totals(self) -> Totals:
        """The same sums as the ledger has them."""
        parts = self.tokens
        return Totals(
            input=parts.input,
            input_cached=parts.input_cached,
            input_cache_write=parts.input_cache_write,
            output=parts.output,
            output_reasoning=parts.output_reasoning,
            estimated_input=self.estimated_input_tokens,
            estimated_output=self.estimated_output_tokens,
            requests_ok=self.requests - self.errors,
            requests_error=self.errors,
            unmetered=self.unmetered_requests,
            cost_nanousd=self.cost_nanousd,
            unpriced=self.unpriced_requests,
        )


# What the sums are of goes first: fields that are not keyword-only come before those that are.
class UsageSums(SumsOf, frozen=True):
    """The sums of one project, provider, model and endpoint."""

    project: str
    provider: str
    model: str
    endpoint: str

    @property
    def labels(self) -> Labels:
        """What they are the sums of."""
        return Labels(self.project, self.provider, self.model, self.endpoint)


class DaySums(SumsOf, frozen=True):
    """The sums of one day."""

    date: dt.date


class MonthSums(SumsOf, frozen=True):
    """The sums of one month."""

    month: MonthName


class ModelSums(SumsOf, frozen=True):
    """The sums of one model."""

    model: str


class DayDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of one calendar day add up to: `usage_YYYY-MM-DD.json`."""

    schema_version: Version
    kind: Literal["day"]
    date: dt.date
    timezone: TimeZone
    start: Annotated[Instant, Meta(description="The first instant of the day.")]
    end: Annotated[Instant, Meta(description="The first instant after it.")]
    ledger: LedgerId
    updated: Updated
    total: SumsOf
    usage: list[UsageSums]


class MonthDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of one calendar month add up to: `monthly_YYYY-MM.json`."""

    schema_version: Version
    kind: Literal["month"]
    month: MonthName
    timezone: TimeZone
    start: Annotated[Instant, Meta(description="The first instant of the month.")]
    end: Annotated[Instant, Meta(description="The first instant after it.")]
    ledger: LedgerId
    updated: Updated
    total: SumsOf
    usage: list[UsageSums]


class ProjectDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of one project add up to: `project_<id>.json`."""

    schema_version: Version
    kind: Literal["project"]
    project: Annotated[str, Meta(description="Its name; the file's name may be another.")]
    timezone: TimeZone
    ledger: LedgerId
    updated: Updated
    total: Annotated[SumsOf, Meta(description="Of all time.")]
    months: Annotated[list[MonthSums], Meta(description="All that have calls.")]
    days: Annotated[list[DaySums], Meta(description="Those of the current and the previous month.")]
    models: Annotated[
        list[ModelSums], Meta(description="Of all time; the one with most tokens goes first.")
    ]


Document = DayDocument | MonthDocument | ProjectDocument
D = TypeVar("D", bound=Document)
S = TypeVar("S", bound=SumsOf)

_DECODERS: Final[dict[type, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind) for kind in (DayDocument, MonthDocument, ProjectDocument)
}


def sums_of(kind: type[S], totals: Totals, **what: Any) -> S:
    """Sums as a document has them; `what` they are of, as `kind` has it."""
    fields = totals_document(totals)
    return kind(**what, **{**fields, "tokens": Tokens(**fields["tokens"])})


def encoded(document: Document) -> bytes:
    """A document as the content of a file: UTF-8, indented, a line feed at the end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decoded(content: bytes, kind: type[D]) -> D:
    """The document in a file's content. Raises DocumentError."""
    try:
        document: D = _DECODERS[kind].decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(str(error)) from error
    return document


def json_schema(kind: type[Document]) -> dict[str, Any]:
    """The JSON Schema of a document."""
    (root,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    del root
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **parts.pop(kind.__name__),
        "$defs": dict(sorted(parts.items())),
    }
