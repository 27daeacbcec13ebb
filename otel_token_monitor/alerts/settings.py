"""How a process watches its budgets, as its configuration says."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_token_monitor.alerts.alert_log import AlertLog
from otel_token_monitor.alerts.webhooks import Webhook
from otel_token_monitor.budgets.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from otel_token_monitor.alerts.channels import Channel
    from otel_token_monitor.config import TokenMonitorConfig

__all__ = ["WatchSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """`policy` holds where the ledger keeps none; `interval` is in seconds.

    `report_step` is the share of a limit between two reports (None: no reports), `level` the least
    severe that is said on the console.
    """

    policy: Policy
    interval: float = 300.0
    report_step: float | None = None
    channels: tuple[Channel, ...] = ()
    level: int = logging.INFO

    @classmethod
    def of(
        cls, config: TokenMonitorConfig, ledger_path: Path | None, policy: Policy | None = None
    ) -> WatchSettings:
        """What a configuration says; `ledger_path` is None for a ledger in memory.

        With a `policy`, that one stands in for the configuration's.
        """
        level = logging.getLevelNamesMapping()[config.log_level]
        channels: list[Channel] = [Webhook(url) for url in config.webhook_url]
        if config.enable_file_logging and ledger_path is not None:
            channels.append(AlertLog(ledger_path.parent / "logs", level))
        return cls(
            policy=Policy.of(config) if policy is None else policy,
            interval=config.monitor_interval,
            report_step=config.report_threshold if config.auto_report else None,
            channels=tuple(channels),
            level=level,
        )
