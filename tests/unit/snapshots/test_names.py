"""The names of data files: none escapes the directory, and none is that of another project."""

from __future__ import annotations

from datetime import date
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import assume, example, given, strategies

from otel_token_monitor.snapshots.names import (
    file_name,
    is_project_file_name,
    log_day,
    period_of,
    project_file_name,
)
from otel_token_monitor.snapshots.periods import Period

HOSTILE = [
    "..", ".", "/etc/passwd", "..\\..\\x", "CON", "con", "a~b", "a/b", "a\\b", "~", "-rf", " ",
    "\N{PILE OF POO}" * 128, "가" * 128, "A" * 128, "a" * 65, "nul\x00", "=1+1", "İ", "ß", "ﬁ",
    "a:b", "a\u202eb", "e\u0301", "é", "x.json", "x.json.gz", "\ud800",
]  # fmt: skip
projects = strategies.sampled_from(HOSTILE) | strategies.text(min_size=1, max_size=128)


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("checkout", "project_checkout.json"),
        ("web-shop_2.eu", "project_web-shop_2.eu.json"),
        ("0" * 64, f"project_{'0' * 64}.json"),
        ("Checkout", "project_Checkout~99e71f48c48f121b.json"),
        ("..", "project_..~5ec1f7e700f37c3d.json"),
        ("/etc/passwd", "project_etcpasswd~74acf31844532670.json"),
        ("결제", "project_결제~8d4f3299dd01d1b1.json"),
        ("=1+1", "project_11~bac90eef5bf3aecd.json"),
    ],
)
def test_the_file_of_a_project(project: str, name: str) -> None:
    assert project_file_name(project) == name


@example("a", "A")
@example("é", "e\u0301")
@example("ß", "SS")
@given(projects, projects)
def test_two_projects_never_have_one_file(one: str, other: str) -> None:
    assume(one != other)
    names = project_file_name(one), project_file_name(other)
    assert len({name.lower() for name in names}) == 2
    assert len({name.casefold() for name in names}) == 2


@pytest.mark.parametrize("project", HOSTILE)
def test_a_hostile_name_stays_in_the_directory(project: str) -> None:
    check(project)


@given(projects)
def test_any_name_stays_in_the_directory(project: str) -> None:
    check(project)


def check(project: str) -> None:
    name = project_file_name(project)
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert not name.startswith(".")
    assert len(f"{name}.gz".encode()) <= 255
    assert name.isprintable()
    assert is_project_file_name(name)
    assert period_of(name) is None
    assert log_day(name) is None


@given(strategies.dates())
def test_the_day_of_a_file(day: date) -> None:
    name = file_name(Period.day(day))
    assert name == f"usage_{day.isoformat()}.json"
    assert period_of(name) == period_of(f"{name}.gz") == Period.day(day)


@given(strategies.dates())
def test_the_month_of_a_file(day: date) -> None:
    name = file_name(Period.month(day))
    assert name == f"monthly_{day.isoformat()[:7]}.json"
    assert period_of(name) == period_of(f"{name}.gz") == Period.month(day)


@pytest.mark.parametrize(
    "name",
    [
        "usage_2026-02-30.json",
        "usage_2026-13-01.json",
        "usage_0000-01-01.json",
        "usage_2026-11.json",
        "monthly_2026-11-24.json",
        "monthly_2026-13.json",
        "usage_2026-11-24.json.tmp",
        "usage_2026-11-24.json.gz.gz",
        "usage_2026-11-24.json\n",
        "usage_\uff12026-11-24.json",
        "my_usage_2026-11-24.json",
        "usage_2026-11-24",
        "usage.db",
        "alerts_2026-11-24.log",
    ],
)
def test_other_files_are_of_no_day(name: str) -> None:
    assert period_of(name) is None


def test_the_day_of_an_alert_log() -> None:
    day = date(2026, 11, 24)
    assert log_day("alerts_2026-11-24.log") == log_day("alerts_2026-11-24.log.gz") == day


@pytest.mark.parametrize(
    "name",
    ["alerts_2026-11-31.log", "alerts.log", "alerts_2026-11-24.txt", "usage_2026-11-24.json"],
)
def test_other_files_are_no_alert_log(name: str) -> None:
    assert log_day(name) is None
