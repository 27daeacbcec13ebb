"""Keeping an application's policy with its ledger, and hearing whose policy holds there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from otel_token_monitor.ledger.policies import PolicyStanding, declare_policy

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from otel_token_monitor.budgets.policy import Policy

__all__ = ["PolicyKeeper"]

_log = logging.getLogger("otel_token_monitor")


class PolicyKeeper:
    """Declares a policy in a ledger: the chore of its writer.

    `standing` is whose policy held there when it was declared last. A disagreement between running
    applications is logged once. `owner` is this application's project. `holds` is called whenever
    this policy begins to hold.
    """

    def __init__(
        self, policy: Policy, *, owner: str = "default", holds: Callable[[], None] | None = None
    ) -> None:
        self._row = policy.row(owner)
        self._holds = holds
        self._said = False
        self.standing = PolicyStanding()

    @property
    def limited(self) -> bool:
        """Whether the policy that held when this one was declared last has limits."""
        document = self.standing.document
        return document is not None and '"limits": []' not in document

    def __call__(self, connection: sqlite3.Connection, now_ns: int, opened: bool) -> None:  # noqa: FBT001
        """Declare it, within a transaction of the writer's."""
        held = self.standing.document == self._row.document
        self.standing = declare_policy(connection, self._row, now_ns, starting=opened)
        holds = self.standing.document == self._row.document
        if holds and not held and self._holds is not None:
            self._holds()
        if self.standing.contested and not self._said:
            self._said = True
            _log.warning(
                "applications that count into this ledger disagree about limits, thresholds or "
                "the time zone: those of the one that started last hold%s. Give them the same "
                "configuration, or ledgers of their own.",
                ", which are this application's" if holds else ", not this application's",
            )
