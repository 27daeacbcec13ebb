"""A scrape: the ledger's sums and the monitor's own health as Prometheus metric families."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.usage import (
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    TOKEN_BOUNDS,
    Sums,
    TokenUsage,
)
from otel_token_monitor.views import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from otel_token_monitor.ledger.reader import Exposition
    from otel_token_monitor.views.metrics import MetricSpec

    SamplesOf = Callable[[dict[str, str], Sums], Iterable[Sample]]

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
        read: Callable[[], Exposition],
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

    def describe(self) -> Iterable[Metric]:
        """The families without samples: registering must not read the ledger."""
        hidden = set() if self._histograms else {spec.name for spec, _ in _HISTOGRAMS}
        return [_family(spec, ()) for spec in metrics.METRICS if spec.name not in hidden]

    def collect(self) -> Iterator[Metric]:
        """The families that have samples now."""
        with self._turn:
            exposition = self._exposition()
            reading = self._health()
            counts = self._marks.raised(exposition, reading.counters)
            ledger_id = self._marks.ledger_id
        if exposition is not None:
            yield from self._series(exposition)
        for name, count in counts.items():
            spec = metrics.HEALTH_COUNTERS.get(name) or metrics.health_counter(name)
            yield _single(spec, count)
        yield from _gauges(exposition, reading)
        yield _single(metrics.BUILD_INFO, 1, version=self._version, ledger=ledger_id)

    def forget_after_fork(self) -> None:
        """In a forked child: begin anew, whatever the parent's threads were doing."""
        self._turn = threading.Lock()
        self._marks = _HealthMarks()

    def _exposition(self) -> Exposition | None:
        try:
            return self._read()
        except LedgerError:
            return None

    def _series(self, exposition: Exposition) -> Iterator[Metric]:
        """Everything that is counted per label set."""
        series = [(labels._asdict(), sums) for labels, sums in exposition.series.items()]
        for spec, samples_of in (*_COUNTERS, *(_HISTOGRAMS if self._histograms else ())):
            samples = [sample for labels, sums in series for sample in samples_of(labels, sums)]
            if samples:
                yield _family(spec, samples)


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


def _family(spec: MetricSpec, samples: Iterable[Sample]) -> Metric:
    """A family as prometheus_client has it: without the suffix, which is the samples' alone."""
    suffix = {"counter": "_total", "info": "_info"}.get(spec.kind, "")
    family = Metric(spec.name.removesuffix(suffix), spec.help, spec.kind)
    family.samples.extend(samples)
    return family


def _single(spec: MetricSpec, value: float, **labels: str) -> Metric:
    return _family(spec, [Sample(spec.name, labels, value)])


def _gauges(exposition: Exposition | None, reading: HealthReading) -> Iterator[Metric]:
    yield _single(metrics.LEDGER_UP, int(exposition is not None))
    if exposition is not None:
        yield _single(metrics.LABEL_SETS, len(exposition.series))
    yield _single(metrics.QUEUE_LENGTH, reading.queue_length)
    yield _single(metrics.BACKLOG_RECORDS, reading.backlog_records)
    yield _single(metrics.OPEN_SPANS, reading.open_spans)
    if reading.last_write_ns is not None:
        yield _single(metrics.LAST_WRITE, reading.last_write_ns / _NANO)


# The samples of one label set. Zeros are shown where a series' first increase must be seen by
# increase(), which needs a value before it.


def _tokens(labels: dict[str, str], sums: Sums) -> list[Sample]:
    name = metrics.TOKENS.name
    parts = zip(TokenUsage._fields, sums.totals, strict=False)  # the totals begin with the parts
    return [Sample(name, {**labels, "type": part}, value) for part, value in parts]


def _requests(labels: dict[str, str], sums: Sums) -> list[Sample]:
    name = metrics.REQUESTS.name
    return [
        Sample(name, {**labels, "status": "ok"}, sums.totals.requests_ok),
        Sample(name, {**labels, "status": "error"}, sums.totals.requests_error),
    ]


