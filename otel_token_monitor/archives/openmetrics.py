"""Cumulative counters with timestamps, for `promtool tsdb create-blocks-from openmetrics`.

Sums are kept per quarter-hour: within one, calls count as if they were spread evenly. Every five
minutes there is a sample, as long as Prometheus takes a value for current.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from otel_token_monitor.usage import NANODOLLARS, QUARTER_SECONDS
from otel_token_monitor.views import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otel_token_monitor.ledger.history import History
    from otel_token_monitor.views.metrics import MetricSpec

__all__ = ["write_openmetrics"]

_STEPS: Final = 3
_STEP_SECONDS: Final = QUARTER_SECONDS // _STEPS
_LINES: Final = 1000


@dataclass(frozen=True, slots=True)
class _Family:
    """A counter: the label that tells its series apart, and the field of Totals of each value."""

    spec: MetricSpec
    label: str | None
    fields: dict[str, str]
    always: bool = True
    text: Callable[[int], str] = str


def _dollars(nanousd: int) -> str:
    whole, rest = divmod(nanousd, NANODOLLARS)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


# Those of the counters whose values the sums per quarter-hour have.
_FAMILIES: Final = (
    _Family(metrics.TOKENS, "type", {name: name for name in metrics.TYPES}),
    _Family(metrics.REQUESTS, "status", {name: f"requests_{name}" for name in metrics.STATUSES}),
    _Family(
        metrics.ESTIMATED_TOKENS,
        "direction",
        {name: f"estimated_{name}" for name in metrics.DIRECTIONS},
        always=False,
    ),
    _Family(metrics.COST, None, {"": "cost_nanousd"}, text=_dollars),
)


def write_openmetrics(
    file: IO[bytes],
    history: History,
    end: int,
    on_progress: Callable[[float], None] = lambda _share: None,
) -> int:
    """Write the counters from 0 on; `end` is the time of the last samples (seconds, UTC).

    `history` must have no calls after `end`. Gives how many calls were counted.
    """
    places = history.places()
    done, wanted = 0, max(len(places) * len(_FAMILIES), 1)
    for family in _FAMILIES:
        spec = family.spec
        name = spec.name.removesuffix("_total")
        file.write(f"# HELP {name} {_escaped(spec.help)}\n# TYPE {name} {spec.kind}\n".encode())
        for place in places:
            fields = family.fields
            if family.always or any(getattr(place.totals, f) for f in fields.values()):
                for value, field in fields.items():
                    labels = dict(zip(metrics.LABELS, place.labels, strict=True))
                    if family.label is not None:
                        labels[family.label] = value
                    samples = _samples(history.quarters(place, field), end)
                    _write_series(file, f"{spec.name}{{{_pairs(labels)}}}", samples, family.text)
            done += 1
            on_progress(done / wanted)
    file.write(b"# EOF\n")
    return sum(place.totals.requests for place in places)


def _samples(quarters: Iterable[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """Times (seconds) and cumulative values, from 0; quiet time has none, but the end."""
    value, last = 0, -1
    for quarter, grown in quarters:
        start = quarter * QUARTER_SECONDS
        until = min(start + QUARTER_SECONDS, end)
        if last < start:
            yield start, value
        for step in range(1, _STEPS):
            when = start + step * _STEP_SECONDS
            if when < until:
                yield when, value + grown * (when - start) // (until - start)
        value += grown
        last = until
        yield last, value
    if -1 < last < end:
        yield end, value


def _write_series(
    file: IO[bytes],
    series: str,
    samples: Iterable[tuple[int, int]],
    text: Callable[[int], str],
) -> None:
    lines: list[str] = []
    for when, value in samples:
        lines.append(f"{series} {text(value)} {when}\n")
        if len(lines) == _LINES:
            file.write("".join(lines).encode())
            lines.clear()
    file.write("".join(lines).encode())


def _pairs(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
