"""`report`: sums over many directories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.usage import TokenUsage
from tests.unit.aggregation.places import write_files
from tests.unit.cli.invoking import CHAT, HOUR, NOW, POLICY, RECORDS, SEARCH, invoke, write
from tests.unit.ledger.books import record

UNNAMED = CHAT._replace(project="default")


def two_shops() -> None:
    """The ledger of other tests, and one more, which goes by UTC."""
    write(*RECORDS, policy=POLICY, directory="one/data")
    write(
        record(11, CHAT, time_ns=NOW - HOUR, usage=TokenUsage(input=5_000)),
        record(12, UNNAMED, time_ns=NOW - HOUR, usage=TokenUsage(input=600), cost_nanousd=10**9),
        policy=Policy(timezone="UTC"),
        directory="two/data",
    )


def report(*arguments: str) -> dict[str, Any]:
    result = invoke("report", "--json", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def rows(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(*(row[by] for by in document["by"]), row["total_tokens"]) for row in document["usage"]]


def test_the_table_has_a_row_for_each_project_over_all_directories() -> None:
    two_shops()
    result = invoke("report", "--dir", "one/data", "--dir", "two/data")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "Usage  2026-11-01 to 2026-11-24 (days of several time zones)",
        "",
        "PROJECT      TOKENS      INPUT   OUTPUT  REQUESTS  ERRORS  UNMETERED      COST",
        "──────────────────────────────────────────────────────────────────────────────",
        "search      860,007    860,007        0         2       1          0   $1.0000",
        "checkout    847,000    705,000  142,000         3       0          0  $20.0000",
        "support     412,000    400,000   12,000         1       0          0   unknown",
        "default         600        600        0         1       0          0   $1.0000",
        "──────────────────────────────────────────────────────────────────────────────",
        "total     2,119,607  1,965,607  154,000         7       1          0  $22.0000",
        "",
        "Not in COST: 4 requests of unknown price.",
    ]


def test_directories_are_shown_without_what_all_have_in_common() -> None:
    two_shops()
    arguments = (
        "--dir",
        str(Path("one/data").absolute()),
        "--dir",
        str(Path("two/data").absolute()),
    )
    result = invoke("report", *arguments, "--by", "directory,project", "--timezone", "UTC")
    lines = result.stdout.splitlines()
    assert lines[0] == "Usage  2026-11-01 to 2026-11-24 UTC"
    assert [line.split()[:2] for line in lines[4:9]] == [
        ["one", "search"],
        ["checkout", "842,000"],
        ["support", "412,000"],
        ["two", "checkout"],
        ["default", "600"],
    ]


def test_under_a_name_counts_what_nobody_named_a_project_for() -> None:
    two_shops()
    document = report("--dir", "one/data", "--dir", "eu=two/data", "--by", "directory,project")
    assert rows(document)[-2:] == [("eu", "checkout", 5_000), ("eu", "eu", 600)]
    assert {name: entry["path"] for name, entry in document["directories"].items()} == {
        "one/data": "one/data",
        "eu": "two/data",
    }


def test_a_path_that_is_there_is_no_name() -> None:
    two_shops()
    shutil.copytree("two/data", "eu=two")
    assert list(report("--dir", "eu=two")["directories"]) == ["eu=two"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--by", "model"), [("gpt-5-mini", 1_259_600), ("text-embedding-3-small", 860_007)]),
        (("--by", "day"), [("2026-11-23", 7), ("2026-11-24", 2_119_600)]),
        (("--by", "Month"), [("2026-11", 2_119_607)]),
        (("--by", "provider", "--since", "today"), [("openai", 2_119_600)]),
        (("--project", "checkout"), [("checkout", 847_000)]),
        (("--model", "text-*"), [("search", 860_007)]),
        (("--until", "2026-10-31"), []),
    ],
)
def test_it_answers_what_usage_does(
    arguments: tuple[str, ...], expected: list[tuple[Any, ...]]
) -> None:
    two_shops()
    assert rows(report("--dir", "one/data", "--dir", "two/data", *arguments)) == expected


def test_of_one_ledger_it_says_what_usage_says() -> None:
    write(*RECORDS, policy=POLICY)
    usage = json.loads(invoke("usage", "--by", "project,day", "--json").stdout)
    document = report("--dir", "data", "--by", "project,day")
    assert {key: document[key] for key in usage} == usage
    assert document["problems"] == []


def test_only_data_files() -> None:
    two_shops()
    write_files(Path("one/data"))
    Path("one/data/usage.db").unlink()
    document = report("--dir", "one/data")
    assert document["directories"]["one/data"]["source"] == "files"
    assert document["total"]["total_tokens"] == 2_114_007


def test_what_is_not_counted_is_noted_on_stderr_and_in_the_document() -> None:
    two_shops()
    arguments = ("report", "--dir", "one/data", "--dir", "three\x1b[2J")
    said = "three\x1b[2J does not exist: name the data directory of an application"
    result = invoke(*arguments)
    assert (result.exit_code, result.stderr) == (
        0,
        (
            "Note: three\N{REPLACEMENT CHARACTER}[2J does not exist: name the data directory of an "
            "application\n"
        ),
    )
    assert json.loads(invoke(*arguments, "--json").stdout)["problems"] == [said]


def test_where_nothing_can_be_read() -> None:
    result = invoke("report", "--dir", "one", "--dir", "two", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (
        3,
        "",
        (
            "Error: no directory can be counted:\n"
            "- one does not exist: name the data directory of an application\n"
            "- two does not exist: name the data directory of an application\n"
        ),
    )


def test_hostile_names_do_not_steer_the_terminal() -> None:
    hostile = SEARCH._replace(project="\x1b[31mred")
    write(record(1, hostile, time_ns=NOW), policy=POLICY, directory="one\x1b[0m")
    result = invoke("report", "--dir", "one\x1b[0m", "--by", "directory,project")
    assert "\x1b" not in result.stdout
    assert "one\N{REPLACEMENT CHARACTER}[0m" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing option '--dir'.\n"),
        (
            ("--dir", "one/data", "--dir", "a=one/data", "--dir", "a=two/data"),
            "one/data and two/data are both called 'a': give each a name of its own\n",
        ),
        (("--dir", "=two/data"), "'' cannot name a project: use 1 to 128 printable characters\n"),
        (("--dir", "a="), "'' is no directory: give its path\n"),
        (
            ("--dir", "one/data", "--since", "today", "--until", "yesterday"),
            "--since 2026-11-24 is after --until 2026-11-23: exchange them\n",
        ),
        (
            ("--dir", "one/data", "--by", "hour", "--since", "2020-01-01"),
            (
                "2020-01-01 to 2026-11-24 by hour has more than 10,000 rows: ask for less time, or "
                "by day\n"
            ),
        ),
        (
            ("--dir", "one/data", "--by", "team"),
            (
                "'team' is not one of 'project', 'model', 'endpoint', 'provider', 'day', 'month', "
                "'hour', 'directory'.\n"
            ),
        ),
    ],
)
def test_what_cannot_be_asked_is_told_with_the_remedy(
    arguments: tuple[str, ...], said: str
) -> None:
    two_shops()
    result = invoke("report", *arguments)
    assert (result.exit_code, result.stderr.endswith(said)) == (3, True), result.stderr