def _unmetered(labels: dict[str, str], sums: Sums) -> list[Sample]:
    name = metrics.UNMETERED_REQUESTS.name
    return [
        Sample(name, {**labels, "reason": reason}, count)
        for reason, count in sorted(sums.unmetered.items())
    ]


def _estimated(labels: dict[str, str], sums: Sums) -> list[Sample]:
    given, made = sums.totals.estimated_input, sums.totals.estimated_output
    if not given and not made:
        return []
    name = metrics.ESTIMATED_TOKENS.name
    return [
        Sample(name, {**labels, "direction": "input"}, given),
        Sample(name, {**labels, "direction": "output"}, made),
    ]


def _cost(labels: dict[str, str], sums: Sums) -> list[Sample]:
    return [Sample(metrics.COST.name, labels, sums.totals.cost_nanousd / _NANO)]


def _unpriced(labels: dict[str, str], sums: Sums) -> list[Sample]:
    count = sums.totals.unpriced
    return [Sample(metrics.UNPRICED_REQUESTS.name, labels, count)] if count else []


def _edges(bounds: Sequence[float]) -> tuple[str, ...]:
    """The values of the label `le`."""
    return (*map(floatToGoString, bounds), "+Inf")


_DURATION_EDGES: Final = _edges(DURATION_BOUNDS)
_FIRST_TOKEN_EDGES: Final = _edges(FIRST_TOKEN_BOUNDS)
_TOKEN_EDGES: Final = _edges(TOKEN_BOUNDS)


def _histogram(
    spec: MetricSpec,
    labels: dict[str, str],
    edges: Sequence[str],
    buckets: Sequence[int],
    total: float,
) -> list[Sample]:
    """One histogram from the counts per bucket, which are not cumulative."""
    name = f"{spec.name}_bucket"
    counts = list(accumulate(buckets))
    samples = [
        Sample(name, {**labels, "le": edge}, count)
        for edge, count in zip(edges, counts, strict=True)
    ]
    samples.append(Sample(f"{spec.name}_count", labels, counts[-1]))
    samples.append(Sample(f"{spec.name}_sum", labels, total))
    return samples


def _durations(labels: dict[str, str], sums: Sums) -> list[Sample]:
    total = sums.duration_ns / _NANO
    return _histogram(metrics.DURATION, labels, _DURATION_EDGES, sums.duration, total)


def _request_tokens(labels: dict[str, str], sums: Sums) -> list[Sample]:
    given, made = {**labels, "direction": "input"}, {**labels, "direction": "output"}
    spec, edges, totals = metrics.REQUEST_TOKENS, _TOKEN_EDGES, sums.totals
    return [
        *_histogram(spec, given, edges, sums.input_tokens, totals.input_tokens),
        *_histogram(spec, made, edges, sums.output_tokens, totals.output_tokens),
    ]


def _first_tokens(labels: dict[str, str], sums: Sums) -> list[Sample]:
    if not sums.first_token_count:
        return []  # an endpoint that never streams would carry a row of zeros for ever
    total = sums.first_token_ns / _NANO
    return _histogram(metrics.FIRST_TOKEN, labels, _FIRST_TOKEN_EDGES, sums.first_token, total)


_COUNTERS: Final[tuple[tuple[MetricSpec, SamplesOf], ...]] = (
    (metrics.TOKENS, _tokens),
    (metrics.REQUESTS, _requests),
    (metrics.UNMETERED_REQUESTS, _unmetered),
    (metrics.ESTIMATED_TOKENS, _estimated),
    (metrics.COST, _cost),
    (metrics.UNPRICED_REQUESTS, _unpriced),
)
_HISTOGRAMS: Final[tuple[tuple[MetricSpec, SamplesOf], ...]] = (
    (metrics.DURATION, _durations),
    (metrics.REQUEST_TOKENS, _request_tokens),
    (metrics.FIRST_TOKEN, _first_tokens),
)
