"""What was spent between two days, by whatever one wants to know it by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_token_monitor.budgets.windows import Span, day_span, month_span
from otel_token_monitor.usage import QUARTER_NS, Labels, Totals
from otel_token_monitor.views.report import SCHEMA_VERSION
from otel_token_monitor.views.sums import summed, totals_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = [
    "TIMES",
    "Breakdown",
    "By",
    "Cell",
    "Part",
    "Question",
    "TooFineError",
    "broken_down",
    "ledger_cells",
    "take_breakdown",
]

MOST_SPANS: Final = 10_000
"""Of time: what is asked of a ledger at once."""

_NANO: Final = 1_000_000_000
_DAY: Final = timedelta(days=1)


class By(StrEnum):
    """What sums are told apart by."""

    PROJECT = "project"
    MODEL = "model"
    ENDPOINT = "endpoint"
    PROVIDER = "provider"
    DAY = "day"
    MONTH = "month"
    HOUR = "hour"
    DIRECTORY = "directory"


TIMES: Final = (By.HOUR, By.DAY, By.MONTH)
"""Those that are times, the finest first."""

_LABELS: Final = frozenset(map(By, Labels._fields))


class TooFineError(ValueError):
    """More spans of time are asked for than `MOST_SPANS`; the message has the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which calls: those of both days and all between them, in a time zone.

    Of one project and of the models that match a glob, unless these are None.
    """

    by: tuple[By, ...]
    since: date
    until: date
    zone: ZoneInfo
    project: str | None = None
    model: str | None = None

    def asks_for(self, labels: Labels) -> bool:
        """Whether calls under these labels are meant."""
        return (self.project is None or labels.project == self.project) and (
            self.model is None or fnmatchcase(labels.model, self.model)
        )


class Cell(NamedTuple):
    """The sum of one label set, and the name of each `By` that is no label: times, a directory."""

    names: Mapping[By, str]
    labels: Labels
    totals: Totals


class Part(NamedTuple):
    """A sum and its key: a text for each `By` of the question."""

    key: tuple[str, ...]
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The answer: no part is without a call. `timezone` is None where days are of several zones.

    Parts are in order of the first thing the question is by, then of the second, and so on: times
    as they follow one another, all else by tokens, most first.
    """

    question: Question
    timezone: str | None
    parts: tuple[Part, ...]

    @property
    def total(self) -> Totals:
        """The sum of all parts."""
        return summed(part.totals for part in self.parts)

    def document(self) -> dict[str, Any]:
        """As JSON; the keys of `usage` are those of `by`, and of sums."""
        asked = self.question
        return {
            "schema_version": SCHEMA_VERSION,
            "timezone": self.timezone,
            "since": asked.since.isoformat(),
            "until": asked.until.isoformat(),
            "project": asked.project,
            "model": asked.model,
            "by": [str(by) for by in asked.by],
            "total": totals_document(self.total),
            "usage": [
                {**dict(zip(map(str, asked.by), key, strict=True)), **totals_document(totals)}
                for key, totals in self.parts
            ],
        }


def take_breakdown(reader: LedgerReader, question: Question) -> Breakdown:
    """Ask a ledger, all of it as of one moment. Raises LedgerError or TooFineError."""
    return broken_down(question, ledger_cells(reader, question), timezone=question.zone.key)


def ledger_cells(reader: LedgerReader, question: Question) -> list[Cell]:
    """What a ledger has of the days of a question, all of it as of one moment.

    Which projects and models it is about is left to `broken_down`. Raises LedgerError, or
    TooFineError before the ledger is asked.
    """
    spans = _spans(question)
    with reader.moment():
        return [cell for span in spans for cell in _cells(reader, span)]


