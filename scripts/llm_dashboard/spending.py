"""The third row: who spends, on what, and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models import common, dashboard

from llm_dashboard.glance import NO_TRAFFIC, POINTS
from llm_dashboard.layout import Card, Row
from llm_dashboard.looks import Query, described, drill_down, each_its_own, legend, links, words
from llm_dashboard.queries import USAGE, per_second, total
from otel_token_monitor.views import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["spending"]

_BY: Final = ("project", "provider", "model", "endpoint")
_FIGURES: Final = (
    ("Cost", metrics.COST, "currencyUSD", 2),
    ("Tokens", metrics.TOKENS, "short", 1),
    ("Calls", metrics.REQUESTS, "short", 0),
)
_DASH: Final = words({"0": ("-", "text")})


def spending() -> Row:
    """Tokens by model and type, cost by model and endpoint, durations, failures, a table."""
    return Row(
        "Who spends",
        [
            Card(panel=_tokens_by_model(), width=12, height=8),
            Card(panel=_tokens_by_type(), width=12, height=8),
            Card(panel=_cost_by_model(), width=12, height=8),
            Card(panel=_duration(), width=6, height=8),
            Card(panel=_failures(), width=6, height=8),
            Card(panel=_spenders(), width=24, height=8),
        ],
    )


def _chart() -> timeseries.Panel:
    return (
        timeseries.Panel()
        .no_value(NO_TRAFFIC)
        .min(0)
        .line_width(1)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.AUTO)
        .interval("1m")
        .color_scheme(each_its_own())
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )


def _stacked(panel: timeseries.Panel) -> timeseries.Panel:
    normal = common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    return panel.stacking(normal).fill_opacity(40).show_points(common.VisibilityMode.NEVER)


def _tokens_by_model() -> timeseries.Panel:
    panel = described(
        _chart(),
        "Tokens per second by model",
        "How fast each model's tokens are used, input and output together.",
        Query(expr=per_second(metrics.TOKENS, "model"), legend="{{model}}", kind="range"),
    )
    return _stacked(panel).unit("short").legend(legend("lastNotNull", "mean"))


def _tokens_by_type() -> timeseries.Panel:
    panel = described(
        _chart(),
        "Tokens per second by type",
        "Plain input, input read from and written to the provider's cache, output, and output for "
        "reasoning. The types don't overlap.",
        Query(expr=per_second(metrics.TOKENS, "type"), legend="{{type}}", kind="range"),
    )
    return _stacked(panel).unit("short").legend(legend("lastNotNull", "mean"))


def _cost_by_model() -> timeseries.Panel:
    panel = described(
        _chart(),
        "Cost per hour by model and endpoint",
        "What an hour costs at the pace of each moment, in US dollars, where the price is known.",
        Query(
            expr=f"3600 * {per_second(metrics.COST, 'model', 'endpoint')}",
            legend="{{model}} {{endpoint}}",
            kind="range",
        ),
    )
    return _stacked(panel).unit("currencyUSD").legend(legend("lastNotNull", "mean"))


def _duration() -> timeseries.Panel:
    panel = described(
        _chart(),
        "Duration, 95th percentile",
        "Of twenty calls to a model, nineteen take no longer. Needs histograms, which can be "
        "switched off.",
        Query(
            expr="histogram_quantile(0.95, "
            f"{per_second(metrics.DURATION, 'le', 'model', suffix='_bucket')})",
            legend="{{model}}",
            kind="range",
        ),
    )
    return panel.unit("s").interval("5m").legend(legend())


def _failures() -> timeseries.Panel:
    calls = per_second(metrics.REQUESTS, "model")
    failed = per_second(metrics.REQUESTS, "model", where=f'{USAGE},status="error"')
    panel = described(
        _chart(),
        "Failed calls",
        "The share of calls to each model that end with an error.",
        Query(expr=f"{failed} / {calls}", legend="{{model}}", kind="range"),
    )
    return panel.unit("percentunit").interval("5m").legend(legend())


def _spenders() -> table.Panel:
    panel = described(
        table.Panel(),
        "Top spenders",
        "Who spent most in the time range. Click at a project or a model to see only that. A dash "
        "stands where no price is known; see also below.",
        *(Query(expr=total(spec, *_BY), legend="", kind="table") for _, spec, *_ in _FIGURES),
    )
    panel.transformations(list(_one_table()))
    for column, _, unit, decimals in _FIGURES:
        looks = {"unit": unit, "decimals": decimals, "mappings": [_DASH]}
        panel.override_by_name(
            column, [dashboard.DynamicConfigValue(key, value) for key, value in looks.items()]
        )
    only_project = drill_down("Only this project", project="${__value.raw}")
    panel.override_by_name("Project", [links(only_project)])
    only_model = drill_down("Only this model", ["project"], model="${__value.raw}")
    panel.override_by_name("Model", [links(only_model)])
    return (
        panel.unit("short")
        .no_value(NO_TRAFFIC)
        .max_data_points(POINTS)
        .interval("1m")
        .sort_by([common_builders.TableSortByFieldState().display_name("Cost").desc(True)])  # noqa: FBT003 - the SDK's
    )


def _one_table() -> Iterator[dashboard.DataTransformerConfig]:
    """The answers beside one another, with names for people."""
    yield dashboard.DataTransformerConfig(id_val="merge", options={})
    columns = [*_BY, *(f"Value #{letter}" for letter in "ABC")]
    names = [*(label.capitalize() for label in _BY), *(name for name, *_ in _FIGURES)]
    yield dashboard.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {column: place for place, column in enumerate(columns)},
            "renameByName": dict(zip(columns, names, strict=True)),
        },
    )
