"""What is shown of each label set: every metric's lines, and where in the sums their values are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.utils import floatToGoString

from otel_token_monitor.usage import DURATION_BOUNDS, FIRST_TOKEN_BOUNDS, TOKEN_BOUNDS
from otel_token_monitor.views import metrics
from otel_token_monitor.views.exposition import Family, Layout, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from otel_token_monitor.usage import Labels, Sums
    from otel_token_monitor.views.exposition import Block
    from otel_token_monitor.views.metrics import MetricSpec

__all__ = ["families"]

_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Table:
    """One metric: how it is laid out, and the blocks of one label set."""

    layout: Layout
    blocks: Callable[[Labels, Sums], Sequence[Block]]


def families(series: Mapping[Labels, Sums], *, histograms: bool) -> Iterator[Family]:
    """The metrics of the label sets, in the order of the table of metrics; none without a value."""
    for table in _TABLES:
        if not histograms and table.layout.spec.kind == "histogram":
            continue
        blocks = [block for item in series.items() for block in table.blocks(*item)]
        if blocks:
            yield Family(table.layout.spec, blocks, table.layout)


# The blocks of one label set. Zeros are shown where a series' first increase must be seen by
# increase(), which needs a value before it.


def _tokens(labels: Labels, sums: Sums) -> list[Block]:
    return [(labels, sums.totals[: len(metrics.TYPES)])]  # the totals begin with the parts


def _requests(labels: Labels, sums: Sums) -> list[Block]:
    return [(labels, (sums.totals.requests_ok, sums.totals.requests_error))]


def _unmetered(labels: Labels, sums: Sums) -> list[Block]:
    return [((*labels, reason), (count,)) for reason, count in sorted(sums.unmetered.items())]


def _modalities(labels: Labels, sums: Sums) -> list[Block]:
    return [((*labels, *key), (count,)) for key, count in sorted(sums.modalities.items())]


def _estimated(labels: Labels, sums: Sums) -> list[Block]:
    given, made = sums.totals.estimated_input, sums.totals.estimated_output
    return [(labels, (given, made))] if given or made else []


def _cost(labels: Labels, sums: Sums) -> list[Block]:
    return [(labels, (sums.totals.cost_nanousd / _NANO,))]


def _durations(labels: Labels, sums: Sums) -> list[Block]:
    return [(labels, _histogram(sums.duration, sums.duration_ns / _NANO))]


def _request_tokens(labels: Labels, sums: Sums) -> list[Block]:
    given = _histogram(sums.input_tokens, sums.totals.input_tokens)
    made = _histogram(sums.output_tokens, sums.totals.output_tokens)
    return [(labels, given + made)]


def _first_tokens(labels: Labels, sums: Sums) -> list[Block]:
    if not sums.first_token_count:
        return []  # an endpoint that never streams would carry a row of zeros for ever
    return [(labels, _histogram(sums.first_token, sums.first_token_ns / _NANO))]


def _unpriced(labels: Labels, sums: Sums) -> list[Block]:
    count = sums.totals.unpriced
    return [(labels, (count,))] if count else []


def _histogram(buckets: Sequence[int], total: float) -> list[float]:
    """One histogram from the counts per bucket, which are not cumulative."""
    counts: list[float] = list(accumulate(buckets))
    return [*counts, counts[-1], total]


def _by(spec: MetricSpec, label: str, values: Sequence[str]) -> Layout:
    """A line for each value of a label."""
    return Layout(spec, [Line(labels=((label, value),)) for value in values])


def _buckets(bounds: Sequence[float], *labels: tuple[str, str]) -> list[Line]:
    """The lines of a histogram with these bounds."""
    edges = (*map(floatToGoString, bounds), "+Inf")
    buckets = [Line("_bucket", (*labels, ("le", edge))) for edge in edges]
    return [*buckets, Line("_count", labels), Line("_sum", labels)]


_TABLES: Final = (
    _Table(_by(metrics.TOKENS, "type", metrics.TYPES), _tokens),
    _Table(_by(metrics.REQUESTS, "status", metrics.STATUSES), _requests),
    _Table(Layout(metrics.MODALITY_TOKENS), _modalities),
    _Table(Layout(metrics.UNMETERED_REQUESTS), _unmetered),
    _Table(_by(metrics.ESTIMATED_TOKENS, "direction", metrics.DIRECTIONS), _estimated),
    _Table(Layout(metrics.COST), _cost),
    _Table(Layout(metrics.DURATION, _buckets(DURATION_BOUNDS)), _durations),
    _Table(
        Layout(
            metrics.REQUEST_TOKENS,
            [
                line
                for direction in metrics.DIRECTIONS
                for line in _buckets(TOKEN_BOUNDS, ("direction", direction))
            ],
        ),
        _request_tokens,
    ),
    _Table(Layout(metrics.FIRST_TOKEN, _buckets(FIRST_TOKEN_BOUNDS)), _first_tokens),
    _Table(Layout(metrics.UNPRICED_REQUESTS), _unpriced),
)
