"""`/metrics`: whether somebody shows the ledger, and the same one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.doctor.findings import (
    Finding,
    Link,
    broken,
    fine,
    of_error,
    skipped,
    warning,
)
from otel_token_monitor.deployment.http_api import RefusedError
from otel_token_monitor.views.terminal.texts import span_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.deployment.doctor.ledgers import LedgerSeen
    from otel_token_monitor.deployment.http_api import ApiError

__all__ = ["MetricsSeen", "judge_metrics"]

_OVER_SECONDS: Final = 60.0
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSeen:
    """What was seen at `address`, or the reason why nothing was.

    `shows_us`: there are metrics of this package. `ledgers` and `versions` are those of
    otel_token_monitor_build_info, `ledger_up` is None if there is no such metric. `reset_ns` is the
    earliest end of a window (UTC), None if there is none. `knows_test`: it can show a test alert.
    """

    address: str
    trouble: ApiError | None = None
    shows_us: bool = False
    ledgers: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    ledger_up: bool | None = None
    reset_ns: int | None = None
    knows_test: bool = False


def judge_metrics(
    seen: MetricsSeen | None, ledger: LedgerSeen, data_dir: str, version: str, now_ns: int
) -> Link:
    """Whether the ledger is shown there; `version` is this package's. None: no address is known."""
    return Link(name="/metrics", findings=tuple(_metrics(seen, ledger, data_dir, version, now_ns)))


def _metrics(
    seen: MetricsSeen | None, ledger: LedgerSeen, data_dir: str, version: str, now_ns: int
) -> Iterator[Finding]:
    if seen is None:
        yield skipped("Its port is 0, any that is free: give its address with --metrics.")
        return
    fault = _fault(seen, ledger, f"otel-token-monitor serve --data-dir {shlex.quote(data_dir)}")
    if fault is not None:
        yield fault
        return
    # With nothing to compare it with, it may be that of another application.
    others = f"ledger {', '.join(sorted(seen.ledgers))}" if seen.ledgers else "a ledger"
    shown = others if ledger.ledger_id is None else "this ledger"
    yield fine(f"{seen.address} shows {shown}.")
    if versions := seen.versions - {version}:
        yield warning(
            f"It is of release {', '.join(sorted(versions))}, this command of {version}.",
            "Start it anew after an upgrade.",
        )
    if seen.reset_ns is not None and now_ns - seen.reset_ns > _OVER_SECONDS * _NANO:
        over = span_text(now_ns - seen.reset_ns)
        yield warning(
            f"A budget's window ended {over} ago there, by the clock here.",
            "Compare the clocks of both machines (timedatectl).",
        )


def _fault(seen: MetricsSeen, ledger: LedgerSeen, serve: str) -> Finding | None:
    """Why the ledger is not shown; None if it is."""
    elsewhere = "give its address with --metrics"
    if seen.trouble is not None:
        return _unseen(seen.trouble, serve, elsewhere)
    if not seen.shows_us:
        return broken(
            f"{seen.address} shows nothing of otel_token_monitor: it is another program's.",
            f"If ours is elsewhere, {elsewhere}; else give it another port "
            "(OTEL_EXPORTER_PROMETHEUS_PORT).",
        )
    if not seen.ledger_up:
        return broken(
            f"{seen.address} cannot read its ledger (otel_token_monitor_ledger_up 0).",
            "Its /healthz names the file and the reason.",
        )
    if ledger.ledger_id is not None and ledger.ledger_id not in seen.ledgers:
        return broken(
            f"{seen.address} shows another ledger ({', '.join(sorted(seen.ledgers))}) than "
            f"{ledger.place} ({ledger.ledger_id}).",
            f"Name its data directory with --data-dir, or {elsewhere}.",
        )
    return None


def _unseen(error: ApiError, serve: str, elsewhere: str) -> Finding:
    if isinstance(error, RefusedError):
        return broken(
            f"Nobody serves at {error.address}.",
            f"Start the application; or if it does not serve (serve=False), run `{serve}`; or "
            f"{elsewhere}.",
        )
    return of_error(error)
