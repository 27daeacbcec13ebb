"""`usage`: sums between two days."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_token_monitor.usage import TokenUsage
from otel_token_monitor.views.breakdown import By
from tests.unit.cli.invoking import CHAT, HOUR, NOW, POLICY, RECORDS, invoke, write
from tests.unit.ledger.books import record


def usage(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(invoke("usage", "--json", *arguments).stdout)
    return document


def rows(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The keys of each row, and its tokens."""
    return [(*(row[by] for by in document["by"]), row["total_tokens"]) for row in document["usage"]]


def test_the_table_has_a_row_for_each_day_of_this_month() -> None:
    write(*RECORDS, policy=POLICY)
    assert invoke("usage").stdout.splitlines() == [
        "Usage  2026-11-01 to 2026-11-24 Asia/Seoul",
        "",
        "DAY            TOKENS      INPUT   OUTPUT  REQUESTS  ERRORS  UNMETERED      COST",
        "────────────────────────────────────────────────────────────────────────────────",
        "2026-11-23          7          7        0         1       1          0   unknown",
        "2026-11-24  2,114,000  1,960,000  154,000         4       0          0  $21.0000",
        "────────────────────────────────────────────────────────────────────────────────",
        "total       2,114,007  1,960,007  154,000         5       1          0  $21.0000",
        "",
        "Not in COST: 3 requests of unknown price.",
    ]


def test_what_is_as_in_the_row_above_is_not_said_again() -> None:
    write(*RECORDS, policy=POLICY)
    lines = invoke("usage", "--by", "project,day", "--project", "search").stdout.splitlines()
    assert [line.split()[:2] for line in lines[4:6]] == [
        ["search", "2026-11-23"],
        ["2026-11-24", "860,000"],
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("project", [("search", 860_007), ("checkout", 842_000), ("support", 412_000)]),
        ("model", [("gpt-5-mini", 1_254_000), ("text-embedding-3-small", 860_007)]),
        ("endpoint", [("chat/completions", 1_254_000), ("embeddings", 860_007)]),
        ("provider", [("openai", 2_114_007)]),
        ("day", [("2026-11-23", 7), ("2026-11-24", 2_114_000)]),
        ("month", [("2026-11", 2_114_007)]),
        (
            "hour",
            [
                ("2026-11-23T23:00+09:00", 7),
                ("2026-11-24T14:00+09:00", 2_014_000),
                ("2026-11-24T16:00+09:00", 100_000),
            ],
        ),
        (
            "Month, MODEL",
            [
                ("2026-11", "gpt-5-mini", 1_254_000),
                ("2026-11", "text-embedding-3-small", 860_007),
            ],
        ),
    ],
)
def test_it_is_by(by: str, expected: list[tuple[Any, ...]]) -> None:
    write(*RECORDS, policy=POLICY)
    assert rows(usage("--by", by)) == expected


@pytest.mark.parametrize(
    ("arguments", "since", "until", "tokens"),
    [
        ((), "2026-11-01", "2026-11-24", 2_114_007),
        (("--since", "today"), "2026-11-24", "2026-11-24", 2_114_000),
        (("--until", "yesterday"), "2026-11-01", "2026-11-23", 7),
        (("--until", "20261031"), "2026-10-01", "2026-10-31", 0),
        (("--since", "2d"), "2026-11-23", "2026-11-24", 2_114_007),
        (("--since", "1d"), "2026-11-24", "2026-11-24", 2_114_000),
        (("--since", "2026-11-23", "--until", "2026-11-23"), "2026-11-23", "2026-11-23", 7),
    ],
)
def test_both_days_are_part_of_it(
    arguments: tuple[str, ...], since: str, until: str, tokens: int
) -> None:
    write(*RECORDS, policy=POLICY)
    document = usage(*arguments)
    shown = (document["since"], document["until"], document["total"]["total_tokens"])
    assert shown == (since, until, tokens)


def test_days_are_those_of_the_zone_asked_for() -> None:
    write(*RECORDS, policy=POLICY)
    document = usage("--timezone", "UTC")
    assert (document["timezone"], rows(document)) == (
        "UTC",
        [
            ("2026-11-23", 7),
            ("2026-11-24", 2_114_000),
        ],
    )


