"""`status` and `check`: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.views.report import take_report
from tests.unit.cli.invoking import CHAT, NOW, POLICY, RECORDS, invoke, write
from tests.unit.ledger.books import record

NO_LIMIT = "No limit is set: set TOKEN_DAILY_LIMIT, or run `otel-token-monitor config init`.\n"


def limited(amount: int, used: int) -> None:
    """Write a ledger with one limit on tokens a day."""
    limit = Limit(Scope("checkout"), Unit.TOKENS, Window.DAY, amount)
    call = record(1, CHAT, time_ns=NOW - 1, usage=TokenUsage(input=used))
    write(call, policy=Policy(limits=(limit,)))


def test_status_prints_the_budgets_and_who_spends() -> None:
    write(*RECORDS, policy=POLICY)
    assert invoke("status").stdout.splitlines() == [
        "CRITICAL  2026-11-24 16:48 Asia/Seoul",
        "",
        "BUDGET    PER  STATUS    USED/LIMIT               USED  PROJ.  RUNS OUT   RESETS",
        "support   day  CRITICAL   412k/400k  ███████████  103%   103%  exhausted  7h 12m",
        "checkout  day  WARNING   842k/1.00M  █████████▎░   84%   152%  in 1h 39m  7h 12m",
        "search    day  NORMAL    860k/2.00M  ████▋░░░░░░   43%    43%  —          7h 12m",
        "",
        "Today  2026-11-24 Asia/Seoul",
        "",
        "PROJECT, MODEL               TOKENS      INPUT   OUTPUT  REQUESTS      COST",
        "───────────────────────────────────────────────────────────────────────────",
        "search                      860,000    860,000        0         1   $1.0000",
        "  text-embedding-3-small    860,000    860,000        0         1   $1.0000",
        "checkout                    842,000    700,000  142,000         2  $20.0000",
        "  gpt-5-mini                842,000    700,000  142,000         2  $20.0000",
        "support                     412,000    400,000   12,000         1   unknown",
        "  gpt-5-mini                412,000    400,000   12,000         1   unknown",
        "───────────────────────────────────────────────────────────────────────────",
        "total                     2,114,000  1,960,000  154,000         4  $21.0000",
        "",
        "Not in COST: 2 requests of unknown price.",
    ]


def test_status_exits_0_whatever_the_status_is() -> None:
    write(*RECORDS, policy=POLICY)
    assert invoke("status").exit_code == 0


@pytest.mark.parametrize("command", ["status", "check"])
@pytest.mark.parametrize("project", [None, "checkout"])
def test_json_is_the_reports_document(command: str, project: str | None) -> None:
    write(*RECORDS, policy=POLICY)
    only = () if project is None else ("--project", project)
    reader = LedgerReader(Location.in_directory(Path("data")))
    expected = take_report(reader, Policy(), NOW, project=project).status_document()
    reader.close()
    assert json.loads(invoke(command, "--json", *only).stdout) == expected


def test_status_without_limits_says_how_to_set_one() -> None:
    write(*RECORDS)
    assert invoke("status").stdout.startswith(f"NORMAL  2026-11-24 07:48 UTC\n\n{NO_LIMIT}")


def test_without_limits_in_the_ledger_the_configurations_hold() -> None:
    write(*RECORDS)
    result = invoke("check", TOKEN_DAILY_LIMIT="2114000")
    assert (result.exit_code, result.stdout[:24]) == (2, "CRITICAL  all projects: ")


def test_status_of_a_ledger_without_calls_is_no_error() -> None:
    write()
    result = invoke("status")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (
        0,
        "No calls yet today (2026-11-24 UTC).",
    )


def test_status_of_one_project() -> None:
    write(*RECORDS, policy=POLICY)
    lines = invoke("status", "--project", "search").stdout.splitlines()
    assert (lines[0], [line.split()[0] for line in lines[2:4]], lines[-1].split()[:2]) == (
        "NORMAL  2026-11-24 16:48 Asia/Seoul  project search",
        ["BUDGET", "search"],
        ["total", "860,000"],
    )


@pytest.mark.parametrize(
    ("used", "fail_on", "code"),
    [
        (7_999, "warning", 0),
        (8_000, "warning", 1),
        (8_999, "warning", 1),
        (9_000, "warning", 2),
        (8_999, "critical", 0),
        (9_000, "critical", 2),
    ],
)
def test_check_exits_by_the_worst_status(used: int, fail_on: str, code: int) -> None:
    limited(10_000, used)
    assert invoke("check", "--fail-on", fail_on).exit_code == code


def test_check_fails_on_a_warning_by_default() -> None:
    limited(10_000, 8_000)
    assert invoke("check").exit_code == 1


def test_checks_json_has_the_same_exit_code() -> None:
    limited(10_000, 9_000)
    assert invoke("check", "--json").exit_code == 2


def test_check_prints_a_line_for_each_budget_that_is_not_normal() -> None:
    write(*RECORDS, policy=POLICY)
    assert invoke("check").stdout == (
        "CRITICAL  support: 412k of 400k tokens/day (103%), exhausted, resets in 7h 12m\n"
        "WARNING   checkout: 842k of 1.00M tokens/day (84%), runs out in 1h 39m, "
        "resets in 7h 12m\n"
    )


def test_check_where_all_is_normal() -> None:
    limited(10_000, 7_999)
    assert invoke("check").stdout == "NORMAL    1 budget, 79% used at most\n"


def test_check_without_limits_passes_and_says_so() -> None:
    write(*RECORDS)
    result = invoke("check")
    assert (result.exit_code, result.stdout) == (0, NO_LIMIT)


@pytest.mark.parametrize("command", ["status", "check", "top"])
def test_a_project_that_nobody_knows_is_trouble(command: str) -> None:
    write(*RECORDS, policy=POLICY)
    result = invoke(command, "--project", "chekout")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            "Error: project 'chekout' has no limit and no call in this ledger; "
            "did you mean checkout?\n"
        ),
    )


def test_a_project_without_a_limit_is_no_trouble() -> None:
    write(*RECORDS)
    result = invoke("check", "--project", "checkout")
    assert (result.exit_code, result.stdout) == (
        0,
        "Project checkout has no limit: set one in the configuration file, under projects.\n",
    )


@pytest.mark.parametrize(
    "command", [("status",), ("check",), ("usage",), ("top",), ("check", "--json")]
)
def test_a_missing_ledger_is_named_with_the_remedy(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    result = invoke(*command)
    assert (result.exit_code, result.stdout, result.stderr) == (
        3,
        "",
        (
            f"Error: there is no ledger at {tmp_path}/data/usage.db: name the data "
            "directory of the application with --data-dir or TOKEN_MONITOR_DATA_DIR\n"
        ),
    )


@pytest.mark.parametrize("command", ["status", "check", "usage", "top"])
def test_a_command_that_reads_creates_nothing(command: str, tmp_path: Path) -> None:
    invoke(command)
    assert list(tmp_path.iterdir()) == []


def test_a_time_zone_that_this_machine_does_not_know_is_trouble() -> None:
    write(policy=Policy(timezone="Mars/Olympus"))
    result = invoke("check")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            "Error: this machine does not know the time zone 'Mars/Olympus' that the ledger goes "
            "by: pip install --upgrade tzdata\n"
        ),
    )
