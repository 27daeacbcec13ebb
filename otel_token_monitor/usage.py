"""What flows through the house: one call to a model, and the sums of many."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BATCHES",
    "DURATION_BOUNDS",
    "FIRST_TOKEN_BOUNDS",
    "MAX_PROJECT_LENGTH",
    "NANODOLLARS",
    "OTHER",
    "QUARTER_NS",
    "QUARTER_SECONDS",
    "TOKEN_BOUNDS",
    "Labels",
    "PolledRecord",
    "Sums",
    "TokenUsage",
    "Totals",
    "UsageRecord",
    "Used",
    "check_project",
]

NANODOLLARS: Final = 1_000_000_000
"""In a dollar: money is counted in whole nano-dollars."""

QUARTER_SECONDS: Final = 900
"""Sums are kept per UTC quarter-hour: every time zone's offset is a multiple of it."""
QUARTER_NS: Final = QUARTER_SECONDS * 1_000_000_000
"""The same in nanoseconds."""

# The bounds of OpenTelemetry's GenAI conventions, without those that tell nobody anything (no call
# to a model ends within 40 ms, no prompt has 4 tokens).
DURATION_BOUNDS: Final = (0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_BOUNDS: Final = (0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKEN_BOUNDS: Final = (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)

MAX_PROJECT_LENGTH: Final = 128

_NANOSECONDS: Final = 1_000_000_000


def check_project(name: object) -> str:
    """The name, if it may name a project.

    Raises TypeError or ValueError.
    """
    if not isinstance(name, str):
        message = f"a project's name must be a string, not {name!r}"
        raise TypeError(message)
    if not name.strip() or len(name) > MAX_PROJECT_LENGTH or not name.isprintable():
        message = (
            f"{name[:200]!r} cannot name a project: "
            f"use 1 to {MAX_PROJECT_LENGTH} printable characters"
        )
        raise ValueError(message)
    return name


class TokenUsage(NamedTuple):
    """The tokens of one call, in five parts that do not overlap: their sum is the total.

    `input_tokens` and `output_tokens`, as OpenAI reports them, are sums of these parts.
    """

    input: int = 0
    input_cached: int = 0
    input_cache_write: int = 0
    output: int = 0
    output_reasoning: int = 0

    @property
    def input_tokens(self) -> int:
        """All input tokens: plain, read from the cache, written to it."""
        return self.input + self.input_cached + self.input_cache_write

    @property
    def output_tokens(self) -> int:
        """All output tokens, reasoning among them."""
        return self.output + self.output_reasoning

    @property
    def total_tokens(self) -> int:
        """The sum of the five parts."""
        return sum(self)


class Labels(NamedTuple):
    """What a call is counted under."""

    project: str
    provider: str
    model: str
    endpoint: str


OTHER: Final = Labels("other", "other", "other", "other")
"""Where calls count whose labels are beyond the cap on label sets."""


BATCHES: Final = "batches"
"""The endpoint of calls that are many in one, done within a day."""


class UsageRecord(NamedTuple):
    """One call to a model, as the ledger keeps it: give the fields by name.

    `usage` is None where nobody sent it; `unmetered` then says why. `time_ns` (UTC, nanoseconds
    since the epoch) is when the call ended; with `nonce` (signed 64 bits; a span's own id where
    there is one) it identifies the record. `cost_nanousd` is None where the price is unknown.
    `modalities` says which of the tokens are audio's and images' (direction, modality, number);
    the ledger keeps only their sums.
    """

    time_ns: int
    nonce: int
    labels: Labels
    source: str
    status: Literal["ok", "error"] = "ok"
    usage: TokenUsage | None = None
    estimated: bool = False
    unmetered: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    duration_ns: int | None = None
    first_token_ns: int | None = None
    error_type: str | None = None
    cost_nanousd: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    modalities: tuple[tuple[str, str, int], ...] = ()

    @property
    def pending(self) -> bool:
        """Whether the server will tell the usage to who asks for the response later."""
        return (
            self.usage is None
            and self.unmetered is None
            and self.status == "ok"
            and self.response_id is not None
        )

    @property
    def quarter(self) -> int:
        """The UTC quarter-hour that the call belongs to, counted from the epoch."""
        return self.time_ns // QUARTER_NS


class PolledRecord(UsageRecord):
    """What fetching a response told of a call that was recorded before without its usage.

    It is no call of its own: it completes the record whose `response_id` it has, once.
    """

    __slots__ = ()


class Totals(NamedTuple):
    """Sums over calls: what counters and periods hold for one label set."""

    input: int = 0
    input_cached: int = 0
    input_cache_write: int = 0
    output: int = 0
    output_reasoning: int = 0
    estimated_input: int = 0
    estimated_output: int = 0
    requests_ok: int = 0
    requests_error: int = 0
    unmetered: int = 0
    cost_nanousd: int = 0
    unpriced: int = 0

    def plus(self, other: Totals) -> Totals:
        """The sum of both, part by part."""
        return Totals(*map(int.__add__, self, other))

    @property
    def requests(self) -> int:
        """All calls."""
        return self.requests_ok + self.requests_error

    @property
    def input_tokens(self) -> int:
        """Input tokens whose number is exact."""
        return self.input + self.input_cached + self.input_cache_write

    @property
    def output_tokens(self) -> int:
        """Output tokens whose number is exact."""
        return self.output + self.output_reasoning

    @property
    def total_tokens(self) -> int:
        """Tokens whose number is exact."""
        return self.input_tokens + self.output_tokens

    @property
    def used(self) -> Used:
        """What budgets count of it."""
        estimated = self.estimated_input + self.estimated_output
        return Used(self.total_tokens + estimated, estimated, self.requests, self.cost_nanousd)


class Used(NamedTuple):
    """Sums over calls, as budgets count them: `tokens` has the estimated ones, too."""

    tokens: int = 0
    estimated_tokens: int = 0
    requests: int = 0
    cost_nanousd: int = 0


def _buckets(bounds: tuple[float, ...]) -> list[int]:
    return [0] * (len(bounds) + 1)


def _counts(bounds: tuple[float, ...], values: list[int]) -> list[int]:
    """How many values are in each bucket."""
    counts = _buckets(bounds)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return counts


def _by_modality(records: Sequence[UsageRecord]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for record in records:
        for direction, modality, count in () if record.estimated else record.modalities:
            sums[direction, modality] = sums.get((direction, modality), 0) + count
    return sums


# Whole nanoseconds: a duration on a bound is within it, whatever a division would make of it.
_DURATION_BOUNDS_NS: Final = tuple(round(bound * _NANOSECONDS) for bound in DURATION_BOUNDS)
_FIRST_TOKEN_BOUNDS_NS: Final = tuple(round(bound * _NANOSECONDS) for bound in FIRST_TOKEN_BOUNDS)


@dataclass(slots=True)
class Sums:
    """Running sums of one label set, histograms included: what a batch adds to the ledger.

    A histogram's list has a count per bucket (not cumulative), the last one beyond all bounds;
    durations are summed in nanoseconds.
    """

    totals: Totals = field(default_factory=Totals)
    unmetered: dict[str, int] = field(default_factory=dict)
    modalities: dict[tuple[str, str], int] = field(default_factory=dict)
    duration: list[int] = field(default_factory=lambda: _buckets(DURATION_BOUNDS))
    duration_ns: int = 0
    first_token: list[int] = field(default_factory=lambda: _buckets(FIRST_TOKEN_BOUNDS))
    first_token_ns: int = 0
    input_tokens: list[int] = field(default_factory=lambda: _buckets(TOKEN_BOUNDS))
    output_tokens: list[int] = field(default_factory=lambda: _buckets(TOKEN_BOUNDS))

    @property
    def duration_count(self) -> int:
        """Calls whose duration is known."""
        return sum(self.duration)

    @property
    def first_token_count(self) -> int:
        """Calls whose time to the first token is known."""
        return sum(self.first_token)

    @property
    def metered_count(self) -> int:
        """Calls whose exact usage is known."""
        return sum(self.input_tokens)

    @classmethod
    def of(cls, records: Sequence[UsageRecord]) -> Sums:
        """What records add up to."""
        # Column by column: at a thousand calls a second this is what the drain thread does.
        known = [r.usage for r in records if r.usage is not None]
        exact = [r.usage for r in records if r.usage is not None and not r.estimated]
        estimates = [r.usage for r in records if r.usage is not None and r.estimated]
        durations = [r.duration_ns for r in records if r.duration_ns is not None]
        first_tokens = [r.first_token_ns for r in records if r.first_token_ns is not None]
        costs = [r.cost_nanousd for r in records if r.cost_nanousd is not None]
        reasons = [r.unmetered for r in records if r.unmetered is not None]
        priced = [r for r in records if r.usage is not None and r.cost_nanousd is not None]
        errors = [r for r in records if r.status != "ok"]
        input_tokens = [usage[0] + usage[1] + usage[2] for usage in exact]
        output_tokens = [usage[3] + usage[4] for usage in exact]
        parts = TokenUsage(*map(sum, zip(*exact, strict=True)))
        return cls(
            totals=Totals(
                *parts,
                sum(usage.input_tokens for usage in estimates),
                sum(usage.output_tokens for usage in estimates),
                len(records) - len(errors),
                len(errors),
                len(reasons),
                sum(costs),
                len(known) - len(priced),
            ),
            unmetered=dict(Counter(reasons)) if reasons else {},
            modalities=_by_modality(records),
            duration=_counts(_DURATION_BOUNDS_NS, durations),
            duration_ns=sum(durations),
            first_token=_counts(_FIRST_TOKEN_BOUNDS_NS, first_tokens),
            first_token_ns=sum(first_tokens),
            input_tokens=_counts(TOKEN_BOUNDS, input_tokens),
            output_tokens=_counts(TOKEN_BOUNDS, output_tokens),
        )

    def merge(self, other: Sums) -> None:
        """Add another's sums."""
        self.totals = self.totals.plus(other.totals)
        for reason, count in other.unmetered.items():
            self.unmetered[reason] = self.unmetered.get(reason, 0) + count
        for key, count in other.modalities.items():
            self.modalities[key] = self.modalities.get(key, 0) + count
        for name in ("duration", "first_token", "input_tokens", "output_tokens"):
            mine, theirs = getattr(self, name), getattr(other, name)
            mine[:] = map(int.__add__, mine, theirs)
        self.duration_ns += other.duration_ns
        self.first_token_ns += other.first_token_ns
