"""What the stack tells: its addresses, what happens as it happens, what to look at."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from rich.text import Text

from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.demo.screen import Address
from otel_token_monitor.demo.stack.course import Course, Step, clock
from otel_token_monitor.demo.stack.servers import HOST
from otel_token_monitor.views.terminal.bars import STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from otel_token_monitor.budgets.limits import Limit
    from otel_token_monitor.demo.stack.course import Event

__all__ = ["METRICS_PORT", "PROMETHEUS_PORT", "Addresses", "Screen"]

METRICS_PORT: Final = 9464
PROMETHEUS_PORT: Final = 9090
"""The ports that commands ask if nobody says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything is: `monitor` as host and port, the servers as http://host:port.

    `data_dir` is the application's data directory.
    """

    data_dir: Path
    monitor: tuple[str, int]
    prometheus: str
    alertmanager: str

    @property
    def shown(self) -> Sequence[tuple[str, str]]:
        """What there is to open."""
        monitor = Address(*self.monitor)
        return (
            ("page", monitor.url()),
            ("metrics", monitor.url("/metrics")),
            ("Prometheus", f"{self.prometheus}/alerts"),
            ("Alertmanager", f"{self.alertmanager}/"),
        )

    @property
    def doctor(self) -> str:
        """The command that looks at the whole chain."""
        metrics = f"http://{HOST}:{self.monitor[1]}"
        options = (
            f" {option} {address}"
            for option, address, port in (
                ("--metrics", metrics, METRICS_PORT),
                ("--prometheus", self.prometheus, PROMETHEUS_PORT),
            )
            if not address.endswith(f":{port}")
        )
        return f"otel-token-monitor doctor --data-dir {self.data_dir}{''.join(options)}"


class Screen:
    """Lines, and where there is a terminal one that changes, within a `with`."""

    def __init__(
        self, console: Console, addresses: Addresses, course: Course, began: float
    ) -> None:
        self._console = console
        self._addresses = addresses
        self._course = course
        self._began = began
        self._all_arrived = False
        # On no terminal, it shows nothing.
        self._status = console.status("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._status.stop()

    def introduce(self, limit: Limit, used: int) -> None:
        """What runs where, and what it is about: a limit, and what is used of it already."""
        for name, address in self._addresses.shown:
            self._print(Text.assemble(f"{name:14}", (address, f"cyan link {address}")))
        self._print(Text(""))
        text = (
            f"{limit.scope.project} may use {limit.amount:,} tokens a day; "
            f"{used / limit.amount:.0%} is used. Ctrl-C ends."
        )
        self._print(Text(text))
        self._print(Text(""))
        self._status.start()

    def tell(self, event: Event) -> None:
        """A line for what has happened, unless it was told."""
        line = Text(f"{clock(event.seconds - self._began)}  ", "bold")
        if not isinstance(event, Step):
            self._print(line.append(f"also arrived: {event.text}", "not bold dim"))
            return
        said = self._course.note(event)
        if said is None:
            return
        line.append(f"{event.status.name:8}  ", STYLES[event.status])
        self._print(line.append(said, "not bold"))
        arrived = map(self._course.has_arrived, (BudgetStatus.WARNING, BudgetStatus.CRITICAL))
        if not self._all_arrived and all(arrived):
            self._all_arrived = True
            self._say_what_to_look_at()

    def show(self, used: float | None) -> None:
        """What share is used (None: not known now), where there is a terminal."""
        seconds = clock(time.monotonic() - self._began)
        shown = "the ledger cannot be read" if used is None else f"{used:.1%} is used"
        self._status.update(Text(f"{seconds}  {shown}", "dim"))

    def end(self) -> bool:
        """The last lines; whether the WARNING has arrived."""
        self._status.stop()
        lack = self._course.lack(BudgetStatus.WARNING)
        if lack is not None:
            self._print(Text(f"No WARNING has arrived: {lack}."))
        return lack is None

    def _say_what_to_look_at(self) -> None:
        prometheus, alertmanager = self._addresses.prometheus, self._addresses.alertmanager
        for text in (
            "",
            "Both have arrived. Look at",
            f"  {prometheus}/alerts",
            "      LLMBudgetUsed, which fires for both",
            f"  {alertmanager}/#/alerts?inhibited=true",
            "      CRITICAL, and WARNING, which it inhibits: nobody is told again",
            f"  {prometheus}/graph?g0.tab=0&g0.expr=budget%3Allm_budget_used%3Aratio",
            "      the recorded share of each budget",
            f"  {self._addresses.doctor}",
            "      the whole chain in one screen; --test-alert sends an alert all the way",
            "Ctrl-C ends.",
            "",
        ):
            self._print(Text(text))

    def _print(self, text: Text) -> None:
        # Addresses are for copying: never broken.
        self._console.print(text, soft_wrap=True)
