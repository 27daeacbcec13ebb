"""What an application goes by: its limits, thresholds and time zone, as its ledger keeps them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger.errors import LedgerVersionError
from otel_token_monitor.ledger.policies import PolicyRow
from otel_token_monitor.usage import NANODOLLARS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.config.limits import LimitSetting, ScopeLimits

__all__ = ["Policy"]

_LIMITED: Final = {
    "per_minute_limit": (Unit.TOKENS, Window.MINUTE),
    "daily_limit": (Unit.TOKENS, Window.DAY),
    "monthly_limit": (Unit.TOKENS, Window.MONTH),
    "requests_per_minute_limit": (Unit.REQUESTS, Window.MINUTE),
    "requests_per_day_limit": (Unit.REQUESTS, Window.DAY),
    "requests_per_month_limit": (Unit.REQUESTS, Window.MONTH),
    "daily_cost_limit": (Unit.USD, Window.DAY),
    "monthly_cost_limit": (Unit.USD, Window.MONTH),
}
"""What each key of the configuration limits."""

_LIMITED_OVER_LEDGERS: Final = {
    "global_daily_limit": _LIMITED["daily_limit"],
    "global_monthly_limit": _LIMITED["monthly_limit"],
}


@dataclass(frozen=True)
class Policy:
    """Limits in the order of their scopes, the thresholds of those without their own, a time zone.

    Nothing in it is secret: everybody who may read the ledger may read it.
    """

    limits: tuple[Limit, ...] = ()
    timezone: str = "UTC"
    warning: float = 0.8
    critical: float = 0.9

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone. Raises LedgerVersionError where this machine does not know it."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = (
                f"this machine does not know the time zone {self.timezone!r} that the ledger goes "
                f"by: pip install --upgrade tzdata"
            )
            raise LedgerVersionError(message) from error

    @classmethod
    def of(cls, config: TokenMonitorConfig) -> Policy:
        """What a configuration says."""
        return cls(
            limits=tuple(_limits(config)),
            timezone=config.timezone,
            warning=config.warning_threshold,
            critical=config.alert_threshold,
        )

    @classmethod
    def over_ledgers(cls, config: TokenMonitorConfig) -> Policy:
        """What a configuration says of several ledgers together: its `global_…` limits."""
        scope = Scope(over_ledgers=True)
        limits = _scoped(config, scope, config, _LIMITED_OVER_LEDGERS)
        return replace(cls.of(config), limits=tuple(limits))

    def row(self, owner: str = "default") -> PolicyRow:
        """How the ledger keeps it; `owner` is the project of the application that goes by it."""
        document = json.dumps(
            {
                "timezone": self.timezone,
                "warning": self.warning,
                "critical": self.critical,
                "limits": [limit.document() for limit in self.limits],
            },
            sort_keys=True,
        )
        digest = hashlib.sha256(f"{owner}\n{document}".encode()).hexdigest()[:16]
        silent = self == Policy()
        return PolicyRow(digest=digest, document=document, owner=owner, silent=silent)

    @classmethod
    def held(cls, document: str | None, fallback: Policy) -> Policy:
        """The policy that a ledger keeps; `fallback` if it keeps none (None).

        Raises LedgerVersionError if it cannot be read.
        """
        return fallback if document is None else cls.from_document(document)

    @classmethod
    def from_document(cls, document: str) -> Policy:
        """Read what `row` made. Raises LedgerVersionError if it is nothing of the kind."""
        try:
            fields = json.loads(document)
            return cls(
                limits=tuple(map(Limit.from_document, fields["limits"])),
                timezone=str(fields["timezone"]),
                warning=float(fields["warning"]),
                critical=float(fields["critical"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            message = (
                f"the limits that the ledger keeps cannot be read ({error!r}): a newer release "
                f"wrote them perhaps; upgrade otel-token-monitor, or start its application anew"
            )
            raise LedgerVersionError(message) from error


def _limits(config: TokenMonitorConfig) -> Iterator[Limit]:
    yield from _scoped(config, Scope(), config)
    for project, limits in sorted(config.projects.items()):
        yield from _scoped(limits, Scope(project), config)
    for model, scoped in sorted(config.models.items()):
        yield from _scoped(scoped, Scope(None, model), config)
    for project, limits in sorted(config.projects.items()):
        for model, scoped in sorted(limits.models.items()):
            yield from _scoped(scoped, Scope(project, model), config)


def _scoped(
    limits: TokenMonitorConfig | ScopeLimits,
    scope: Scope,
    config: TokenMonitorConfig,
    limited: Mapping[str, tuple[Unit, Window]] = _LIMITED,
) -> Iterator[Limit]:
    for key, (unit, window) in limited.items():
        setting: LimitSetting | None = getattr(limits, key)
        if setting is not None:
            warning, critical = setting.warning_threshold, setting.alert_threshold
            yield Limit(
                scope=scope,
                unit=unit,
                window=window,
                amount=int(setting.limit * (NANODOLLARS if unit is Unit.USD else 1)),
                warning=config.warning_threshold if warning is None else warning,
                critical=config.alert_threshold if critical is None else critical,
            )
