"""The usage of many projects together, and the limits on it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from prometheus_client import CollectorRegistry

from otel_token_monitor.auto_token_monitor import AutoTokenMonitor
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.config import LIMITS, ConfigError, TokenMonitorConfig
from otel_token_monitor.ledger.following import sums_by_origin
from otel_token_monitor.ledger.source_book import read_book
from otel_token_monitor.monitor import TokenMonitor
from otel_token_monitor.usage import QUARTER_NS
from otel_token_monitor.views.report import take_report
from otel_token_monitor.views.sums import summed, totals_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.budgets.windows import Span
    from otel_token_monitor.ledger.reader import LedgerReader
    from otel_token_monitor.ledger.source_book import SourceNote
    from otel_token_monitor.usage import Labels, Totals

__all__ = ["GlobalTokenMonitor"]

C = TypeVar("C", bound="Callable[[Alert], object]")

_NANO: Final = 1_000_000_000
# Single calls are not followed, so that nothing is known of the last minute.
_UNKNOWN: Final = "per_minute"


class GlobalTokenMonitor:
    """Shows what many projects use together, and watches the `global_…` limits on it.

    A TokenSyncService follows the projects' ledgers into one of its own, the global ledger in the
    configuration's `global_data_dir`; this shows that one and counts nothing itself. Without a
    `config` the environment's. `registry` is the Prometheus registry that shows the global ledger
    while it is watched or exposed; None: one of its own. Making it opens nothing.
    """

    def __init__(
        self, config: TokenMonitorConfig | None = None, *, registry: CollectorRegistry | None = None
    ) -> None:
        self.config = config = TokenMonitorConfig() if config is None else config
        self.token_monitor = TokenMonitor(
            _own(config),
            registry=CollectorRegistry() if registry is None else registry,
            by_hand=False,
            policy=Policy.over_ledgers(config),
        )
        """The monitor of the global ledger; it watches no calls."""
        self.auto_monitor = AutoTokenMonitor(self.token_monitor)
        """The watch over its budgets."""
        self._exposed = False

    def __repr__(self) -> str:
        state = "watching" if self.running else "not watching"
        return f"<GlobalTokenMonitor {state} {self.ledger_path}>"

    @property
    def ledger_path(self) -> Path | None:
        """The global ledger's file; None if it is kept in memory."""
        return self.token_monitor.ledger_path

    @property
    def running(self) -> bool:
        """Whether the budgets are watched."""
        return self.auto_monitor.running

    def start_monitoring(self) -> None:
        """Begin to watch the budgets; nothing if it does already.

        Raises ValueError if the registry that was given has a metric of one of our names.
        """
        self.token_monitor.show()
        self.auto_monitor.start_monitoring()

    def stop_monitoring(self) -> None:
        """Watch no more, deliver alerts for at most two seconds; nothing if it does not."""
        if self.running:
            self.auto_monitor.stop_monitoring()
        if not self._exposed:
            self.token_monitor.hide()

    def on_alert(self, callback: C) -> C:
        """Call `callback(alert)` for each transition that this process notifies; returns it."""
        return self.auto_monitor.on_alert(callback)

    def expose(self, app: Any) -> Self:
        """Add `/metrics`, `/token-usage`, … of the global ledger to an application.

        As `TokenMonitor.expose`. Returns this monitor.

        Raises TypeError if `app` is no such application, ValueError if the registry that was given
        has a metric of one of our names.
        """
        self.token_monitor.show()
        self._exposed = True
        self.token_monitor.expose(app)
        return self

    def get_global_summary(self) -> dict[str, Any]:
        """What all projects used together, of which limits, as of the last synchronisation.

        As `TokenMonitor.get_usage_summary`, without `per_minute`, which is not known; and
        `sources`: of each project its `name`, `path`, the id of its `ledger`, the `source`
        (`ledger` or `data_files`), when it was `synchronised` (None: never), the `problem` that
        keeps it from being up to date (None: none), and the sums of it, `daily` and `monthly`.

        Raises LedgerError if the global ledger cannot be read.
        """
        return self.token_monitor.ledger.ask(self._summary)

    def _summary(self, reader: LedgerReader) -> dict[str, Any]:
        with reader.moment():
            report = take_report(reader, self.token_monitor.policy, time.time_ns())
            notes = reader.query(read_book).notes
            daily, monthly = (
                _by_origin(reader, report.spans[window]) for window in (Window.DAY, Window.MONTH)
            )
        document = report.document()
        del document[_UNKNOWN]
        for sums in (*document["projects"].values(), *document["models"].values()):
            del sums[_UNKNOWN]
        zone = report.policy.zone
        document["sources"] = [
            _source(name, note, zone)
            | {"daily": _sums(note, daily), "monthly": _sums(note, monthly)}
            for name, note in notes.items()
        ]
        return document


def _own(config: TokenMonitorConfig) -> TokenMonitorConfig:
    """The configuration of the global ledger: the limits of a single one do not hold there."""
    if config.global_data_dir == ":memory:":
        fault = (
            f"{config.origin('global_data_dir')}: the global ledger cannot be kept in memory: "
            f"give it a directory of its own"
        )
        raise ConfigError([fault])
    own = config.replaced(data_dir=config.global_data_dir, projects={}, models={})
    for name in LIMITS:
        setattr(own, name, None)
    return own


def _by_origin(reader: LedgerReader, span: Span) -> Mapping[str, Mapping[Labels, Totals]]:
    start, end = span.start_ns // QUARTER_NS, span.end_ns // QUARTER_NS
    return reader.query(lambda connection: sums_by_origin(connection, start, end))


def _sums(note: SourceNote, by_origin: Mapping[str, Mapping[Labels, Totals]]) -> dict[str, Any]:
    found = (by_origin.get(origin, {}) for origin in note.origins)
    return totals_document(summed(totals for sums in found for totals in sums.values()))


def _source(name: str, note: SourceNote, zone: ZoneInfo) -> dict[str, Any]:
    at_ns = note.synchronised_ns
    return {
        "name": name,
        "path": note.path,
        "ledger": note.ledger,
        "source": note.kind,
        "synchronised": None
        if at_ns is None
        else datetime.fromtimestamp(at_ns // _NANO, zone).isoformat(),
        "problem": note.problem,
    }
