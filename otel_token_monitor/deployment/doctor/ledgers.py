"""The application and its ledger: whether calls are counted, and against which limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.doctor.findings import (
    Finding,
    Link,
    broken,
    fine,
    sentence,
    skipped,
    warning,
)
from otel_token_monitor.views.terminal.texts import count_text, span_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LedgerSeen", "judge_application", "judge_ledger"]

_DAY_NS: Final = 86400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSeen:
    """What was seen of the ledger at `place`. Times are UTC nanoseconds.

    `ledger_id` is None if it cannot be read, for the reason `trouble`. `network` is the file
    system's type if machines share it. `calls` are those since ever; `limits` counts the limits
    that hold, `per_minute` tells whether one is for a minute. `waiting` deliveries were tried in
    vain, the oldest is of `waiting_since_ns`; `given_up` were dropped since the ledger was made.
    """

    place: str
    in_memory: bool = False
    trouble: str = ""
    ledger_id: str | None = None
    network: str | None = None
    calls: int = 0
    last_call_ns: int | None = None
    limits: int = 0
    per_minute: bool = False
    contested: bool = False
    waiting: int = 0
    waiting_since_ns: int = 0
    given_up: int = 0


def judge_application(seen: LedgerSeen, now_ns: int) -> Link:
    """Whether an application counts its calls, and has limits to be told of."""
    if seen.ledger_id is None:
        finding = skipped("Its ledger tells whether it counts: see there.")
        return Link(name="application", findings=(finding,))
    return Link(name="application", findings=tuple(_application(seen, now_ns)))


def judge_ledger(seen: LedgerSeen, now_ns: int) -> Link:
    """Whether the ledger can be read, and is where a ledger may be."""
    return Link(name="ledger", findings=tuple(_ledger(seen, now_ns)))


def _application(seen: LedgerSeen, now_ns: int) -> Iterator[Finding]:
    if seen.last_call_ns is None:
        yield warning(
            "No call was counted yet.",
            "Call a model. If that changes nothing, see that instrument() comes before the client "
            "is made, and that both have the same data directory.",
        )
    else:
        ago = span_text(now_ns - seen.last_call_ns)
        counted = f"{count_text(seen.calls, 'call')}, the last {ago} ago."
        if now_ns - seen.last_call_ns <= _DAY_NS:
            yield fine(counted)
        else:
            yield warning(
                counted,
                "If it has called models since, it counts into another data directory: name that "
                "with --data-dir.",
            )
    if not seen.limits:
        yield warning(
            "No limit is set: no budget can raise an alert.",
            "Set TOKEN_DAILY_LIMIT for the application, or run `otel-token-monitor config init`.",
        )
    if seen.contested:
        yield warning(
            "Running applications disagree about their limits: those of the last one hold.",
            "Give them the same configuration, or a data directory each.",
        )


def _ledger(seen: LedgerSeen, now_ns: int) -> Iterator[Finding]:
    if seen.in_memory:
        yield warning(
            "It is in the application's memory (:memory:), and gone when that ends.",
            "Set a data directory with TOKEN_MONITOR_DATA_DIR. Until then only /metrics shows it.",
        )
        return
    if seen.ledger_id is None:
        yield _unreadable(seen.trouble)
        return
    yield fine(f"{seen.place}: {count_text(seen.limits, 'budget')}.")
    if seen.network is not None:
        yield warning(
            f"It is on a network file system ({seen.network}), which may damage it.",
            "Move it to a local disk, a directory for each machine.",
        )
    if seen.waiting:
        since = span_text(now_ns - seen.waiting_since_ns)
        yield warning(
            f"{count_text(seen.waiting, 'notification')} could not be delivered for {since}; "
            "it goes on trying.",
            "See that TOKEN_WEBHOOK_URL answers: the application's log names the error.",
        )
    if seen.given_up:
        yield fine(f"Notifications that were given up since it was made: {seen.given_up:,}.")


def _unreadable(trouble: str) -> Finding:
    """The reason before the last colon, and the remedy behind it; a damaged file has none."""
    if trouble.endswith(")"):
        remedy = "Start the application: it sets the damaged file aside, and begins a new ledger."
        return broken(f"{sentence(trouble)}.", remedy)
    reason, _, remedy = trouble.rpartition(": ")
    return broken(f"{sentence(reason)}.", f"{sentence(remedy)}.")
