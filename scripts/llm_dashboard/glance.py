"""The first row: are we fine? For somebody who looks for three seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import gauge, stat
from grafana_foundation_sdk.models import common

from llm_dashboard import recorded
from llm_dashboard.layout import Card, Row
from llm_dashboard.looks import (
    GREEN,
    ORANGE,
    RED,
    Query,
    described,
    drill_down,
    last_value,
    nothing,
    ranged,
    steps,
    words,
)
from llm_dashboard.queries import LASTING, OF_PROJECT, total, with_choice
from otel_token_monitor.views import metrics

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard as builders

__all__ = ["NO_LIMIT", "NO_TRAFFIC", "POINTS", "STATUS_WORDS", "glance"]

NO_LIMIT: Final = "No limit set"
NO_TRAFFIC: Final = "No traffic"
STATUS_WORDS: Final = words(
    {"0": ("NORMAL", GREEN), "1": ("WARNING", ORANGE), "2": ("CRITICAL", RED)}
)
POINTS: Final = 1440
"""Looks at a counter within the time range: once a minute of a day."""

# What has no limit to speak of, such as 0, would be infinitely over it.
_MOST: Final = 9.99

_USED: Final = f"{recorded.BUDGET_USED_RATIO}{{{LASTING}}}"
_PROJECTED: Final = f"{recorded.BUDGET_PROJECTED_RATIO}{{{LASTING}}}"
_RESET: Final = f"{recorded.BUDGET_RESET}{{{LASTING}}}"


def glance() -> Row:
    """Status, use, projection, time left, cost, tokens."""
    panels = (_status(), _used(), _projected(), _runs_out(), _cost(), _tokens())
    return Row("", [Card(panel=panel, width=4, height=5) for panel in panels])


def _tile() -> stat.Panel:
    return (
        stat.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .text_mode(common.BigValueTextMode.VALUE)
        .reduce_options(last_value())
    )


def _status() -> stat.Panel:
    panel = described(
        _tile(),
        "Status",
        "The worst status of the budgets: NORMAL, WARNING or CRITICAL, by the thresholds that are "
        "configured. With a project chosen, of the budgets that its calls count into: its own, and "
        "those over all projects.",
        Query(
            expr=f"max({recorded.BUDGET_STATUS}{{{OF_PROJECT}}}) "
            f"or max({metrics.BUDGET_STATUS.name}{{{OF_PROJECT}}})",
            legend="Status",
        ),
    )
    return (
        panel.unit("none")
        .no_value(NO_LIMIT)
        .mappings([STATUS_WORDS, nothing(NO_LIMIT)])
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .thresholds(steps((None, "text"), (0, GREEN), (1, ORANGE), (2, RED)))
    )


def _used() -> gauge.Panel:
    panel = described(
        gauge.Panel(),
        "Budget used",
        "The daily or monthly budget of which the greatest share is used. The marks are the "
        "default thresholds, 80 % and 90 %.",
        Query(
            expr=with_choice(f"topk(1, clamp_max({_USED}, {_MOST}))"),
            legend="{{budget}}",
        ),
    )
    return (
        panel.reduce_options(last_value())
        .show_threshold_labels(False)  # noqa: FBT003 - the SDK's
        .show_threshold_markers(True)  # noqa: FBT003 - the SDK's
        .display_name("${__field.labels.budget}")
        .unit("percentunit")
        .decimals(0)
        .min(0)
        .max(1)
        .no_value(NO_LIMIT)
        .mappings([ranged(_MOST, None, "> 999 %"), nothing(NO_LIMIT)])
        .thresholds(steps((None, GREEN), (0.8, ORANGE), (0.9, RED)))
        .data_links([_to_project()])
    )


def _projected() -> stat.Panel:
    panel = described(
        _tile(),
        "Projected at reset",
        "The greatest share of a budget that will be used when it starts anew, if the pace of late "
        "goes on. Beyond 100 % it runs out before.",
        Query(
            expr=with_choice(f"topk(1, clamp_max({_PROJECTED}, {_MOST}))"),
            legend="{{budget}}",
        ),
    )
    return (
        panel.text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .unit("percentunit")
        .decimals(0)
        .no_value(NO_LIMIT)
        .mappings([ranged(_MOST, None, "> 999 %"), nothing(NO_LIMIT)])
        .thresholds(steps((None, GREEN), (0.9, ORANGE), (1, RED)))
        .data_links([_to_project()])
    )


def _runs_out() -> stat.Panel:
    left = f"(1 - {_USED}) / ({_PROJECTED} - {_USED}) * ({_RESET} - time())"
    fine = f'label_replace(0 * count({_USED}) - 1, "budget", "all budgets", "", "")'
    panel = described(
        _tile(),
        "Runs out in",
        "How long the first budget to run out will last, if the pace of late goes on.",
        Query(
            expr=f"bottomk(1, ({left} and {_PROJECTED} > 1 and {_USED} < 1) "
            f"or clamp_max({_USED} >= 1, 0)) "
            f"or on () {fine}",
            legend="{{budget}}",
        ),
    )
    return (
        panel.text_mode(common.BigValueTextMode.VALUE_AND_NAME)
        .unit("s")
        .decimals(1)
        .no_value(NO_LIMIT)
        .mappings(
            [
                words({"-1": ("not before reset", GREEN), "0": ("exhausted", RED)}),
                nothing(NO_LIMIT),
            ]
        )
        .thresholds(steps((None, GREEN), (0, ORANGE)))
    )


def _cost() -> stat.Panel:
    panel = described(
        _tile(),
        "Cost in this range",
        "What the calls of the time range cost, in US dollars, where the price is known. As close "
        "as scrapes can tell; exact figures: otel-token-monitor usage.",
        Query(expr=total(metrics.COST), legend="Cost"),
    )
    return _sum(panel).unit("currencyUSD").decimals(2)


def _tokens() -> stat.Panel:
    panel = described(
        _tile(),
        "Tokens in this range",
        "The tokens of the time range as the providers reported them, cached ones included. As "
        "close as scrapes can tell; exact figures: otel-token-monitor usage.",
        Query(expr=total(metrics.TOKENS), legend="Tokens"),
    )
    return _sum(panel).unit("short").decimals(1)


def _sum(panel: stat.Panel) -> stat.Panel:
    return (
        panel.max_data_points(POINTS)
        .interval("1m")
        .no_value(NO_TRAFFIC)
        .mappings([nothing(NO_TRAFFIC)])
        .thresholds(steps((None, "blue")))
    )


def _to_project() -> builders.DashboardLink:
    return drill_down("Who spends it", project="${__field.labels.chosen}")
