"""Count every token that an application spends on models, exactly once."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_token_monitor.aggregation.aggregator import TokenUsageAggregator
    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.alerts.verdict import BudgetExceededError, Verdict
    from otel_token_monitor.archives.errors import BrokenFileError
    from otel_token_monitor.auto_token_monitor import AutoTokenMonitor
    from otel_token_monitor.budgets.evaluation import Budget
    from otel_token_monitor.budgets.limits import BudgetStatus
    from otel_token_monitor.config import ConfigError, TokenMonitorConfig
    from otel_token_monitor.global_token_monitor import GlobalTokenMonitor
    from otel_token_monitor.instrumenting import instrument, uninstrument
    from otel_token_monitor.ledger.errors import ImportRefusedError, LedgerError
    from otel_token_monitor.ledger.importing import ImportResult
    from otel_token_monitor.monitor import TokenMonitor
    from otel_token_monitor.spans.instrumentations import InstrumentationError
    from otel_token_monitor.spans.project import project
    from otel_token_monitor.token_data_exporter import TokenDataExporter
    from otel_token_monitor.token_data_importer import TokenDataImporter
    from otel_token_monitor.token_sync_service import TokenSyncService
    from otel_token_monitor.usage import TokenUsage, UsageRecord

    auto_monitor: AutoTokenMonitor
    """The watch over the budgets of `token_monitor`."""
    token_monitor: TokenMonitor
    """The monitor of `instrument()`, else one that is made from the environment when it is used."""

__all__ = [
    "Alert",
    "AutoTokenMonitor",
    "BrokenFileError",
    "Budget",
    "BudgetExceededError",
    "BudgetStatus",
    "ConfigError",
    "GlobalTokenMonitor",
    "ImportRefusedError",
    "ImportResult",
    "InstrumentationError",
    "LedgerError",
    "TokenDataExporter",
    "TokenDataImporter",
    "TokenMonitor",
    "TokenMonitorConfig",
    "TokenSyncService",
    "TokenUsage",
    "TokenUsageAggregator",
    "UsageRecord",
    "Verdict",
    "auto_monitor",
    "instrument",
    "project",
    "token_monitor",
    "uninstrument",
]

# Imported when they are asked for: who exports a file, or asks for the status, needs no
# OpenTelemetry, and an application without limits needs nothing of alerts.
_HOMES: Final = {
    "Alert": "alerts.notices",
    "AutoTokenMonitor": "auto_token_monitor",
    "BrokenFileError": "archives.errors",
    "Budget": "budgets.evaluation",
    "BudgetExceededError": "alerts.verdict",
    "BudgetStatus": "budgets.limits",
    "ConfigError": "config",
    "GlobalTokenMonitor": "global_token_monitor",
    "ImportRefusedError": "ledger.errors",
    "ImportResult": "ledger.importing",
    "InstrumentationError": "spans.instrumentations",
    "LedgerError": "ledger.errors",
    "TokenDataExporter": "token_data_exporter",
    "TokenDataImporter": "token_data_importer",
    "TokenMonitor": "monitor",
    "TokenMonitorConfig": "config",
    "TokenSyncService": "token_sync_service",
    "TokenUsage": "usage",
    "TokenUsageAggregator": "aggregation.aggregator",
    "UsageRecord": "usage",
    "Verdict": "alerts.verdict",
    "auto_monitor": "instrumenting",
    "instrument": "instrumenting",
    "project": "spans.project",
    "token_monitor": "instrumenting",
    "uninstrument": "instrumenting",
}


def __getattr__(name: str) -> object:
    """Give a public name, which is imported only for those who use it."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
