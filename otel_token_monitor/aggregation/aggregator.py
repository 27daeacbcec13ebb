"""What many applications use together: sums over their data directories."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from otel_token_monitor.aggregation.asking import Asked, day_named, month_named, month_of
from otel_token_monitor.aggregation.directories import Directory, directories_of
from otel_token_monitor.aggregation.errors import AggregationError
from otel_token_monitor.aggregation.gathering import Gathering
from otel_token_monitor.aggregation.shares import Share, nothing_of
from otel_token_monitor.config.faults import PartsError
from otel_token_monitor.config.timezones import check_timezone
from otel_token_monitor.views.breakdown import Breakdown, broken_down
from otel_token_monitor.views.report import SCHEMA_VERSION
from otel_token_monitor.views.sums import grouped, summed, totals_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from otel_token_monitor.aggregation.directories import Directories
    from otel_token_monitor.usage import Labels, Totals
    from otel_token_monitor.views.breakdown import By

__all__ = ["Aggregate", "TokenUsageAggregator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """What was asked for, over all directories that could be read.

    `shares` are those; `problems` has a sentence for all that is not counted, or counted twice.
    """

    directories: tuple[Directory, ...]
    shares: tuple[Share, ...]
    problems: tuple[str, ...]

    @property
    def breakdown(self) -> Breakdown:
        """The sums, told apart as it was asked for."""
        questions = [share.question for share in self.shares]
        since = min(question.since for question in questions)
        until = max(question.until for question in questions)
        zones = {question.zone.key for question in questions}
        return broken_down(
            replace(questions[0], since=since, until=until),
            (cell for share in self.shares for cell in share.cells),
            timezone=zones.pop() if len(zones) == 1 else None,
        )

    def document(self) -> dict[str, Any]:
        """As JSON: that of the breakdown, and `directories` and `problems`."""
        return {**self.breakdown.document(), **self._sources()}

    def period_document(self, key: str, name: Callable[[date], str]) -> dict[str, Any]:
        """As JSON, of a day or month that is named under `key`: total, by project, by model."""
        breakdown = self.breakdown
        by_labels = self._by_labels()
        return {
            "schema_version": SCHEMA_VERSION,
            key: name(breakdown.question.until),
            "timezone": breakdown.timezone,
            **totals_document(breakdown.total),
            "projects": _documents(by_labels, lambda labels: labels.project),
            "models": _documents(by_labels, lambda labels: labels.model),
            **self._sources(),
        }

    def _by_labels(self) -> dict[Labels, Totals]:
        """The sums of each label set, of all that was read."""
        sums: defaultdict[Labels, list[Totals]] = defaultdict(list)
        for share in self.shares:
            for _, labels, totals in share.cells:
                sums[labels].append(totals)
        return {labels: summed(parts) for labels, parts in sums.items()}

    def _sources(self) -> dict[str, Any]:
        counted = {share.directory: share for share in self.shares}
        directories: dict[str, Any] = {}
        for directory in self.directories:
            share = counted.get(directory)
            document = nothing_of(directory) if share is None else share.document()
            directories[directory.name] = document
        return {"directories": directories, "problems": list(self.problems)}


class TokenUsageAggregator:
    """Adds up what applications use, each of which has a data directory.

    `dirs` are directories, or a mapping of names to them: then calls of the project `default`,
    which nobody named, count under the directory's name. A directory holds a ledger, or only the
    data files of one. Each ledger is counted once.

    Days are those of `timezone` (an IANA name). Without it each directory's days are its own, as
    its own status and files have them: a date is that date wherever it is, and today is today
    there.

    What cannot be read is left out and told of under `problems`; if nothing can, every method
    raises AggregationError. `clock` gives UTC nanoseconds since the epoch. Raises TypeError or
    ValueError for directories and time zones that are none.
    """

    def __init__(
        self,
        dirs: Directories,
        *,
        timezone: str | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.directories = directories_of(dirs)
        self._zone = None if timezone is None else _zone(timezone)
        self._clock = clock

    def aggregate_daily_usage(self, day: str | date | None = None) -> dict[str, Any]:
        """What was used on a day (`2026-11-24`, or a date), by default today; see the class.

        The sums of all, and by the names of `projects`, `models` and `directories`: tokens, calls,
        cost in dollars. The sums of a directory that is not counted, and its `source`, are None.
        Where today is not the same day everywhere, `date` is the latest one.
        """
        wanted = None if day is None else day_named(day)
        found = self.aggregate(lambda today: (wanted or today, wanted or today))
        return found.period_document("date", lambda last: last.isoformat())

    def aggregate_monthly_usage(self, month: str | date | None = None) -> dict[str, Any]:
        """What was used in a month (`2026-11`, or a date in it), by default this month.

        As `aggregate_daily_usage`, with `month` instead of `date`.
        """
        wanted = None if month is None else month_named(month)
        found = self.aggregate(lambda today: month_of(wanted or today))
        return found.period_document("month", lambda last: f"{last:%Y-%m}")

    def aggregate(
        self,
        days: Callable[[date], tuple[date, date]],
        *,
        by: tuple[By, ...] = (),
        project: str | None = None,
        model: str | None = None,
    ) -> Aggregate:
        """What was used between two days, which `days` gives from today, told apart `by` things.

        Only of one project and of the models that match a glob, unless these are None. Raises
        AggregationError if no directory can be read; TooFineError.
        """
        asked = Asked(by=by, days=days, zone=self._zone, project=project, model=model)
        gathering = Gathering(self.directories, asked, self._clock())
        if not gathering.shares:
            raise AggregationError(gathering.problems)
        return Aggregate(
            directories=self.directories,
            shares=gathering.shares,
            problems=gathering.problems,
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(check_timezone(name))
    except PartsError as error:
        raise ValueError(f"timezone{error.lines[0]}") from None


def _documents(
    by_labels: dict[Labels, Totals], key: Callable[[Labels], str]
) -> dict[str, dict[str, Any]]:
    return {name: totals_document(sums) for name, sums in grouped(by_labels, key).items()}
