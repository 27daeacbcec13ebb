"""What a new configuration file starts with."""

from __future__ import annotations

import json
from typing import Any, Final

from otel_token_monitor.config.faults import ConfigError, shown, unknown
from otel_token_monitor.config.model import TokenMonitorConfig
from otel_token_monitor.config.sources import VARIABLES

__all__ = ["PRESETS", "preset", "template"]

PRESETS: Final = {
    "gpt-5-mini": {
        "daily_limit": 2_000_000,
        "monthly_limit": 60_000_000,
        "per_minute_limit": 200_000,
        "requests_per_minute_limit": 500,
    }
}
"""The limits that the module this product grew out of gives, by model."""

# Each group of the file: why one would look at it, and its fields with a value to start from;
# `...` is the default.
_GROUPS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "Whose calls these are, and where they are counted.",
        {"project": "checkout", "data_dir": ..., "timezone": "Asia/Seoul"},
    ),
    (
        "Limits of the whole ledger. What is left out has no limit.",
        {
            "daily_limit": 2_000_000,
            "monthly_limit": 60_000_000,
            "per_minute_limit": 200_000,
            "requests_per_minute_limit": 500,
            "requests_per_day_limit": 100_000,
            "requests_per_month_limit": 3_000_000,
            "daily_cost_limit": 20.5,
            "monthly_cost_limit": 400,
        },
    ),
    (
        "Limits by project, and by model within one. Any limit may have thresholds of its own.",
        {
            "projects": {
                "checkout": {
                    "daily_limit": 500_000,
                    "monthly_cost_limit": {"limit": 150, "alert_threshold": 0.95},
                    "models": {"gpt-5*": {"per_minute_limit": 100_000}},
                },
                "search": {"requests_per_day_limit": 20_000},
            }
        },
    ),
    (
        "Limits by model, over all projects; * stands for anything.",
        {"models": {"gpt-5*": {"daily_limit": 1_500_000}, "o3": {"daily_cost_limit": 5}}},
    ),
    (
        "From which share of a limit on its status is WARNING, and CRITICAL.",
        {"warning_threshold": ..., "alert_threshold": ...},
    ),
    (
        "Watching, reports and alerts. Addresses of webhooks are secrets: keep this file private.",
        {
            "auto_monitor": True,
            "monitor_interval": ...,
            "auto_report": ...,
            "report_threshold": ...,
            "webhook_url": ["https://hooks.slack.com/services/your/webhook"],
            "enable_file_logging": ...,
            "log_level": ...,
        },
    ),
    (
        "The token that /alerts asks for: in a file of its own, or here as alerts_token.",
        {"alerts_token_file": "/run/secrets/alerts-token"},
    ),
    ("Where /metrics is served.", {"serve": ..., "host": ..., "port": ...}),
    (
        "How calls are seen and counted.",
        {
            "instrumentation": ...,
            "capture": ...,
            "stream_usage": ...,
            "provider_hosts": {"llm-gateway.internal": "openai"},
            "inbound_projects": ["search", "support"],
            "max_label_sets": ...,
            "histograms": ...,
            "drain_interval": ...,
        },
    ),
    (
        "How long files and single calls are kept, and whether old files are compressed.",
        {
            "retention_days": ...,
            "enable_compression": ...,
        },
    ),
    (
        "Limits of all ledgers together that a TokenSyncService follows, and where it keeps them.",
        {
            "global_daily_limit": 10_000_000,
            "global_monthly_limit": 300_000_000,
            "global_data_dir": ...,
        },
    ),
)


def preset(model: str) -> dict[str, int]:
    """Limits for a model, as arguments of TokenMonitorConfig.

    Raises ConfigError if there are none for it.
    """
    if model not in PRESETS:
        raise ConfigError([f"model {unknown(model, PRESETS)}"])
    return dict(PRESETS[model])


def template(model: str | None = None, suffix: str = ".yaml") -> str:
    """A file to start from, with the limits for `model` if one is given.

    The YAML explains every field and sets nothing else; JSON, which has no comments, has the
    thresholds and time zone beside the limits. Raises ConfigError for an unknown model or suffix.
    """
    limits = {} if model is None else preset(model)
    if suffix == ".json":
        config = TokenMonitorConfig(environ={}).document(secrets=True)
        kept = {name: config[name] for name in ("warning_threshold", "alert_threshold", "timezone")}
        return json.dumps({**limits, **kept}, indent=2) + "\n"
    if suffix not in {".yaml", ".yml"}:
        raise ConfigError([f"{shown(suffix)} is none of .yaml, .yml, .json"])
    head = "The configuration of otel_token_monitor. Arguments and environment variables go first."
    groups = (_group(about, fields, limits) for about, fields in _GROUPS)
    return "\n".join([f"# {head}\n", *groups])


def _group(about: str, fields: dict[str, Any], limits: dict[str, int]) -> str:
    lines = [f"# {about}"]
    for name, example in fields.items():
        if name in limits:
            lines.append(_yaml(name, limits[name]))
        else:
            start = TokenMonitorConfig.model_fields[name].default if example is ... else example
            lines += [f"#{line}" for line in _yaml(name, start).splitlines()]
    return "\n".join(lines) + "\n"


def _yaml(name: str, value: object) -> str:
    import yaml  # noqa: PLC0415 - few processes write a file

    text: str = yaml.safe_dump({name: value}, sort_keys=False)
    variable = VARIABLES.get(name)
    first, _, rest = text.partition("\n")
    noted = first if variable is None else f"{first:<40}  # {variable}"
    return f"{noted}\n{rest}".rstrip("\n")
