"""What `/metrics` says, read over HTTP as Prometheus reads it."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

from otel_token_monitor.usage import NANODOLLARS, Labels, Totals
from otel_token_monitor.views import metrics
from otel_token_monitor.views.sums import summed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client.samples import Sample

__all__ = ["Reading", "ScrapeError", "scrape"]

_TIMEOUT: Final = 5.0


class ScrapeError(Exception):
    """`/metrics` did not answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One scrape: the sums by label set, and the values of metrics without labels by name."""

    by_labels: Mapping[Labels, Totals]
    health: Mapping[str, float]

    @property
    def total(self) -> Totals:
        """The sum over everything."""
        return summed(self.by_labels.values())

    def since(self, start: Reading) -> Reading:
        """What was added since another reading of the same ledger."""
        added = {
            labels: Totals(*map(int.__sub__, totals, start.by_labels.get(labels, Totals())))
            for labels, totals in self.by_labels.items()
        }
        return Reading({labels: one for labels, one in added.items() if any(one)}, self.health)


def scrape(address: tuple[str, int]) -> Reading:
    """Ask `/metrics` at an address. Raises ScrapeError."""
    connection = HTTPConnection(*address, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
    except (HTTPException, OSError) as error:
        raise ScrapeError(f"http://{address[0]}:{address[1]}/metrics: {error}") from error
    finally:
        connection.close()
    return parsed(text)


def parsed(text: str) -> Reading:
    """The reading that an exposition in Prometheus's text format gives."""
    sums: dict[Labels, dict[str, int]] = {}
    health: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            added = _field(sample)
            if added is not None:
                labels = Labels(*(sample.labels[name] for name in metrics.LABELS))
                field, value = added
                part = sums.setdefault(labels, {})
                part[field] = part.get(field, 0) + value
            elif not sample.labels:
                health[sample.name] = sample.value
    return Reading({labels: Totals(**part) for labels, part in sums.items()}, health)


def _field(sample: Sample) -> tuple[str, int] | None:
    """Which of the sums a sample adds to, and how much; None if it tells of something else."""
    value = sample.value
    if sample.name == metrics.TOKENS.name:
        return sample.labels["type"], int(value)
    if sample.name == metrics.REQUESTS.name:
        return f"requests_{sample.labels['status']}", int(value)
    if sample.name == metrics.COST.name:
        return "cost_nanousd", round(value * NANODOLLARS)
    field = _COUNTS.get(sample.name)
    return None if field is None else (field, int(value))


_COUNTS: Final = {
    metrics.UNMETERED_REQUESTS.name: "unmetered",
    metrics.UNPRICED_REQUESTS.name: "unpriced",
}