def test_the_zone_decides_which_day_a_call_is_of() -> None:
    write(record(1, CHAT, time_ns=NOW - 9 * HOUR), policy=POLICY)
    assert [rows(usage("--timezone", zone)) for zone in ("Asia/Seoul", "UTC")] == [
        [("2026-11-24", 20)],
        [("2026-11-23", 20)],
    ]


def test_only_some_models_of_one_project() -> None:
    write(*RECORDS, policy=POLICY)
    document = usage("--project", "support", "--model", "gpt-*", "--by", "model")
    assert (document["project"], document["model"], rows(document)) == (
        "support",
        "gpt-*",
        [("gpt-5-mini", 412_000)],
    )


def test_the_document_has_a_version_and_the_sums_of_every_view() -> None:
    write(record(1, CHAT, time_ns=NOW, usage=TokenUsage(1, 2, 3, 4, 5), cost_nanousd=1_500_000))
    sums = {
        "total_tokens": 15,
        "input_tokens": 6,
        "output_tokens": 9,
        "tokens": {
            "input": 1,
            "input_cached": 2,
            "input_cache_write": 3,
            "output": 4,
            "output_reasoning": 5,
        },
        "estimated_tokens": 0,
        "estimated_input_tokens": 0,
        "estimated_output_tokens": 0,
        "requests": 1,
        "errors": 0,
        "unmetered_requests": 0,
        "unpriced_requests": 0,
        "cost_usd": 0.0015,
        "cost_nanousd": 1_500_000,
    }
    assert usage("--by", "model") == {
        "schema_version": 2,
        "timezone": "UTC",
        "since": "2026-11-01",
        "until": "2026-11-24",
        "project": None,
        "model": None,
        "by": ["model"],
        "total": sums,
        "usage": [{"model": "gpt-5-mini", **sums}],
    }


def test_without_calls() -> None:
    write(*RECORDS, policy=POLICY)
    result = invoke("usage", "--until", "2026-10-31", "--model", "o3")
    assert (result.exit_code, result.stdout) == (
        0,
        "No calls (2026-10-01 to 2026-10-31 Asia/Seoul, o3 only).\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--since", "2026-13-01"),
            (
                "'2026-13-01' is no day: use a date such as 2026-11-01 (from 1970-01-01 to "
                "9998-12-31), today, yesterday, or 7d for the last seven days\n"
            ),
        ),
        (
            ("--timezone", "seoul"),
            (
                "'seoul' is not the IANA name of a time zone, such as Asia/Seoul; did you mean "
                "Asia/Seoul?\n"
            ),
        ),
        (
            ("--by", "project,team"),
            (
                "'team' is not one of 'project', 'model', 'endpoint', 'provider', 'day', 'month', "
                "'hour'.\n"
            ),
        ),
        (
            ("--since", "today", "--until", "yesterday"),
            "--since 2026-11-24 is after --until 2026-11-23: exchange them\n",
        ),
        (
            ("--by", "hour", "--since", "2020-01-01"),
            (
                "2020-01-01 to 2026-11-24 by hour has more than 10,000 rows: ask for less time, or "
                "by day\n"
            ),
        ),
    ],
)
def test_what_cannot_be_asked_is_told_with_the_remedy(
    arguments: tuple[str, ...], said: str
) -> None:
    write(*RECORDS, policy=POLICY)
    result = invoke("usage", *arguments)
    assert (result.exit_code, result.stderr.endswith(said)) == (3, True)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    since=st.one_of(st.text(max_size=12), st.dates().map(str), st.from_regex(r"\A[0-9]{1,6}d\Z")),
    zone=st.one_of(st.text(max_size=20), st.sampled_from(["UTC", "Asia/Seoul", "../x", "Etc"])),
    by=st.one_of(st.sampled_from(list(By)), st.text(max_size=8)),
)
def test_whatever_is_asked_there_is_an_answer_or_a_sentence(since: str, zone: str, by: str) -> None:
    write()
    result = invoke("usage", f"--since={since}", f"--timezone={zone}", f"--by={by}")
    assert result.exit_code in {0, 3}
    assert "Traceback" not in result.stderr
