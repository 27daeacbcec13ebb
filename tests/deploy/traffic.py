"""A day and more of three projects' calls, with all the trouble there is; the same in each run."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NANO", "SEARCH", "SEARCH_LIMITS", "SHOP", "SHOP_LIMITS", "Kind", "batch_of"]

NANO: Final = 1_000_000_000
_MINUTE: Final = 60


class Size(NamedTuple):
    """Tokens of a call, in the order of `TokenUsage`."""

    input: int
    cached: int
    written: int
    output: int
    reasoning: int


@dataclass(frozen=True)
class Kind:
    """Calls that are alike: `every` so many seconds one, dollars per million tokens."""

    labels: Labels
    every: int
    size: Size
    dollars: float | None
    seconds: float
    fails: float = 0.0
    unmetered: str | None = None


SHOP: Final = (
    Kind(
        labels=Labels("checkout", "openai", "gpt-5-mini", "chat/completions"),
        every=10,
        size=Size(900, 600, 0, 160, 90),
        dollars=0.6,
        seconds=1.8,
        fails=0.02,
    ),
    Kind(
        labels=Labels("checkout", "openai", "gpt-5", "responses"),
        every=45,
        size=Size(1800, 400, 0, 700, 1100),
        dollars=4.0,
        seconds=9.0,
    ),
    Kind(
        labels=Labels("support", "anthropic", "claude-sonnet-4-5", "chat"),
        every=30,
        size=Size(400, 2200, 300, 420, 0),
        dollars=5.0,
        seconds=4.0,
        fails=0.08,
    ),
    # Streams whose usage nobody asked for.
    Kind(
        labels=Labels("support", "openai", "gpt-5-mini", "chat/completions"),
        every=240,
        size=Size(0, 0, 0, 0, 0),
        dollars=None,
        seconds=3.0,
        unmetered="stream_without_usage",
    ),
    # A model of one's own has no price.
    Kind(
        labels=Labels("support", "vllm", "qwen3-32b", "chat/completions"),
        every=120,
        size=Size(700, 0, 0, 260, 0),
        dollars=None,
        seconds=2.5,
    ),
)
SEARCH: Final = (
    Kind(
        labels=Labels("search", "openai", "text-embedding-3-small", "embeddings"),
        every=20,
        size=Size(3000, 0, 0, 0, 0),
        dollars=0.02,
        seconds=0.3,
    ),
)

SHOP_LIMITS: Final = (
    Limit(Scope(), Unit.TOKENS, Window.DAY, 30_000_000),
    Limit(Scope(), Unit.USD, Window.MONTH, 3000 * NANO),
    Limit(Scope(project="checkout"), Unit.TOKENS, Window.DAY, 11_000_000),
    Limit(Scope(project="support"), Unit.TOKENS, Window.DAY, 4_300_000),
    Limit(Scope(project="support"), Unit.REQUESTS, Window.MINUTE, 8),
    Limit(Scope(model="gpt-5*"), Unit.USD, Window.DAY, 45 * NANO, 0.7, 0.95),
)
SEARCH_LIMITS: Final = (Limit(Scope(project="search"), Unit.TOKENS, Window.MONTH, 500_000_000),)

# Of the hours since the beginning, and what went wrong within the first minute of each.
_TROUBLE: Final = {
    9: {"dropped_spans": 3},
    15: {"ledger_errors": 2},
    20: {"hook_errors": 1},
    25: {"undelivered_alerts": 1},
}


def batch_of(kinds: tuple[Kind, ...], begin: int, minute: int) -> Batch:
    """What a minute's calls bring to a ledger; the minutes are counted from `begin` (UTC)."""
    batch = Batch(list(_calls(kinds, begin, minute)))
    if minute % 60 == 0:
        for name, number in _TROUBLE.get(minute // 60, {}).items():
            batch.count(name, number)
    return batch


def _calls(kinds: tuple[Kind, ...], begin: int, minute: int) -> Iterator[UsageRecord]:
    random = Random(minute)
    for place, kind in enumerate(kinds):
        for second in range(_MINUTE):
            passed = minute * _MINUTE + second
            if passed % kind.every == 0:
                nonce = passed * len(kinds) + place
                yield _call(kind, nonce, (begin + passed) * NANO, random)


def _call(kind: Kind, nonce: int, time_ns: int, random: Random) -> UsageRecord:
    failed = random.random() < kind.fails
    known = not failed and kind.unmetered is None
    usage = TokenUsage(*(round(part * random.uniform(0.5, 1.5)) for part in kind.size))
    cost = None if kind.dollars is None else round(usage.total_tokens * kind.dollars * NANO / 1e6)
    return UsageRecord(
        time_ns=time_ns,
        nonce=nonce,
        labels=kind.labels,
        source="test",
        status="error" if failed else "ok",
        usage=usage if known else None,
        unmetered=None if failed else kind.unmetered,
        duration_ns=round(kind.seconds * random.lognormvariate(0, 0.5) * NANO),
        error_type="RateLimitError" if failed else None,
        cost_nanousd=cost if known else None,
    )
