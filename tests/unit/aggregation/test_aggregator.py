"""Sums over many directories: which calls, under which names, of which days."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.aggregation.aggregator import TokenUsageAggregator
from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.views.breakdown import By
from otel_token_monitor.views.sums import totals_document, totals_of
from tests.unit.aggregation.places import (
    NOW,
    added_up,
    at,
    call,
    files,
    files_of,
    ledger,
    ledger_id,
    tokens,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_day_has_the_total_and_the_sums_by_project_model_and_directory(tmp_path: Path) -> None:
    one = ledger(
        tmp_path / "one",
        call(10, project="shop", cost_nanousd=1_500_000),
        call(20, project="search", labels={"model": "embed"}, status="error"),
    )
    two = ledger(tmp_path / "two", call(400, project="shop"))
    sums = added_up([one, str(two)]).aggregate_daily_usage()
    assert (sums["date"], sums["timezone"], sums["problems"]) == ("2026-11-24", "UTC", [])
    assert (sums["total_tokens"], sums["requests"], sums["errors"]) == (430, 3, 1)
    assert sums["cost_usd"] == 0.0015
    assert tokens(sums["projects"]) == {"shop": 410, "search": 20}
    assert tokens(sums["models"]) == {"gpt-5-mini": 410, "embed": 20}
    assert tokens(sums["directories"]) == {str(one): 30, str(two): 400}
    where = sums["directories"][str(one)]
    assert (where["path"], where["source"], where["ledger"], where["timezone"]) == (
        str(one),
        "ledger",
        ledger_id(one),
        "UTC",
    )


def test_the_sums_are_those_of_every_view_and_lose_nothing(tmp_path: Path) -> None:
    usage = TokenUsage(1, 2, 3, 4, 5)
    one = ledger(
        tmp_path / "one",
        call(0, usage=usage, cost_nanousd=7),
        call(0, usage=usage, estimated=True, unmetered="no_usage"),
        call(0, usage=None, unmetered="no_usage"),
    )
    document = added_up([one]).aggregate_daily_usage()
    totals = totals_of(document)
    assert totals[:5] == tuple(usage)
    assert (totals.estimated_input, totals.estimated_output) == (6, 9)
    assert (totals.requests_ok, totals.unmetered, totals.cost_nanousd, totals.unpriced) == (
        3,
        2,
        7,
        1,
    )
    assert totals_document(totals).items() <= document.items()
    assert totals_of(document["projects"]["shop"]) == totals


@pytest.mark.parametrize("month", ["2026-11", date(2026, 11, 30)])
def test_a_month_is_all_of_it_and_no_other(tmp_path: Path, month: str | date) -> None:
    one = ledger(
        tmp_path / "one",
        call(1, "2026-10-31T23:59:59+09:00"),
        call(2, "2026-11-01T00:00:00+09:00"),
        call(4, "2026-11-30T23:59:59+09:00"),
        call(8, "2026-12-01T00:00:00+09:00"),
        zone="Asia/Seoul",
    )
    document = added_up([one]).aggregate_monthly_usage(month)
    assert (document["month"], document["total_tokens"]) == ("2026-11", 6)
    assert "date" not in document


@pytest.mark.parametrize("day", ["2026-11-23", date(2026, 11, 23)])
def test_a_date_is_that_date_wherever_it_is(tmp_path: Path, day: str | date) -> None:
    seoul = ledger(
        tmp_path / "seoul",
        call(1, "2026-11-22T23:59:59+09:00"),
        call(2, "2026-11-23T00:00:00+09:00"),
        call(4, "2026-11-24T00:00:00+09:00"),
        zone="Asia/Seoul",
    )
    york = files(
        tmp_path / "york",
        call(8, "2026-11-23T00:00:00-05:00"),
        call(16, "2026-11-23T23:59:59-05:00"),
        call(32, "2026-11-24T00:00:00-05:00"),
        zone="America/New_York",
    )
    document = added_up([seoul, york]).aggregate_daily_usage(day)
    assert tokens(document["directories"]) == {str(seoul): 2, str(york): 24}
    assert (document["date"], document["timezone"]) == ("2026-11-23", None)
    zones = [where["timezone"] for where in document["directories"].values()]
    assert zones == ["Asia/Seoul", "America/New_York"]


def test_today_is_today_there(tmp_path: Path) -> None:
    # On Kiritimati it is the 25th when it is still the 24th in Honolulu.
    now = at("2026-11-25T00:30:00+14:00")
    east = ledger(tmp_path / "east", call(1, now), zone="Pacific/Kiritimati")
    west = ledger(tmp_path / "west", call(2, now), zone="Pacific/Honolulu")
    document = TokenUsageAggregator([east, west], clock=lambda: now).aggregate_daily_usage()
    assert (document["date"], document["total_tokens"]) == ("2026-11-25", 3)


def test_with_a_time_zone_all_days_are_of_it(tmp_path: Path) -> None:
    seoul = ledger(
        tmp_path / "seoul",
        call(1, "2026-11-22T23:59:59+00:00"),
        call(2, "2026-11-23T00:00:00+00:00"),
        call(4, "2026-11-23T23:59:59+00:00"),
        zone="Asia/Seoul",
    )
    york = ledger(tmp_path / "york", call(8, "2026-11-23T23:59:59+00:00"), zone="America/New_York")
    document = added_up([seoul, york], timezone="UTC").aggregate_daily_usage("2026-11-23")
    assert (document["timezone"], tokens(document["directories"])) == (
        "UTC",
        {str(seoul): 6, str(york): 8},
    )


def test_under_given_names_counts_what_nobody_named_a_project_for(tmp_path: Path) -> None:
    eu = ledger(tmp_path / "a", call(1, project="default"), call(2, project="shop"))
    us = files(tmp_path / "b", call(4, project="default"), call(8, project="eu"))
    document = added_up({"eu": eu, "us": us}).aggregate_daily_usage()
    assert tokens(document["projects"]) == {"eu": 9, "us": 4, "shop": 2}
    assert tokens(document["directories"]) == {"eu": 3, "us": 12}
    assert document["directories"]["us"]["path"] == str(us)


def test_without_given_names_they_count_under_default(tmp_path: Path) -> None:
    dirs = [ledger(tmp_path / name, call(1, project="default")) for name in ("a", "b")]
    assert tokens(added_up(dirs).aggregate_daily_usage()["projects"]) == {"default": 2}


def test_one_project_is_what_counts_under_its_name(tmp_path: Path) -> None:
    eu = ledger(tmp_path / "a", call(1, project="default"), call(2, project="shop"))
    us = ledger(tmp_path / "b", call(4, project="eu"))
    found = added_up({"eu": eu, "us": us}).aggregate(
        lambda today: (today, today), by=(By.DIRECTORY,), project="eu"
    )
    document = found.document()
    assert {row["directory"]: row["total_tokens"] for row in document["usage"]} == {
        "us": 4,
        "eu": 1,
    }
    assert tokens(document["directories"]) == {"eu": 1, "us": 4}


def test_sums_are_by_whatever_is_asked(tmp_path: Path) -> None:
    one = ledger(tmp_path / "one", call(1, "2026-10-31T12:00Z"), call(2, "2026-11-01T12:00Z"))
    two = files(tmp_path / "two", call(4, "2026-11-01T12:00Z"), call(8, "2026-11-02T12:00Z"))
    found = added_up([one, two]).aggregate(
        lambda today: (date(2026, 10, 31), today), by=(By.MONTH, By.DAY, By.DIRECTORY)
    )
    assert {part.key: part.totals.total_tokens for part in found.breakdown.parts} == {
        ("2026-10", "2026-10-31", str(one)): 1,
        ("2026-11", "2026-11-01", str(one)): 2,
        ("2026-11", "2026-11-01", str(two)): 4,
        ("2026-11", "2026-11-02", str(two)): 8,
    }


def test_ledgers_know_hours(tmp_path: Path) -> None:
    one = ledger(tmp_path / "one", call(1, "2026-11-24T05:10Z"))
    two = ledger(tmp_path / "two", call(2, "2026-11-24T05:50Z"))
    found = added_up([one, two]).aggregate(lambda today: (today, today), by=(By.HOUR,))
    assert [(part.key, part.totals.total_tokens) for part in found.breakdown.parts] == [
        (("2026-11-24T05:00+00:00",), 3)
    ]


def test_data_files_beside_a_ledger_are_not_looked_at(tmp_path: Path) -> None:
    one = ledger(tmp_path / "one", call(1))
    (one / "usage_2026-11-24.json").write_text("{")
    document = added_up([one]).aggregate_daily_usage()
    assert (document["total_tokens"], document["problems"]) == (1, [])


def test_a_day_without_a_file_is_a_day_without_calls(tmp_path: Path) -> None:
    one = files(tmp_path / "one", call(1))
    document = added_up([one]).aggregate_daily_usage("2026-11-20")
    assert (document["total_tokens"], document["cost_usd"], document["problems"]) == (0, 0.0, [])


def test_a_month_of_which_only_its_own_file_is_left(tmp_path: Path) -> None:
    one = files(tmp_path / "one", call(1, "2026-10-05T12:00Z"), call(2, "2026-10-06T12:00Z"))
    for path in one.glob("usage_2026-10-*"):
        path.unlink()
    assert added_up([one]).aggregate_monthly_usage("2026-10")["total_tokens"] == 3


def test_a_month_without_its_own_file_is_put_together_from_its_days(tmp_path: Path) -> None:
    one = files(tmp_path / "one", call(1, "2026-10-05T12:00Z"), call(2, "2026-10-06T12:00Z"))
    (one / "monthly_2026-10.json").unlink()
    assert added_up([one]).aggregate_monthly_usage("2026-10")["total_tokens"] == 3


def test_nothing_is_left_open_or_written(tmp_path: Path) -> None:
    one = ledger(tmp_path / "one", call(1))
    before = sorted(path.name for path in one.iterdir())
    added_up([one]).aggregate_daily_usage()
    assert sorted(path.name for path in one.iterdir()) == before


def test_each_answer_is_as_of_now(tmp_path: Path) -> None:
    one = ledger(tmp_path / "one", call(1))
    aggregator = added_up([one])
    first = aggregator.aggregate_daily_usage()["total_tokens"]
    ledger(one, call(2))
    assert (first, aggregator.aggregate_daily_usage()["total_tokens"]) == (1, 3)


@pytest.mark.parametrize(
    ("dirs", "error", "said"),
    [
        ("data", TypeError, "dirs must be several directories: give ['data'] instead of 'data'"),
        ([], ValueError, "there is no directory to add up: name at least one"),
        ([3], TypeError, "3 is no directory: give its path"),
        ({"a": ""}, TypeError, "'' is no directory: give its path"),
        (
            {"\n": "data"},
            ValueError,
            "'\\n' cannot name a project: use 1 to 128 printable characters",
        ),
    ],
)
def test_what_is_no_list_of_directories(dirs: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        added_up(dirs)
    assert str(caught.value) == said


def test_an_unknown_time_zone() -> None:
    with pytest.raises(ValueError, match="timezone") as caught:
        added_up(["data"], timezone="seoul")
    assert str(caught.value) == (
        "timezone: 'seoul' is not the IANA name of a time zone, such as Asia/Seoul; did you mean "
        "Asia/Seoul?"
    )


@pytest.mark.parametrize("day", ["2026-13-01", "20261101", "today", "", "9999-01-01"])
def test_what_is_no_day(day: str) -> None:
    with pytest.raises(ValueError, match="day") as caught:
        added_up(["data"]).aggregate_daily_usage(day)
    said = f"'{day}' is no day: give one as 2026-11-24, from 1970-01-01 to 9998-12-31"
    assert str(caught.value) == said


@pytest.mark.parametrize("month", ["2026-13", "2026-11-24", "november"])
def test_what_is_no_month(month: str) -> None:
    with pytest.raises(ValueError, match="month") as caught:
        added_up(["data"]).aggregate_monthly_usage(month)
    said = f"'{month}' is no month: give one as 2026-11, from 1970-01 to 9998-12"
    assert str(caught.value) == said


def test_the_files_of_a_ledger_say_what_it_says(tmp_path: Path) -> None:
    names = ["../up", "=cmd()", "a/b", "A", "a", "日本", "project|x", "default"]
    one = ledger(
        tmp_path / "one",
        *(call(2**place, NOW - place, name) for place, name in enumerate(names)),
    )
    copy = files_of(one, tmp_path / "copy")
    by_ledger = added_up([one]).aggregate_daily_usage()
    by_files = added_up([copy]).aggregate_daily_usage()
    assert tokens(by_files["projects"]) == {
        name: 2**place for place, name in reversed(list(enumerate(names)))
    }
    assert by_files["projects"] == by_ledger["projects"]
