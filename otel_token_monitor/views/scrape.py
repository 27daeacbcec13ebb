"""What one scrape shows of a ledger, all of it as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_token_monitor.alerts.testing import is_test_alert_asked
from otel_token_monitor.budgets.evaluation import evaluate
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.ledger.alert_book import count_deliveries
from otel_token_monitor.ledger.errors import LedgerVersionError
from otel_token_monitor.views.gauges import (
    asked_alert_family,
    budget_families,
    contested_family,
    pending_family,
)

if TYPE_CHECKING:
    from otel_token_monitor.ledger.reader import Exposition, LedgerReader
    from otel_token_monitor.views.exposition import Family

__all__ = ["Scrape", "take_scrape"]


@dataclass(frozen=True, slots=True)
class Scrape:
    """The cumulative sums, and the gauges of budgets and alerts."""

    exposition: Exposition
    gauges: tuple[Family, ...] = ()


def take_scrape(reader: LedgerReader, fallback: Policy, now_ns: int) -> Scrape:
    """Ask a ledger what a scrape shows. Raises LedgerError.

    The ledger's own policy holds, `fallback` where no application has declared one. One that
    cannot be read (a newer release's) costs the budgets' gauges, never a counter.
    """
    with reader.moment():
        exposition = reader.exposition()
        standing = reader.policy()
        asked = reader.query(lambda connection: is_test_alert_asked(connection, now_ns))
        alerts = (pending_family(reader.query(count_deliveries)), asked_alert_family(asked=asked))
        try:
            policy = Policy.held(standing.document, fallback)
            budgets = evaluate(reader, policy, now_ns, pace=True)
        except LedgerVersionError:
            return Scrape(exposition, alerts)
    gauges = budget_families(exposition.ledger_id, budgets)
    contested = contested_family(contested=standing.contested)
    return Scrape(exposition, (*gauges, contested, *alerts))
