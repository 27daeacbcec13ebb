"""How the budgets of a ledger read at one moment, beside what was last notified of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_token_monitor.budgets.evaluation import Budget, evaluate
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.ledger.alert_book import BudgetState, read_states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_token_monitor.ledger.reader import LedgerReader

__all__ = ["Reading", "take_reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Budgets and their last states as of `now_ns` (UTC).

    `document` is the policy as the ledger keeps it; None if it keeps none.
    """

    now_ns: int
    ledger_id: str
    document: str | None
    policy: Policy
    budgets: tuple[Budget, ...]
    states: Mapping[str, BudgetState]


def take_reading(reader: LedgerReader, own: Policy, now_ns: int, *, pace: bool = False) -> Reading:
    """Read the budgets; with `pace`, with their projections, which cost another look.

    `own` is the policy where the ledger keeps none. Raises LedgerError, LedgerVersionError too
    where this machine does not know the policy's time zone.
    """
    with reader.moment():
        document = reader.policy().document
        policy = Policy.held(document, own)
        return Reading(
            now_ns=now_ns,
            ledger_id=reader.ledger_id(),
            document=document,
            policy=policy,
            budgets=evaluate(reader, policy, now_ns, pace=pace),
            states=reader.query(read_states),
        )