def broken_down(question: Question, cells: Iterable[Cell], *, timezone: str | None) -> Breakdown:
    """The cells that a question asks for, added up by what it tells apart."""
    groups: dict[tuple[str, ...], list[Totals]] = {}
    for names, labels, totals in cells:
        if question.asks_for(labels):
            key = tuple(getattr(labels, by) if by in _LABELS else names[by] for by in question.by)
            groups.setdefault(key, []).append(totals)
    parts = [Part(key, summed(sums)) for key, sums in groups.items()]
    return Breakdown(
        question=question, timezone=timezone, parts=tuple(_ordered(parts, question.by))
    )


class _Named(NamedTuple):
    """A span of time, and its name for each `By` that is a time."""

    span: Span
    names: dict[By, str]


def _cells(reader: LedgerReader, named: _Named) -> Iterator[Cell]:
    start, end = (time_ns // QUARTER_NS for time_ns in named.span)
    for labels, totals in reader.totals(start, end).items():
        yield Cell(named.names, labels, totals)


def _ordered(parts: list[Part], by: tuple[By, ...]) -> list[Part]:
    tokens: Counter[tuple[str, ...]] = Counter()
    for key, totals in parts:
        for length in range(1, len(key) + 1):
            tokens[key[:length]] += totals.total_tokens

    def place(part: Part) -> list[tuple[int, str]]:
        return [
            (0 if one in TIMES else -tokens[part.key[: index + 1]], part.key[index])
            for index, one in enumerate(by)
        ]

    return sorted(parts, key=place)


def _spans(question: Question) -> list[_Named]:
    """The spans of the finest time that the question is by; the whole if it is by none."""
    finest = next((by for by in TIMES if by in question.by), None)
    spans = []
    for named in _WALKS[finest](question):
        spans.append(named)
        if len(spans) > MOST_SPANS:
            coarser = By.MONTH if finest is By.DAY else By.DAY
            message = (
                f"{question.since} to {question.until} by {finest} has more than {MOST_SPANS:,} "
                f"rows: ask for less time, or by {coarser}"
            )
            raise TooFineError(message)
    return spans


def _whole(question: Question) -> Iterator[_Named]:
    start = day_span(question.since, question.zone).start_ns
    yield _Named(Span(start, day_span(question.until, question.zone).end_ns), {})


def _months(question: Question) -> Iterator[_Named]:
    """The months, of which the first and the last may not be whole."""
    ((whole, _),) = _whole(question)
    day = question.since
    while day <= question.until:
        start, end = month_span(day, question.zone)
        span = Span(max(start, whole.start_ns), min(end, whole.end_ns))
        yield _Named(span, {By.MONTH: f"{day:%Y-%m}"})
        day = (day.replace(day=1) + 31 * _DAY).replace(day=1)


def _days(question: Question) -> Iterator[_Named]:
    for number in range((question.until - question.since).days + 1):
        day = question.since + number * _DAY
        names = {By.DAY: day.isoformat(), By.MONTH: f"{day:%Y-%m}"}
        yield _Named(day_span(day, question.zone), names)


def _hours(question: Question) -> Iterator[_Named]:
    """The hours that a clock on the wall shows; one that is shown twice is two."""
    for (start_ns, end_ns), names in _days(question):
        begins = [start_ns]
        for quarter_ns in range(start_ns + QUARTER_NS, end_ns, QUARTER_NS):
            before, now = (_local(at, question.zone) for at in (begins[-1], quarter_ns))
            if (now.hour, now.utcoffset()) != (before.hour, before.utcoffset()):
                begins.append(quarter_ns)
        for begin, end in zip(begins, [*begins[1:], end_ns], strict=True):
            hour = _local(begin, question.zone).isoformat(timespec="minutes")
            yield _Named(Span(begin, end), {**names, By.HOUR: hour})


def _local(time_ns: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(time_ns // _NANO, UTC).astimezone(zone)


_WALKS: Final[dict[By | None, Callable[[Question], Iterator[_Named]]]] = {
    None: _whole,
    By.MONTH: _months,
    By.DAY: _days,
    By.HOUR: _hours,
}
