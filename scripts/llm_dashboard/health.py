"""The last row: can we believe the rest? What keeps usage from being seen, measured or priced."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import bargauge, stat
from grafana_foundation_sdk.models import common

from llm_dashboard import recorded
from llm_dashboard.glance import POINTS
from llm_dashboard.layout import Card, Row
from llm_dashboard.looks import GREEN, ORANGE, RED, Query, described, last_value, steps, words
from llm_dashboard.queries import FLEET, total
from otel_token_monitor.views import metrics

__all__ = ["health"]

NO_TARGET: Final = "No exporter seen"
_SEEN: Final = f"{recorded.TARGETS_SEEN}{{{FLEET}}}"
_LIMIT: Final = f"{metrics.BUDGET_LIMIT.name}{{{FLEET}}}"


def health() -> Row:
    """Exporters, ledgers, rules, losses; calls without usage, and without a price."""
    return Row(
        "Health of the monitoring",
        [
            Card(panel=_exporters_down(), width=4, height=4),
            Card(panel=_unreadable(), width=4, height=4),
            Card(panel=_not_evaluated(), width=4, height=4),
            Card(panel=_lost(), width=12, height=4),
            Card(panel=_unmetered(), width=12, height=5),
            Card(panel=_unpriced(), width=12, height=5),
        ],
    )


def _tile() -> stat.Panel:
    return (
        stat.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(last_value())
        .unit("short")
        .no_value(NO_TARGET)
    )


def _exporters_down() -> stat.Panel:
    down = (
        f'up{{job="otel-token-monitor",{FLEET}}} == 0 '
        f"or up{{{FLEET}}} == 0 and on (fleet, job, instance) {_SEEN}"
    )
    panel = described(
        _tile(),
        "Exporters down",
        "Targets that have shown usage, or should, and do not answer: what is spent there is not "
        "seen. It is not lost.",
        Query(expr=f"count({down}) or 0 * count({_SEEN})", legend="Down"),
    )
    return panel.mappings([words({"0": ("None", GREEN)})]).thresholds(steps((None, RED)))


def _unreadable() -> stat.Panel:
    up = f"{metrics.LEDGER_UP.name}{{{FLEET}}}"
    panel = described(
        _tile(),
        "Ledgers unreadable",
        "Targets that answer, but cannot read their ledger: they show neither usage nor budgets.",
        Query(expr=f"count({up} == 0) or 0 * count({up})", legend="Unreadable"),
    )
    return panel.mappings([words({"0": ("None", GREEN)})]).thresholds(steps((None, RED)))


def _not_evaluated() -> stat.Panel:
    missing = f"count({_LIMIT} unless on (fleet, budget) {recorded.BUDGET_LIMIT})"
    panel = described(
        _tile(),
        "Budgets without rules",
        "Budgets that Prometheus has no recorded series of: the rules are not loaded, and nothing "
        "alerts. See otel-token-monitor rules check.",
        Query(expr=f"{missing} or 0 * count({_LIMIT})", legend="Without rules"),
    )
    return (
        panel.no_value("No limit set")
        .mappings([words({"0": ("None", GREEN)})])
        .thresholds(steps((None, RED)))
    )


def _lost() -> stat.Panel:
    counted = metrics.HEALTH_COUNTERS
    panel = described(
        _tile(),
        "Went wrong in this range",
        "Calls dropped because the queue was full; errors caught in the monitor's hooks (calls may "
        "be missing); failed attempts to write to a ledger (each is tried again); alerts that were "
        "given up.",
        *(
            Query(expr=total(counted[name]), legend=shown)
            for name, shown in (
                ("dropped_spans", "Calls dropped"),
                ("hook_errors", "Errors caught"),
                ("ledger_errors", "Failed writes"),
                ("undelivered_alerts", "Alerts undelivered"),
            )
        ),
    )
    return (
        panel.text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .decimals(0)
        .max_data_points(POINTS)
        .interval("1m")
        .mappings([words({"0": ("0", GREEN)})])
        .thresholds(steps((None, GREEN), (0.5, RED)))
    )


def _bars() -> bargauge.Panel:
    return (
        bargauge.Panel()
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .orientation(common.VizOrientation.HORIZONTAL)
        .name_placement(common.BarGaugeNamePlacement.LEFT)
        .value_mode(common.BarGaugeValueMode.TEXT)
        .reduce_options(last_value())
        .unit("short")
        .decimals(0)
        .min(0)
        .max_data_points(POINTS)
        .interval("1m")
        .thresholds(steps((None, ORANGE)))
    )


def _unmetered() -> bargauge.Panel:
    panel = described(
        _bars(),
        "Calls of unknown usage, by reason",
        "Calls of the time range whose exact tokens nobody sent. They count as calls; budgets have "
        "an estimate of them, or nothing.",
        Query(
            expr=f"sort_desc({total(metrics.UNMETERED_REQUESTS, 'reason')})",
            legend="{{reason}}",
        ),
    )
    return panel.no_value("None: the usage of every call is known")


def _unpriced() -> bargauge.Panel:
    panel = described(
        _bars(),
        "Calls without a price, by model",
        "Calls of the time range whose price is not known: they are missing from costs, and from "
        "budgets in US dollars.",
        Query(
            expr=f"sort_desc({total(metrics.UNPRICED_REQUESTS, 'provider', 'model')})",
            legend="{{provider}} {{model}}",
        ),
    )
    return panel.no_value("None: every call has a price")
