"""What values look like: words, colours, links; and how a panel is told its queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    gauge,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus as prometheus_builders
from grafana_foundation_sdk.models import common, dashboard, prometheus

from llm_dashboard.queries import metrics_in

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "DATASOURCE",
    "GREEN",
    "ORANGE",
    "RED",
    "REPOSITORY",
    "UID",
    "Query",
    "described",
    "drill_down",
    "each_its_own",
    "last_value",
    "legend",
    "link",
    "links",
    "nothing",
    "ranged",
    "steps",
    "words",
]

UID: Final = "llm-usage"
REPOSITORY: Final = "https://github.com/otel-token-monitor/otel-token-monitor/blob/main"
DATASOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, ORANGE, RED = "green", "orange", "red"

Panel = TypeVar(
    "Panel",
    bargauge.Panel,
    gauge.Panel,
    stat.Panel,
    statetimeline.Panel,
    table.Panel,
    timeseries.Panel,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel; `legend` names its series. A table and a number ask for one moment."""

    expr: str
    legend: str
    kind: Literal["instant", "range", "table"] = "instant"

    def built(self, ref_id: str) -> prometheus_builders.Dataquery:
        """The query as Grafana has it."""
        query = prometheus_builders.Dataquery().ref_id(ref_id).datasource(DATASOURCE)
        query = query.expr(self.expr).legend_format(self.legend)
        shown = prometheus.PromQueryFormat
        query = query.format(shown.TABLE if self.kind == "table" else shown.TIME_SERIES)
        return query.range() if self.kind == "range" else query.instant()


def described(panel: Panel, title: str, text: str, *queries: Query) -> Panel:
    """A panel with its title, its queries, and a description that ends with their metrics."""
    names = ", ".join(f"`{name}`" for name in metrics_in(*(query.expr for query in queries)))
    panel.title(title).description(f"{text} Metrics: {names}.").datasource(DATASOURCE)
    panel.targets([query.built(chr(ord("A") + place)) for place, query in enumerate(queries)])
    return panel


def steps(*levels: tuple[float | None, str]) -> builders.ThresholdsConfig:
    """Colours, each from a value on; the first from None."""
    return (
        builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=color) for value, color in levels])
    )


def words(values: dict[str, tuple[str, str]]) -> dashboard.ValueMapping:
    """Words, and their colours, instead of values."""
    return dashboard.ValueMap(
        {
            value: dashboard.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(values.items())
        }
    )


def nothing(text: str) -> dashboard.ValueMapping:
    """A word instead of what is no number."""
    return dashboard.SpecialValueMap(
        dashboard.DashboardSpecialValueMapOptions(
            match=dashboard.SpecialValueMatch.NULL_AND_NAN,
            result=dashboard.ValueMappingResult(text=text, color="text", index=99),
        )
    )


def ranged(low: float, high: float | None, text: str) -> dashboard.ValueMapping:
    """A word instead of all values from `low` to `high`."""
    return dashboard.RangeMap(
        dashboard.DashboardRangeMapOptions(
            from_val=low, to=high, result=dashboard.ValueMappingResult(text=text, index=98)
        )
    )


def each_its_own() -> builders.FieldColor:
    """Series that are told apart by their colours."""
    return builders.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC)


def last_value() -> common_builders.ReduceDataOptions:
    """One number a series."""
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)  # noqa: FBT003 - the SDK's


def legend(*calcs: str) -> common_builders.VizLegendOptions:
    """Names below a chart, or beside it with figures."""
    shown = common_builders.VizLegendOptions().show_legend(True).calcs(list(calcs))  # noqa: FBT003 - the SDK's
    if not calcs:
        return shown.display_mode(common.LegendDisplayMode.LIST).placement(
            common.LegendPlacement.BOTTOM
        )
    return (
        shown.display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.RIGHT)
        .sort_by("Last *")
        .sort_desc(True)  # noqa: FBT003 - the SDK's
    )


def link(title: str, url: str, *, new_tab: bool = False) -> builders.DashboardLink:
    """A link of a value to somewhere."""
    return builders.DashboardLink(title).url(url).target_blank(new_tab)


def drill_down(title: str, kept: Sequence[str] = (), **chosen: str) -> builders.DashboardLink:
    """A link to this dashboard for what was clicked at; `kept` variables stay as they are."""
    parts = [f"${{{name}:queryparam}}" for name in ("datasource", "fleet", *kept)]
    parts += [f"var-{name}={value}" for name, value in chosen.items()]
    return link(title, f"/d/{UID}?{'&'.join(parts)}&${{__url_time_range}}")


def links(*given: builders.DashboardLink) -> dashboard.DynamicConfigValue:
    """The links of one column of a table."""
    return dashboard.DynamicConfigValue("links", [one.build() for one in given])
