"""What days and months add up to, read again only where something changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from otel_token_monitor.snapshots.periods import Period, days_of, months_of
from otel_token_monitor.usage import QUARTER_NS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from otel_token_monitor.ledger.reader import LedgerReader
    from otel_token_monitor.usage import Labels, Totals

__all__ = ["KnownSums"]


class _Of(NamedTuple):
    """What sums are of: they are worth nothing for another ledger, or in another time zone."""

    ledger_id: str
    timezone: str


class KnownSums:
    """The sums of one ledger's days and months, as of one moment.

    To ask for all of them at once would take a while, in which nobody else could use the reader.
    So they are read one by one, ahead; at the moment that counts, only those are read again that
    changed since.
    """

    def __init__(self) -> None:
        self._of: _Of | None = None
        self._sums: dict[Period, Mapping[Labels, Totals]] = {}
        self._labels: dict[Labels, Labels] = {}
        self._number = 0
        self.months: tuple[Period, ...] = ()
        """All months in which anything ever changed, in order."""

    def bring_up_to_date(self, reader: LedgerReader, zone: ZoneInfo) -> None:
        """Forget what changed since the last time, within a moment of the reader."""
        of = _Of(reader.ledger_id(), zone.key)
        if of != self._of:
            self._of, self._number, self.months = of, 0, ()
            self._sums.clear()
            self._labels.clear()
        changes = reader.changes(self._number)
        days = days_of(changes.quarters, zone)
        months = months_of(days)
        for period in (*days, *months):
            self._sums.pop(period, None)
        self.months = tuple(sorted({*self.months, *months}))
        self._number = changes.number

    def missing(self, wanted: Iterable[Period]) -> list[Period]:
        """Those that are still to be read."""
        return [period for period in wanted if period not in self._sums]

    def of(self, period: Period, zone: ZoneInfo, reader: LedgerReader) -> Mapping[Labels, Totals]:
        """The sums of a day or month, by labels in order; of one without calls they are empty."""
        sums = self._sums.get(period)
        if sums is None:
            span = period.span(zone)
            found = reader.totals(span.start_ns // QUARTER_NS, span.end_ns // QUARTER_NS)
            # Most labels come again in every period.
            sums = {
                self._labels.setdefault(labels, labels): totals
                for labels, totals in sorted(found.items())
            }
            self._sums[period] = sums
        return sums

    def keep_only(self, periods: Iterable[Period]) -> None:
        """Forget all others."""
        kept = set(periods)
        self._sums = {period: sums for period, sums in self._sums.items() if period in kept}
        self._labels = {labels: labels for sums in self._sums.values() for labels in sums}
