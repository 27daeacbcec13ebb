"""A scrape: the ledger's sums and the monitor's own health as Prometheus metric families."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client.registry import Collector

from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.views import metrics
from otel_token_monitor.views.exposition import Family
from otel_token_monitor.views.series import families

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from otel_token_monitor.ledger.reader import Exposition
    from otel_token_monitor.views.metrics import MetricSpec
    from otel_token_monitor.views.scrape import Scrape

__all__ = ["HealthReading", "TokenCollector"]

_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReading:
    """The health of this process at one moment.

    `counters` has the events, by name, that are not in the ledger yet. `last_write_ns` (UTC,
    since the epoch) is None as long as this process has written nothing.
    """

    counters: Mapping[str, int] = field(default_factory=dict)
    queue_length: int = 0
    backlog_records: int = 0
    open_spans: int = 0
    last_write_ns: int | None = None


class TokenCollector(Collector):
    """Shows a ledger to a Prometheus registry, read anew at each scrape.

    `read` raises a LedgerError when the ledger cannot be read: then the scrape has no `llm_*`
    series at all, never a part of them, and the health metrics stay. `health` is asked after it.
    Scrapes in several threads take turns at both.
    """

    def __init__(
        self,
        read: Callable[[], Scrape],
        health: Callable[[], HealthReading],
        *,
        histograms: bool = True,
    ) -> None:
        self._read = read
        self._health = health
        self._histograms = histograms
        self._version = version("otel-token-monitor")
        self._turn = threading.Lock()
        self._marks = _HealthMarks()

    def describe(self) -> Iterable[Family]:
        """The families without samples: registering must not read the ledger."""
        shown = metrics.METRICS
        if not self._histograms:
            shown = tuple(spec for spec in shown if spec.kind != "histogram")
        return map(Family, shown)

    def collect(self) -> Iterator[Family]:
        """The families that have samples now."""
        with self._turn:
            scrape = self._scrape()
            exposition = None if scrape is None else scrape.exposition
            reading = self._health()
            counts = self._marks.raised(exposition, reading.counters)
            ledger_id = self._marks.ledger_id
        if scrape is not None:
            yield from families(scrape.exposition.series, histograms=self._histograms)
            yield from scrape.gauges
        for name, count in counts.items():
            yield _single(metrics.HEALTH_COUNTERS.get(name) or metrics.health_counter(name), count)
        yield from _state(exposition, reading)
        yield _single(metrics.BUILD_INFO, 1, self._version, ledger_id)

    def forget_after_fork(self) -> None:
        """In a forked child: begin anew, whatever the parent's threads were doing."""
        self._turn = threading.Lock()
        self._marks = _HealthMarks()

    def _scrape(self) -> Scrape | None:
        try:
            return self._read()
        except LedgerError:
            return None


class _HealthMarks:
    """The health counters as last shown: they must not fall, although two places hold them.

    What is not written yet moves into the ledger between the two readings of a scrape, and is
    then in neither; and while the ledger cannot be read, what it held still counts.
    """

    def __init__(self) -> None:
        self.ledger_id = ""
        self._written: Mapping[str, int] = {}
        self._shown: dict[str, int] = dict.fromkeys(metrics.HEALTH_COUNTERS, 0)

    def raised(self, exposition: Exposition | None, unwritten: Mapping[str, int]) -> dict[str, int]:
        """The counts to show now, by name."""
        if exposition is not None:
            if self.ledger_id not in {"", exposition.ledger_id}:
                self._shown = dict.fromkeys(metrics.HEALTH_COUNTERS, 0)  # another ledger: anew
            self.ledger_id = exposition.ledger_id
            self._written = exposition.health
        for name in (*self._written, *unwritten):
            count = self._written.get(name, 0) + unwritten.get(name, 0)
            self._shown[name] = max(self._shown.get(name, 0), count)
        return dict(self._shown)


def _state(exposition: Exposition | None, reading: HealthReading) -> Iterator[Family]:
    yield _single(metrics.LEDGER_UP, int(exposition is not None))
    if exposition is not None:
        yield _single(metrics.LABEL_SETS, len(exposition.series))
    yield _single(metrics.QUEUE_LENGTH, reading.queue_length)
    yield _single(metrics.BACKLOG_RECORDS, reading.backlog_records)
    yield _single(metrics.OPEN_SPANS, reading.open_spans)
    if reading.last_write_ns is not None:
        yield _single(metrics.LAST_WRITE, reading.last_write_ns / _NANO)


def _single(spec: MetricSpec, value: float, *labels: str) -> Family:
    return Family(spec, [(labels, (value,))])
