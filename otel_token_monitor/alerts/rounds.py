"""One look at the budgets: read, notify what changed, once over all processes."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_token_monitor.alerts.applying import Applied, apply_moves
from otel_token_monitor.alerts.console import Console
from otel_token_monitor.alerts.planning import next_look_ns, plan
from otel_token_monitor.alerts.readings import take_reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.alerts.access import LedgerAccess
    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.alerts.planning import Move
    from otel_token_monitor.alerts.readings import Reading
    from otel_token_monitor.alerts.settings import WatchSettings

__all__ = ["Rounds"]

_log = logging.getLogger("otel_token_monitor")

_ATTEMPTS: Final = 5


class Rounds:
    """Looks at the budgets of one ledger. Not thread-safe: one thread at a time.

    `url` gives the address that this process serves at, or ''. `callbacks` are called for each
    transition that this process notified.
    """

    def __init__(
        self,
        access: LedgerAccess,
        settings: WatchSettings,
        callbacks: list[Callable[[Alert], object]],
        *,
        clock: Callable[[], int],
        url: Callable[[], str],
    ) -> None:
        self._access = access
        self._settings = settings
        self._console = Console(settings.level)
        self._callbacks = callbacks
        self._clock = clock
        self._url = url

    def look(self) -> int | None:
        """Notify what changed; when to look again though no call comes (UTC ns; None: need not).

        Raises LedgerError.
        """
        for _ in range(_ATTEMPTS):
            reading = self._read(pace=False)
            if not self._plan(reading):
                return next_look_ns(reading)
            # Only what is said of a change needs the pace.
            reading = self._read(pace=True)
            applied = self._apply(reading, self._plan(reading))
            for move in applied.moves:
                self._tell(move)
        return self._clock()

    def _read(self, *, pace: bool) -> Reading:
        own, now_ns = self._settings.policy, self._clock()
        return self._access.ask(lambda reader: take_reading(reader, own, now_ns, pace=pace))

    def _plan(self, reading: Reading) -> list[Move]:
        url = self._url()
        return plan(reading, self._settings.report_step, f"{url}/" if url else "")

    def _apply(self, reading: Reading, moves: list[Move]) -> Applied:
        if not moves:
            return Applied(moves=(), overtaken=False)
        url = self._url()
        return self._access.change(
            partial(apply_moves, reading=reading, moves=moves, external_url=url)
        )

    def _tell(self, move: Move) -> None:
        for notice in move.notices:
            self._console.say(notice.lines)
        for alert in move.alerts:
            for callback in tuple(self._callbacks):
                try:
                    callback(alert)
                except Exception:  # noqa: BLE001 - the application's own; alerts must go on
                    _log.exception("a callback of on_alert failed for %s", alert.name)
