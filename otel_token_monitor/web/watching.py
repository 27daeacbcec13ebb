"""Watching the budgets of a ledger that other processes write."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from otel_token_monitor.alerts.settings import WatchSettings
from otel_token_monitor.alerts.watch import BudgetWatch
from otel_token_monitor.ledger.errors import (
    LedgerBusyError,
    LedgerError,
    LedgerMissingError,
    LedgerVersionError,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.ledger.guest import LedgerGuest
    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["GuestWatch"]

T = TypeVar("T")

_log = logging.getLogger("otel_token_monitor")


class GuestWatch:
    """Watches the ledger of `guest` as `config` says, and delivers what is left behind there.

    `url` gives the address that this process serves at. A ledger that this user may not write is
    not watched: that is logged once.
    """

    def __init__(
        self, guest: LedgerGuest, config: TokenMonitorConfig, url: Callable[[], str]
    ) -> None:
        self._guest = guest
        self._said = False
        settings = WatchSettings.of(config, guest.location.path)
        self._watch = BudgetWatch(self, settings, url=url)

    def start(self) -> None:
        """Begin to watch: also a ledger that is made later."""
        self._watch.start()

    def stop(self) -> None:
        """End; what cannot be delivered within two seconds stays in the ledger."""
        self._watch.stop()

    def receive(self, body: bytes) -> Mapping[str, int]:
        """Pass on what Alertmanager's webhook sends; how many alerts were `forwarded` or `known`.

        Raises MalformedPayloadError for another body, LedgerError if the alerts cannot be kept.
        """
        return Counter(map(str, self._watch.receive(body)))

    # The ledger, as the watch needs it.

    def ask(self, question: Callable[[LedgerReader], T], /) -> T:
        """The answer to a question."""
        return self._guest.ask(question)

    def change(self, action: Callable[[sqlite3.Connection], T], /) -> T:
        """Run `action` in one write transaction."""
        try:
            return self._guest.change(action)
        except (LedgerBusyError, LedgerMissingError, LedgerVersionError):
            # The first two pass, and the watch tells of the last.
            raise
        except LedgerError as error:
            if not self._said:
                self._said = True
                _log.warning("budgets are not watched here, and no alerts delivered: %s", error)
            raise
