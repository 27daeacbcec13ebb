"""The table of a day, as text."""

from __future__ import annotations

import pytest

from otel_token_monitor.usage import Labels, Totals
from otel_token_monitor.views.terminal.day import day_table
from tests.unit.views.terminal.drawing import drawn

CHAT = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")
EMBEDDINGS = Labels("search", "openai", "text-embedding-3-small", "embeddings")
DAY = {
    CHAT: Totals(
        input=812_331,
        input_cached=303_104,
        output=44_122,
        output_reasoning=18_210,
        requests_ok=412,
        requests_error=7,
        unmetered=3,
        cost_nanousd=301_234_567,
    ),
    CHAT._replace(endpoint="responses"): Totals(input=1000, requests_ok=1, unpriced=1),
    EMBEDDINGS: Totals(input=1_204_331, requests_ok=1204, cost_nanousd=21_234_567),
}


def shown(by_labels: dict[Labels, Totals], width: int, rows: int | None = None) -> str:
    return drawn(day_table(by_labels, "2025-11-24 Asia/Seoul", width, rows=rows), width)


def header(width: int) -> list[str]:
    return shown(DAY, width).splitlines()[2].replace("PROJECT, MODEL", "PROJECT").split()


def test_80_columns() -> None:
    assert shown(DAY, 80) == (
        "Today  2025-11-24 Asia/Seoul\n"
        "\n"
        "PROJECT, MODEL               TOKENS      INPUT  OUTPUT  REQUESTS     COST\n"
        "─────────────────────────────────────────────────────────────────────────\n"
        "search                    1,204,331  1,204,331       0     1,204  $0.0212\n"
        "  text-embedding-3-small  1,204,331  1,204,331       0     1,204  $0.0212\n"
        "checkout                  1,178,767  1,116,435  62,332       420  $0.3012\n"
        "  gpt-5-mini              1,178,767  1,116,435  62,332       420  $0.3012\n"
        "─────────────────────────────────────────────────────────────────────────\n"
        "total                     2,383,098  2,320,766  62,332     1,624  $0.3225\n"
        "\n"
        "Not in TOKENS: 3 unmetered requests.\n"
        "Not in COST: 1 request of unknown price.\n"
        "Among REQUESTS: 7 errors.\n"
    )


def test_a_wide_terminal_shows_everything() -> None:
    assert header(160) == [
        "PROJECT",
        "ENDPOINT",
        "TOKENS",
        "INPUT",
        "CACHED",
        "OUTPUT",
        "REASONING",
        "REQUESTS",
        "ERRORS",
        "UNMETERED",
        "COST",
    ]


def test_the_endpoint_is_the_first_to_go() -> None:
    assert header(120) == [column for column in header(160) if column != "ENDPOINT"]


def test_tokens_and_cost_are_the_last_to_stay() -> None:
    assert header(40) == ["PROJECT", "TOKENS", "COST"]


@pytest.mark.parametrize("width", range(40, 140, 7))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, shown(DAY, width).splitlines())) <= width


def test_a_long_name_is_cut() -> None:
    by_labels = {CHAT._replace(model="m" * 500): Totals(input=1)}
    assert "  " + "m" * 41 + "…" in shown(by_labels, 160)


def test_the_provider_is_told_where_there_are_several() -> None:
    by_labels = {CHAT: Totals(input=2), CHAT._replace(provider="groq"): Totals(input=1)}
    lines = shown(by_labels, 80).splitlines()
    assert [line.split()[0] for line in lines[5:7]] == ["openai/gpt-5-mini", "groq/gpt-5-mini"]


def test_names_are_not_taken_for_markup() -> None:
    by_labels = {CHAT._replace(model="[red]m[/red]"): Totals(input=1)}
    assert "[red]m[/red]" in shown(by_labels, 80)


def test_a_day_without_calls() -> None:
    assert shown({}, 80) == "No calls yet today (2025-11-24 Asia/Seoul).\n"


def test_nothing_is_noted_where_the_sums_are_whole() -> None:
    assert shown({CHAT: Totals(input=1, requests_ok=1)}, 80).splitlines()[-1][:5] == "total"


def test_estimates_are_noted() -> None:
    total = Totals(estimated_input=1000, estimated_output=1, unmetered=1)
    assert shown({CHAT: total}, 80).splitlines()[-1] == (
        "Not in TOKENS: 1 unmetered request, 1,001 estimated tokens."
    )


def test_so_many_rows_and_the_total_of_all() -> None:
    lines = shown(DAY, 80, rows=1).splitlines()
    assert [line.split()[:2] for line in lines[4:]] == [
        ["search", "1,204,331"],
        ["─" * 73],
        ["total", "2,383,098"],
    ]
