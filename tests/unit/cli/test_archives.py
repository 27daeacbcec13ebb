"""`export` and `import`: single calls in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.invoking import CHAT, HOUR, NOW, POLICY, RECORDS, invoke, write
from tests.unit.ledger.books import record


def tokens(directory: str) -> int:
    shown = invoke("usage", "--json", "--since", "2026-11-01", "--data-dir", directory)
    document: dict[str, Any] = json.loads(shown.stdout)
    return int(document["total"]["total_tokens"])


def calls_of(*arguments: str) -> tuple[str, str, int]:
    """First and last day of what is exported, and how many calls."""
    document = json.loads(invoke("export", "-", "--format", "json", *arguments).stdout)
    return document["start"], document["end"], len(document["calls"])


@pytest.mark.parametrize("suffix", ["json", "csv", "zip"])
def test_what_is_exported_can_be_imported_elsewhere(suffix: str) -> None:
    write(*RECORDS, policy=POLICY)
    done = invoke("export", f"calls.{suffix}")
    assert (done.exit_code, done.stdout, done.stderr) == (
        0,
        "",
        f"5 calls of 2026-11-23 to 2026-11-24 (Asia/Seoul) written to calls.{suffix}\n",
    )
    done = invoke("import", f"calls.{suffix}", "--data-dir", "other")
    ledger = Path("other/usage.db").absolute()
    assert (done.exit_code, done.output) == (
        0,
        f"5 calls imported, 0 were here already; the ledger {ledger} was made\n",
    )
    again = invoke("import", f"calls.{suffix}", "--data-dir", "other")
    assert again.output == "0 calls imported, 5 were here already\n"
    assert tokens("other") == tokens("data") == 2_114_007


def test_replacing_says_what_was_given_up() -> None:
    write(*RECORDS[:2], policy=POLICY)
    invoke("export", "calls.json")
    write(*RECORDS[2:4])
    done = invoke("import", "calls.json", "--replace")
    assert done.output == "2 calls imported, 0 were here already, 4 were given up for them\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ("2026-11-23", "2026-11-24", 5)),
        (("--since", "today"), ("2026-11-24", "2026-11-24", 4)),
        (("--until", "yesterday"), ("2026-11-23", "2026-11-23", 1)),
        (("--until", "2026-11-01"), ("2026-11-01", "2026-11-01", 0)),
        (("--since", "2026-11-01", "--until", "2026-11-30"), ("2026-11-01", "2026-11-30", 5)),
    ],
)
def test_both_days_are_part_of_it(
    arguments: tuple[str, ...], expected: tuple[str, str, int]
) -> None:
    write(*RECORDS, policy=POLICY)
    assert calls_of(*arguments) == expected


def test_without_days_a_call_of_a_clock_that_is_ahead_is_there_too() -> None:
    write(record(1, CHAT, time_ns=NOW + 24 * HOUR), policy=POLICY)
    assert calls_of() == ("2026-11-25", "2026-11-25", 1)


def test_an_empty_ledger_has_an_empty_export() -> None:
    write(policy=POLICY)
    assert calls_of() == ("2026-11-24", "2026-11-24", 0)


def test_history_is_of_the_days_up_to_now() -> None:
    write(*RECORDS, policy=POLICY)
    assert invoke("export", "history.om").stderr.endswith("written to history.om\n")
    lines = Path("history.om").read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == (
        (
            "# HELP llm_tokens Tokens used, as reported by the provider. The types do not overlap: "
            "their sum is the total."
        ),
        "# EOF",
    )
    assert max(int(line.rpartition(" ")[2]) for line in lines if line[0] != "#") == NOW // 10**9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("export", "calls"),
            "what is calls? Name a --format: json, csv, zip, openmetrics",
        ),
        (("export", "-"), "what is -? Name a --format: json, csv, zip, openmetrics"),
        (("import", "x.om"), "what is x.om? Name a --format: json, csv, zip"),
        (
            ("export", "x.json", "--since", "today", "--until", "yesterday"),
            "--since 2026-11-24 is after --until 2026-11-23: exchange them",
        ),
        (
            ("export", "x.om/y.json"),
            "{}/x.om: File exists",
        ),
        (
            ("import", "x.om", "--format", "json"),
            (
                "x.om: line 1: here must stand a document {…}, not '#'; correct it, or export it "
                "again; nothing was imported"
            ),
        ),
        (
            ("export", "x.json", "--data-dir", "nowhere"),
            (
                "there is no ledger at {}/nowhere/usage.db: name the data directory of the "
                "application with --data-dir or TOKEN_MONITOR_DATA_DIR"
            ),
        ),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], message: str) -> None:
    write(*RECORDS, policy=POLICY)
    Path("x.om").write_text("# EOF\n")
    done = invoke(*arguments)
    assert done.exit_code == 3
    assert done.stderr.endswith(f"Error: {message.replace('{}', str(Path.cwd()))}\n")
    assert not Path("x.json").exists()


def test_a_broken_file_makes_no_calls() -> None:
    write(*RECORDS, policy=POLICY)
    invoke("export", "calls.json")
    text = Path("calls.json").read_text(encoding="utf-8")
    Path("calls.json").write_text(text.replace('"input":700000', '"input":-7'), encoding="utf-8")
    done = invoke("import", "calls.json", "--data-dir", "other")
    assert (done.exit_code, done.stderr) == (
        3,
        (
            "Error: calls.json: line 4: input: use a whole number >= 0; correct it, or export it "
            "again; nothing was imported\n"
        ),
    )
    assert not Path("other").exists()
