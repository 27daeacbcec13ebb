"""The second row: which budget, since when, and what is told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import bargauge, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.models import common, dashboard

from llm_dashboard import recorded
from llm_dashboard.glance import NO_LIMIT, STATUS_WORDS
from llm_dashboard.layout import Card, Row
from llm_dashboard.looks import (
    GREEN,
    ORANGE,
    RED,
    Query,
    described,
    drill_down,
    each_its_own,
    last_value,
    legend,
    link,
    links,
    nothing,
    steps,
    words,
)
from llm_dashboard.queries import LASTING, OF_PROJECT, with_choice
from otel_token_monitor.deployment.runbooks import RUNBOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FIRING", "budgets"]

FIRING: Final = (
    'ALERTS{alertname=~"LLM.+",alertstate="firing",fleet=~"$fleet",project=~"$project|"}'
)
"""The alerts of the rules. Those that are about no project are of interest for each."""

# Its budget, or else whatever it names.
_ABOUT: Final = (
    f'label_replace(label_join({FIRING}, "about", " ", "project", "model", "instance", "ledger"), '
    '"about", "$1", "budget", "(.+)")'
)

_USED: Final = f"{recorded.BUDGET_USED_RATIO}{{{OF_PROJECT}}}"
_USED_LASTING: Final = f"{recorded.BUDGET_USED_RATIO}{{{LASTING}}}"
_SEVERITY_COLORS: Final = words(
    {"critical": ("critical", RED), "warning": ("warning", ORANGE), "info": ("info", "blue")}
)


def budgets() -> Row:
    """Each budget's use, what is left of it over time, its status over time, alerts."""
    return Row(
        "Budgets",
        [
            Card(panel=_by_project(), width=8, height=10),
            Card(panel=_burn_down(), width=16, height=10),
            Card(panel=_history(), width=16, height=8),
            Card(panel=_firing(), width=8, height=8),
        ],
    )


def _by_project() -> bargauge.Panel:
    panel = described(
        bargauge.Panel(),
        "Budgets by project",
        "How much of each budget is used, the fullest first. A budget's name says whose it is, of "
        "what, and for how long. Click at one to see who spends it.",
        Query(expr=f"sort_desc({with_choice(_USED)})", legend="{{budget}} {{fleet}}"),
    )
    return (
        panel.display_mode(common.BarGaugeDisplayMode.BASIC)
        .orientation(common.VizOrientation.HORIZONTAL)
        .name_placement(common.BarGaugeNamePlacement.TOP)
        .value_mode(common.BarGaugeValueMode.COLOR)
        .reduce_options(last_value())
        .unit("percentunit")
        .decimals(0)
        .min(0)
        .max(1)
        .no_value(NO_LIMIT)
        .mappings([nothing(NO_LIMIT)])
        .thresholds(steps((None, GREEN), (0.8, ORANGE), (0.9, RED)))
        .data_links([drill_down("Who spends it", project="${__field.labels.chosen}")])
    )


def _burn_down() -> timeseries.Panel:
    thresholds = (
        f"1 - quantile by (severity) (0.5, {recorded.BUDGET_THRESHOLD} "
        f"and on (fleet, budget) {_USED_LASTING})"
    )
    panel = described(
        timeseries.Panel(),
        "Burn-down: what is left of each budget",
        "What is left of each daily or monthly budget. Below the dashed lines its status is "
        "WARNING and CRITICAL, by the thresholds that most of them have. A vertical line marks "
        "when budgets have started anew.",
        Query(
            expr=f"clamp_min(1 - {_USED_LASTING}, 0)",
            legend="{{budget}} {{fleet}}",
            kind="range",
        ),
        Query(expr=thresholds, legend="{{severity}} below", kind="range"),
    )
    panel = (
        panel.unit("percentunit")
        .min(0)
        .max(1)
        .no_value(NO_LIMIT)
        .line_width(2)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .color_scheme(each_its_own())
        .legend(legend())
        .tooltip(_all_at_once())
    )
    for severity, color in (("warning", ORANGE), ("critical", RED)):
        panel.override_by_name(f"{severity} below", list(_dashed(color)))
    return panel


def _dashed(color: str) -> Iterator[dashboard.DynamicConfigValue]:
    yield dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})
    yield dashboard.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]})
    yield dashboard.DynamicConfigValue("custom.lineWidth", 1)


def _all_at_once() -> common_builders.VizTooltipOptions:
    return (
        common_builders.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.ASCENDING)
    )


def _history() -> statetimeline.Panel:
    panel = described(
        statetimeline.Panel(),
        "Status over time",
        "When each budget was NORMAL, WARNING or CRITICAL.",
        Query(
            expr=f"{recorded.BUDGET_STATUS}{{{OF_PROJECT}}}",
            legend="{{budget}} {{fleet}}",
            kind="range",
        ),
    )
    return (
        panel.unit("none")
        .no_value(NO_LIMIT)
        .mappings([STATUS_WORDS])
        .thresholds(steps((None, GREEN), (1, ORANGE), (2, RED)))
        .merge_values(True)  # noqa: FBT003 - the SDK's
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .legend(legend())
    )


def _firing() -> table.Panel:
    panel = described(
        table.Panel(),
        "Alerts that fire",
        "What is firing now. An alert's name leads to its runbook.",
        Query(expr=f"max by (severity, alertname, about) ({_ABOUT})", legend="", kind="table"),
    )
    panel.transformations(
        [
            dashboard.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "Value": True, "Value #A": True},
                    "indexByName": {"severity": 0, "alertname": 1, "about": 2},
                    "renameByName": {
                        "severity": "Severity",
                        "alertname": "Alert",
                        "about": "About",
                    },
                },
            )
        ]
    )
    panel.override_by_name(
        "Severity",
        [
            dashboard.DynamicConfigValue("custom.width", 90),
            dashboard.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            dashboard.DynamicConfigValue("mappings", [_SEVERITY_COLORS]),
        ],
    )
    to_runbook = link("Runbook", f"{RUNBOOKS}${{__value.raw}}.md", new_tab=True)
    panel.override_by_name(
        "Alert", [dashboard.DynamicConfigValue("custom.width", 190), links(to_runbook)]
    )
    worst_first = common_builders.TableSortByFieldState().display_name("Severity").desc(False)  # noqa: FBT003 - the SDK's
    return panel.unit("none").no_value("No alert is firing").sort_by([worst_first])
