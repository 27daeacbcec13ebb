"""Why there is no sum over any directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_token_monitor.ledger.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AggregationError"]


class AggregationError(LedgerError):
    """None of the directories can be counted; `problems` has a sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        many = len(self.problems) > 1
        super().__init__(
            "\n- ".join(["no directory can be counted:", *problems] if many else problems)
        )
