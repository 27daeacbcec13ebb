"""What is limited: how much of what, per which window, for whose calls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.usage import NANODOLLARS

if TYPE_CHECKING:
    from otel_token_monitor.usage import Labels, Used

__all__ = ["BudgetStatus", "Limit", "Scope", "Unit"]


class Unit(StrEnum):
    """What is counted."""

    TOKENS = "tokens"
    REQUESTS = "requests"
    USD = "usd"

    def of(self, used: Used) -> int:
        """How much of it is in a sum, estimates included; money in nano-dollars."""
        if self is Unit.TOKENS:
            return used.tokens
        return used.requests if self is Unit.REQUESTS else used.cost_nanousd

    def estimated(self, used: Used) -> int:
        """How much of that is estimated."""
        return used.estimated_tokens if self is Unit.TOKENS else 0

    def shown(self, amount: int) -> float:
        """An amount as users know it: dollars for nano-dollars."""
        return amount / NANODOLLARS if self is Unit.USD else amount


class BudgetStatus(IntEnum):
    """How far a budget is used up; ordered, so that the worst of several is their `max`."""

    NORMAL = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Whose calls count: those of a project, of the models that match a glob, of both; or all.

    `over_ledgers`: it is the calls of several ledgers that count together.
    """

    project: str | None = None
    model: str | None = None
    over_ledgers: bool = False

    @property
    def kind(self) -> str:
        """`ledger`, `global` (several ledgers), `project`, `model` or `project_model`."""
        names = ("project" * (self.project is not None), "model" * (self.model is not None))
        return "_".join(filter(None, names)) or self._whole

    @property
    def is_whole(self) -> bool:
        """Whether all calls count, of one ledger or of several."""
        return self.project is None and self.model is None

    @property
    def _whole(self) -> str:
        return "global" if self.over_ledgers else "ledger"

    def __str__(self) -> str:
        """Its place in a budget's name: unlike that of any other scope, whatever the names."""
        parts = []
        if self.project is not None:
            parts.append(f"project:{self.project.replace('%', '%25').replace('/', '%2F')}")
        if self.model is not None:
            parts.append(f"model:{self.model}")
        return "/".join(parts) or self._whole

    def covers(self, labels: Labels) -> bool:
        """Whether calls under these labels count."""
        return (self.project is None or self.project == labels.project) and (
            self.model is None or fnmatchcase(labels.model, self.model)
        )


@dataclass(frozen=True)
class Limit:
    """How much may be used: `amount` in whole tokens, requests or nano-dollars.

    `warning` and `critical` are the shares of it, over 0 and at most 1, from which on its status
    is WARNING and CRITICAL.
    """

    scope: Scope
    unit: Unit
    window: Window
    amount: int
    warning: float = 0.8
    critical: float = 0.9

    @cached_property
    def budget(self) -> str:
        """The budget's unique name, such as `project:checkout/tokens/day`."""
        return f"{self.scope}/{self.unit}/{self.window}"

    @cached_property
    def _levels(self) -> tuple[int, int]:
        """The least amounts of both statuses: whole numbers, so that no boundary is rounded."""
        warning, critical = (Fraction(str(share)) for share in (self.warning, self.critical))
        return ceil(self.amount * warning), ceil(self.amount * critical)

    def status(self, used: int) -> BudgetStatus:
        """The status at an amount that is used."""
        warning, critical = self._levels
        return BudgetStatus((used >= warning) + (used >= critical))

    def document(self) -> dict[str, Any]:
        """The limit as JSON; `from_document` reads it."""
        # Only where it says something: other releases' documents of the same limits are equal.
        over_ledgers = {"over_ledgers": True} if self.scope.over_ledgers else {}
        return {
            **over_ledgers,
            "project": self.scope.project,
            "model": self.scope.model,
            "unit": str(self.unit),
            "window": str(self.window),
            "amount": self.amount,
            "warning": self.warning,
            "critical": self.critical,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Limit:
        """Raises KeyError, TypeError or ValueError if it is no limit's document."""
        return cls(
            scope=Scope(
                document["project"],
                document["model"],
                over_ledgers=document.get("over_ledgers", False) is True,
            ),
            unit=Unit(document["unit"]),
            window=Window(document["window"]),
            amount=int(document["amount"]),
            warning=float(document["warning"]),
            critical=float(document["critical"]),
        )
