"""The whole: variables, annotations, links, and the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from llm_dashboard import recorded
from llm_dashboard.budgets import FIRING, budgets
from llm_dashboard.glance import glance
from llm_dashboard.health import health
from llm_dashboard.layout import place
from llm_dashboard.looks import DATASOURCE, RED, REPOSITORY, UID
from llm_dashboard.queries import FLEET, LASTING
from llm_dashboard.spending import spending
from otel_token_monitor.deployment.runbooks import RUNBOOKS
from otel_token_monitor.views import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["dashboard_of_usage"]

_CALLS: Final = metrics.REQUESTS.name
_RESETS_ON: Final = ("Burn-down: what is left of each budget", "Status over time")


def dashboard_of_usage() -> dashboard.Dashboard:
    """The dashboard, as Grafana takes it."""
    whole = (
        builders.Dashboard("LLM usage and budgets")
        .uid(UID)
        .description(
            "Which project spends what on which model, and how much of its budget is left. "
            "Figures come from otel_token_monitor; budgets from its Prometheus rules."
        )
        .tags(["llm", "otel-token-monitor"])
        .readonly()
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    )
    for variable in _variables():
        whole.with_variable(variable)
    place((glance(), budgets(), spending(), health()), whole)
    panels = whole.build().panels or []
    marked = [panel.id_val for panel in panels if panel.title in _RESETS_ON]
    # Where they are seen, not in a menu, which the SDK would have.
    whole.annotation(_alerts()).annotation(_resets([one for one in marked if one is not None]))
    whole.link(_page("Runbooks", f"{RUNBOOKS}README.md"))
    whole.link(_page("Metrics", f"{REPOSITORY}/docs/metrics.md"))
    built = whole.build()
    for link in built.links or ():
        link.placement = None  # type: ignore[assignment] # the key is left out then
    for annotation in built.annotations.list_val or ():
        annotation.placement = None  # type: ignore[assignment] # as above
    return built


def _variables() -> Iterator[builders.DatasourceVariable | builders.QueryVariable]:
    yield builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    # A target need not have this label; `.*` is what has none, too.
    yield _choice("fleet", metrics.BUILD_INFO.name, "").all_value(".*")
    yield _choice("project", _CALLS, FLEET)
    yield _choice("model", _CALLS, f'{FLEET},project=~"$project"')
    yield _choice("endpoint", _CALLS, f'{FLEET},project=~"$project",model=~"$model"')


def _choice(label: str, metric: str, where: str) -> builders.QueryVariable:
    """The values of a label, of which any number may be chosen."""
    query = (
        f"label_values({metric}{{{where}}}, {label})"
        if where
        else (f"label_values({metric}, {label})")
    )
    return (
        builders.QueryVariable(label)
        .label(label.capitalize())
        .datasource(DATASOURCE)
        .definition(query)
        .query({"qryType": 1, "query": query, "refId": f"variable-{label}"})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(True)  # noqa: FBT003 - the SDK's
        .include_all(True)  # noqa: FBT003 - the SDK's
        .all_value(".+")
        .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _alerts() -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name("Alerts")
        .datasource(DATASOURCE)
        .enable(True)  # noqa: FBT003 - the SDK's
        .icon_color(RED)
        .expr(FIRING)
        .step("60s")
        .title_format("{{alertname}} ({{severity}})")
        .text_format("{{budget}} {{project}} {{instance}}")
        .tag_keys("severity")
    )


def _resets(panels: list[int]) -> builders.AnnotationQuery:
    """Where windows began: Grafana wants that in milliseconds."""
    start = f"{recorded.BUDGET_WINDOW_START}{{{LASTING}}}"
    return (
        builders.AnnotationQuery()
        .name("Resets")
        .datasource(DATASOURCE)
        .enable(True)  # noqa: FBT003 - the SDK's
        .icon_color("blue")
        .expr(f"1000 * max by (window) ({start})")
        .step("60s")
        .title_format("A budget's {{window}} begins")
        .use_value_for_time(True)  # noqa: FBT003 - the SDK's
        .filter(builders.AnnotationPanelFilter().exclude(False).ids(panels))  # noqa: FBT003 - the SDK's
    )


def _page(title: str, url: str) -> builders.DashboardLink:
    return (
        builders.DashboardLink(title)
        .type(dashboard.DashboardLinkType.LINK)
        .icon("doc")
        .url(url)
        .target_blank(True)  # noqa: FBT003 - the SDK's
    )
