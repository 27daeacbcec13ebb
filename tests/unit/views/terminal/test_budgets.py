"""The table of budgets, and a budget's sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from otel_token_monitor.budgets.limits import BudgetStatus, Scope, Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.views.terminal.bars import STYLES, bar
from otel_token_monitor.views.terminal.budgets import (
    budget_line,
    budget_table,
    scope_text,
    urgent_first,
)
from tests.unit.views.terminal.drawing import budget, drawn

if TYPE_CHECKING:
    from otel_token_monitor.budgets.evaluation import Budget

USD = 10**9
MANY = [
    budget(412_000, 400_000, Scope("support"), per_second=0.0),
    budget(842_000, 1_000_000, per_second=22.0),
    budget(4 * USD, 5 * USD, unit=Unit.USD, per_second=0.0),
    budget(120, 500, Scope("客户服务聊天机器人", "gpt-5*"), Unit.REQUESTS, Window.MONTH),
    budget(1, 50, Scope(), Unit.REQUESTS, Window.MINUTE, per_second=None),
    budget(86, 200, Scope("a-very-long-project-name-of-some-team-in-berlin")),
]


def table(width: int) -> list[str]:
    return [line.rstrip() for line in drawn(budget_table(MANY, width), width).splitlines()]


def test_80_columns() -> None:
    assert table(80) == [
        "BUDGET         PER        STATUS     USED/LIMIT          USED  RUNS OUT   RESETS",
        "support        day        CRITICAL    412k/400k  ██████  103%  exhausted  7h 00m",
        "checkout       day        WARNING    842k/1.00M  █████░   84%  in 1h 59m  7h 00m",
        "checkout       day        WARNING   $4.00/$5.00  ████▊░   80%  —          7h 00m",
        "a-very-long-…  day        NORMAL         86/200  ██▌░░░   43%  —          7h 00m",
        "客 … · gpt-5*  req/month  NORMAL        120/500  █▍░░░░   24%  —          7h 00m",
        "all projects   req/min    NORMAL           1/50  ▏░░░░░    2%  —             60s",
    ]


def test_88_columns_have_room_for_everything() -> None:
    assert table(88) == [
        "BUDGET          PER        STATUS     USED/LIMIT          USED  PROJ.  RUNS OUT   RESETS",
        "support         day        CRITICAL    412k/400k  ██████  103%   103%  exhausted  7h 00m",
        "checkout        day        WARNING    842k/1.00M  █████░   84%   139%  in 1h 59m  7h 00m",
        "checkout        day        WARNING   $4.00/$5.00  ████▊░   80%    80%  —          7h 00m",
        "a-very-long-p…  day        NORMAL         86/200  ██▌░░░   43%    43%  —          7h 00m",
        "客户… · gpt-5*  req/month  NORMAL        120/500  █▍░░░░   24%    24%  —          7h 00m",
        "all projects    req/min    NORMAL           1/50  ▏░░░░░    2%      —  —             60s",
    ]


def test_60_columns_show_how_much_is_used_and_not_when_it_ends() -> None:
    assert table(60)[0].split() == ["BUDGET", "PER", "STATUS", "USED/LIMIT", "USED"]


@pytest.mark.parametrize("width", range(40, 160, 3))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(cell_len, drawn(budget_table(MANY, width), width).splitlines())) <= width


def test_no_more_rows_than_asked_for() -> None:
    shown = drawn(budget_table(MANY, 80, rows=2), 80).splitlines()
    assert [line.split()[0] for line in shown] == ["BUDGET", "support", "checkout"]


def test_the_most_urgent_comes_first() -> None:
    critical = budget(95, 100)
    soon, later, never = (budget(85, 100, per_second=pace) for pace in (0.01, 0.001, 0.0))
    more, less = budget(40, 100), budget(30, 100)
    assert urgent_first([less, never, later, more, soon, critical]) == [
        critical,
        soon,
        later,
        never,
        more,
        less,
    ]


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (Scope(), "all projects"),
        (Scope(over_ledgers=True), "all ledgers"),
        (Scope("checkout"), "checkout"),
        (Scope("checkout", "gpt-5*"), "checkout · gpt-5*"),
        (Scope(None, "gpt-5*"), "all · gpt-5*"),
    ],
)
def test_scopes_are_told_apart(scope: Scope, text: str) -> None:
    assert scope_text(scope) == text


@pytest.mark.parametrize(
    ("used", "text"),
    [
        (0, "░░░░░░░░░░"),
        (1, "▏░░░░░░░░░"),
        (500, "█████░░░░░"),
        (843, "████████▍░"),
        (999, "█████████▉"),
        (1000, "██████████"),
        (5000, "██████████"),
    ],
)
def test_a_bar_is_full_only_if_the_limit_is_reached(used: int, text: str) -> None:
    assert bar(budget(used, 1000), 10).plain == text


@given(st.integers(0, 10**16), st.integers(1, 10**15), st.integers(1, 200))
def test_a_bar_has_its_width(used: int, amount: int, width: int) -> None:
    assert bar(budget(used, amount), width).cell_len == width


@pytest.mark.parametrize(
    ("used", "status"),
    [(799, BudgetStatus.NORMAL), (800, BudgetStatus.WARNING), (900, BudgetStatus.CRITICAL)],
)
def test_a_bar_has_the_colour_of_its_status(used: int, status: BudgetStatus) -> None:
    colour = STYLES[status].removeprefix("bold ")
    assert bar(budget(used, 1000), 10).spans[0].style == colour


def test_status_is_coloured_in_a_terminal() -> None:
    console = Console(width=80, force_terminal=True, color_system="standard", no_color=False)
    with console.capture() as capture:
        console.print(budget_table(MANY, 80))
    assert "\x1b[1;31mCRITICAL" in capture.get()
    assert "\x1b[33mWARNING" in capture.get()


def test_without_colours_the_words_remain() -> None:
    console = Console(width=80, force_terminal=True, color_system="standard", no_color=True)
    with console.capture() as capture:
        console.print(budget_table(MANY, 80))
    assert ("CRITICAL" in capture.get(), "\x1b[3" in capture.get()) == (True, False)


@pytest.mark.parametrize(
    ("of", "line"),
    [
        (
            budget(412_000, 400_000, Scope("support")),
            "CRITICAL  support: 412k of 400k tokens/day (103%), exhausted, resets in 7h 00m",
        ),
        (
            budget(85, 100, unit=Unit.REQUESTS, per_second=0.005),
            ("WARNING   checkout: 85 of 100 requests/day (85%), runs out in 50m, resets in 7h 00m"),
        ),
        (
            budget(95 * USD, 100 * USD, Scope(None, "o3"), Unit.USD, Window.MONTH),
            "CRITICAL  all · o3: $95.00 of $100/month (95%), resets in 7h 00m",
        ),
        (
            budget(8, 10, Scope(), window=Window.MINUTE, per_second=None),
            "WARNING   all projects: 8 of 10 tokens/minute (80%), resets in 60s",
        ),
    ],
)
def test_the_sentence(of: Budget, line: str) -> None:
    assert budget_line(of) == line
