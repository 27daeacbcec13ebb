"""Budgets for tests: a ledger, a clock, limits, and everything that is notified of them."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from otel_token_monitor.alerts.deliveries import Courier
from otel_token_monitor.alerts.rounds import Rounds
from otel_token_monitor.alerts.settings import WatchSettings
from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.usage import TokenUsage
from tests.unit.ledger.books import DAY, NOW, Book, Clock, record

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from otel_token_monitor.alerts.channels import Channel, DeliveryError
    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.ledger.reader import LedgerReader

T = TypeVar("T")

MIDNIGHT = NOW // DAY * DAY
"""The UTC midnight before NOW."""
SECOND = 1_000_000_000

_NUMBERS = count(1)


def limit(
    amount: int = 10_000,
    window: Window = Window.DAY,
    unit: Unit = Unit.TOKENS,
    scope: Scope | None = None,
) -> Limit:
    return Limit(scope=scope or Scope(), unit=unit, window=window, amount=amount)


@dataclass
class Holder:
    """One process's access to a ledger."""

    book: Book
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Callable[[LedgerReader], T], /) -> T:
        with self.lock:
            return question(self.book.reader)

    def change(self, action: Callable[[sqlite3.Connection], T], /) -> T:
        with self.lock:
            return self.book.writer.run(action)


@dataclass
class Sink:
    """A target that keeps what it gets, and fails as often as it is told to."""

    target: str = "webhook:0123456789ab"
    origin: str = "https://hooks.test:443"
    failures: list[DeliveryError] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)

    def prepare(self) -> None:
        pass

    def send(self, notice: dict[str, Any], seconds: float) -> None:
        assert seconds > 0
        if self.failures:
            raise self.failures.pop(0)
        self.got.append(notice)

    def alerts(self) -> list[tuple[str, str, str]]:
        """Severity, status and budget of each alert that came."""
        return [
            (alert["labels"]["severity"], alert["status"], alert["labels"]["budget"])
            for notice in self.got
            if notice["webhook"]
            for alert in notice["webhook"]["alerts"]
        ]

    def lines(self) -> list[dict[str, Any]]:
        return [entry["line"] for notice in self.got for entry in notice["lines"]]


class Scene:
    """One ledger, and one process that watches it."""

    def __init__(
        self,
        path: Path,
        *limits: Limit,
        clock: Clock | None = None,
        channels: tuple[Channel, ...] = (),
        timezone: str = "UTC",
        report_step: float | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.book = Book.at(path, clock=self.clock)
        self.book.writer.open()
        self.access = Holder(self.book)
        self.sink = Sink()
        self.channels: tuple[Channel, ...] = channels or (self.sink,)
        self.said: list[Alert] = []
        self.set_policy(*limits, timezone=timezone, report_step=report_step)

    def set_policy(
        self, *limits: Limit, timezone: str = "UTC", report_step: float | None = None
    ) -> None:
        """Go by other limits."""
        self.settings = WatchSettings(
            policy=Policy(limits=limits, timezone=timezone),
            channels=self.channels,
            report_step=report_step,
        )
        self.rounds = Rounds(
            self.access,
            self.settings,
            [self.said.append],
            clock=self.clock,
            url=lambda: "http://127.0.0.1:9464",
        )
        self.courier = Courier(
            self.access, self.channels, self.clock, url=lambda: "http://127.0.0.1:9464"
        )
        self.courier.register()

    def use(self, tokens: int, **given: Any) -> None:
        """Have calls use so many tokens now."""
        given = {"time_ns": self.clock.now, "usage": TokenUsage(input=tokens), **given}
        with self.access.lock:
            self.book.write(record(next(_NUMBERS), **given))

    def look(self) -> list[tuple[str, str]]:
        """Look at the budgets and deliver; the transitions that were notified."""
        before = len(self.said)
        self.rounds.look()
        while self.courier.deliver():
            pass
        return [(alert.old_status.name, alert.new_status.name) for alert in self.said[before:]]

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += round(seconds * SECOND)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.access.change(lambda connection: connection.execute(query).fetchall())

    def close(self) -> None:
        self.book.close()


def notice(number: int = 0) -> str:
    """The document of a notice without alerts."""
    return json.dumps({"webhook": None, "lines": [], "number": number})
