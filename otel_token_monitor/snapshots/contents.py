"""What each data file says, of sums that were read at one moment."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.snapshots.documents import (
    SCHEMA_VERSION,
    DayDocument,
    DaySums,
    ModelSums,
    MonthDocument,
    MonthSums,
    ProjectDocument,
    SumsOf,
    UsageSums,
    sums_of,
)
from otel_token_monitor.snapshots.periods import time_of
from otel_token_monitor.views.sums import summed

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from otel_token_monitor.snapshots.periods import Period
    from otel_token_monitor.usage import Labels, Totals

__all__ = ["Origin", "period_document", "project_documents"]


class Origin(NamedTuple):
    """Where sums come from, and when they were read (UTC ns)."""

    ledger_id: str
    zone: ZoneInfo
    now_ns: int


def period_document(
    origin: Origin, period: Period, sums: Mapping[Labels, Totals]
) -> DayDocument | MonthDocument:
    """The document of a day or a month."""
    span = period.span(origin.zone)
    common: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "timezone": origin.zone.key,
        "start": time_of(span.start_ns, origin.zone),
        "end": time_of(span.end_ns, origin.zone),
        "ledger": origin.ledger_id,
        "updated": time_of(origin.now_ns, origin.zone),
        "total": sums_of(SumsOf, summed(sums.values())),
        "usage": [
            sums_of(UsageSums, totals, **labels._asdict()) for labels, totals in sums.items()
        ],
    }
    if period.window is Window.DAY:
        return DayDocument(kind="day", date=period.first, **common)
    return MonthDocument(kind="month", month=period.name, **common)


def project_documents(
    origin: Origin,
    projects: Container[str],
    months: Mapping[Period, Mapping[Labels, Totals]],
    days: Mapping[Period, Mapping[Labels, Totals]],
) -> Iterator[ProjectDocument]:
    """The documents of projects that have calls: of all months, and of the days of some."""
    models: dict[str, dict[str, list[Totals]]] = defaultdict(lambda: defaultdict(list))
    for sums in months.values():
        for labels, totals in sums.items():
            if labels.project in projects:
                models[labels.project][labels.model].append(totals)
    by_month, by_day = _by_project(months, projects), _by_project(days, projects)
    for project, parts in sorted(models.items()):
        of_month, of_day = by_month[project], by_day.get(project, {})
        by_model = {model: summed(found) for model, found in parts.items()}
        largest = sorted(by_model.items(), key=lambda item: (-item[1].total_tokens, item[0]))
        yield ProjectDocument(
            schema_version=SCHEMA_VERSION,
            kind="project",
            project=project,
            timezone=origin.zone.key,
            ledger=origin.ledger_id,
            updated=time_of(origin.now_ns, origin.zone),
            total=sums_of(SumsOf, summed(of_month.values())),
            months=[sums_of(MonthSums, sums, month=at.name) for at, sums in of_month.items()],
            days=[sums_of(DaySums, sums, date=at.first) for at, sums in of_day.items()],
            models=[sums_of(ModelSums, sums, model=model) for model, sums in largest],
        )


def _by_project(
    periods: Mapping[Period, Mapping[Labels, Totals]], projects: Container[str]
) -> dict[str, dict[Period, Totals]]:
    """The sums of each project in each period in which it has calls, in order of time."""
    found: dict[str, dict[Period, list[Totals]]] = defaultdict(lambda: defaultdict(list))
    for period, sums in sorted(periods.items()):
        for labels, totals in sums.items():
            if labels.project in projects:
                found[labels.project][period].append(totals)
    return {
        project: {period: summed(parts) for period, parts in of_period.items()}
        for project, of_period in found.items()
    }
