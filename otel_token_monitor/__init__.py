"""Count every token that an application spends on models, exactly once."""

from typing import TYPE_CHECKING

from otel_token_monitor import instrumenting as _instrumenting
from otel_token_monitor.alerts.verdict import BudgetExceededError, Verdict
from otel_token_monitor.auto_token_monitor import AutoTokenMonitor
from otel_token_monitor.budgets.evaluation import Budget
from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from otel_token_monitor.instrumenting import instrument, uninstrument
from otel_token_monitor.monitor import TokenMonitor
from otel_token_monitor.spans.instrumentations import InstrumentationError
from otel_token_monitor.spans.project import project
from otel_token_monitor.usage import TokenUsage, UsageRecord

if TYPE_CHECKING:
    from otel_token_monitor.alerts.notices import Alert

    auto_monitor: AutoTokenMonitor
    """The watch over the budgets of `token_monitor`."""
    token_monitor: TokenMonitor
    """The monitor of `instrument()`, else one that is made from the environment when it is used."""

__all__ = [
    "Alert",
    "AutoTokenMonitor",
    "Budget",
    "BudgetExceededError",
    "BudgetStatus",
    "ConfigError",
    "InstrumentationError",
    "TokenMonitor",
    "TokenMonitorConfig",
    "TokenUsage",
    "UsageRecord",
    "Verdict",
    "auto_monitor",
    "instrument",
    "project",
    "token_monitor",
    "uninstrument",
]

_module_monitor = _instrumenting.ModuleMonitor()
_module_auto_monitor = _instrumenting.ModuleAutoMonitor()


def __getattr__(name: str) -> object:
    """Give what is made, or imported, only for those who use it."""
    if name == "Alert":
        # Imported here: applications without limits need nothing of alerts.
        from otel_token_monitor.alerts.notices import Alert  # noqa: PLC0415

        return Alert
    if name == "auto_monitor":
        return _module_auto_monitor
    if name == "token_monitor":
        # Whoever asks for it will log calls by hand.
        _instrumenting.expect_by_hand()
        return _module_monitor
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
