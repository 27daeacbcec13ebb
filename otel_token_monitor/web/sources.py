"""What the web application shows and hands on, and where it has that from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry

    from otel_token_monitor.views.report import Report

__all__ = ["ReportSource", "ServerStatus", "Sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What the server says of itself: the release, where the ledger is, why it cannot be read.

    `trouble` is None when the ledger can be read.
    """

    version: str
    ledger: str
    trouble: str | None = None


class ReportSource(Protocol):
    """Takes reports of a ledger."""

    def __call__(self, project: str | None, *, hours: bool) -> Report:
        """The report of all projects or of one, with today's hours if asked for.

        Raises LedgerError.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that the application asks, in worker threads: several requests ask at once.

    `receive` takes the body of a webhook of Alertmanager's to the notifications, and returns how
    many of its alerts had which fate, such as `{"forwarded": 1, "known": 2}`. It raises
    MalformedPayloadError for any other body, LedgerError if the alerts could not be kept. Without
    it there is no `/alerts`. `alerts_token` gives the token that senders must have, None if none
    is set, and raises ConfigError if it cannot be read.
    """

    registry: CollectorRegistry
    status: Callable[[], ServerStatus]
    report: ReportSource
    receive: Callable[[bytes], Mapping[str, int]] | None = None
    alerts_token: Callable[[], str | None] = lambda: None
