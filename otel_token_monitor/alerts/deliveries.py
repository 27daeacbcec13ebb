"""Bringing notifications from the ledger to their targets: later, where it cannot be done now."""

from __future__ import annotations

import json
import logging
import random
import time
from typing import TYPE_CHECKING, Final

from otel_token_monitor.alerts.catching_up import catch_up
from otel_token_monitor.alerts.channels import DeliveryError
from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.errors import LedgerBusyError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from otel_token_monitor.alerts.access import LedgerAccess
    from otel_token_monitor.alerts.channels import Channel
    from otel_token_monitor.ledger.alert_book import Delivery
    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["Courier"]

_log = logging.getLogger("otel_token_monitor")

_NANO: Final = 1_000_000_000
_FIRST_RETRY_SECONDS: Final = 5.0
_LAST_RETRY_SECONDS: Final = 600.0
_REFUSALS: Final = 3
_SEEN_SECONDS: Final = 60.0
_FORGET_SECONDS: Final = 3600.0
_SEND_SECONDS: Final = 15.0
_INSIST_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.05


class Courier:
    """Delivers to the channels of this process, the oldest notification of each first.

    Not thread-safe: one thread at a time. All methods raise LedgerError. A delivery that fails is
    tried again after 5 s, then ever later up to 10 minutes, for 7 days. `url` gives the address
    that this process serves at, or ''.
    """

    def __init__(
        self,
        access: LedgerAccess,
        channels: Iterable[Channel],
        clock: Callable[[], int],
        url: Callable[[], str],
    ) -> None:
        self._access = access
        self._channels = {channel.target: channel for channel in channels}
        self._clock = clock
        self._url = url
        self._failing: set[str] = set()
        self._seen_at: float | None = None
        self._forgot_at: float | None = None

    def register(self) -> None:
        """Say, about once a minute, which targets this process has; forget what is long past."""
        now = time.monotonic()
        if self._seen_at is not None and now - self._seen_at < _SEEN_SECONDS:
            return
        forget = self._forgot_at is None or now - self._forgot_at >= _FORGET_SECONDS
        targets = {target: channel.origin for target, channel in self._channels.items()}

        def registered(connection: sqlite3.Connection) -> int:
            now_ns = self._clock()
            catch_up(connection, targets, now_ns, self._url())
            alert_book.see_targets(connection, targets, now_ns)
            return alert_book.forget_old(connection, now_ns) if forget else 0

        if targets:
            given_up = self._access.change(registered)
            if given_up:
                _log.warning("%d alerts were given up: nobody delivered them for days", given_up)
        self._seen_at = now
        if forget:
            self._forgot_at = now

    def deliver(self, deadline: float | None = None) -> bool:
        """Try one delivery for each target that has one; whether any succeeded: try again then.

        No delivery begins after `deadline` (of time.monotonic).
        """
        now_ns = self._clock()
        due = [target for target, at_ns in self._due().items() if at_ns <= now_ns]
        delivered = False
        for target in due:
            seconds = _SEND_SECONDS if deadline is None else deadline - time.monotonic()
            if seconds <= 0:
                return False
            delivered |= self._deliver(target, seconds)
        return delivered

    def _due(self) -> dict[str, int]:
        if not self._channels:
            return {}

        def question(reader: LedgerReader) -> dict[str, int]:
            return reader.query(lambda connection: alert_book.due_ns(connection, self._channels))

        return self._access.ask(question)

    def _deliver(self, target: str, seconds: float) -> bool:
        """Try one delivery; whether it succeeded."""
        delivery = self._access.change(
            lambda connection: alert_book.lease(connection, target, self._clock())
        )
        if delivery is None:
            return False
        channel = self._channels[target]
        # Within a question: no fork comes in between.
        self._access.ask(lambda _reader: channel.prepare())
        try:
            channel.send(json.loads(delivery.document), seconds)
        except DeliveryError as error:
            self._failed(delivery, error)
            return False
        self._insist(lambda connection: alert_book.end_delivery(connection, delivery))
        if target in self._failing:
            self._failing.remove(target)
            _log.warning("%r takes alerts again", channel)
        return True

    def _insist(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Wait for a busy ledger: what is delivered but not noted is delivered once more."""
        deadline = time.monotonic() + _INSIST_SECONDS
        while True:
            try:
                self._access.change(action)
            except LedgerBusyError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _failed(self, delivery: Delivery, error: DeliveryError) -> None:
        """Put it off, or give it up and count it."""
        now_ns = self._clock()
        if now_ns >= delivery.given_up_ns or (error.refused and delivery.attempts + 1 >= _REFUSALS):
            _log.warning(
                "an alert was given up after %d attempts: %s", delivery.attempts + 1, error
            )
            self._access.change(
                lambda connection: alert_book.end_delivery(connection, delivery, given_up=True)
            )
            return
        if delivery.target not in self._failing:
            self._failing.add(delivery.target)
            _log.warning("an alert cannot be delivered: %s. It is tried again later.", error)
        next_ns = now_ns + round(_retry_seconds(delivery.attempts) * _NANO)
        self._access.change(lambda connection: alert_book.postpone(connection, delivery, next_ns))


def _retry_seconds(attempts: int) -> float:
    """Twice as long each time, and not the same for all processes."""
    longest: float = min(_FIRST_RETRY_SECONDS * 2 ** min(attempts, 16), _LAST_RETRY_SECONDS)
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
