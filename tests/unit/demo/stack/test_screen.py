"""What is told on a pipe and in a terminal of 80 columns."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from otel_token_monitor.budgets.limits import BudgetStatus, Limit, Scope, Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.demo.stack.course import Course, Link, Other, Step
from otel_token_monitor.demo.stack.screen import Addresses, Screen

WARNING, CRITICAL = BudgetStatus.WARNING, BudgetStatus.CRITICAL
ADDRESSES = Addresses(
    data_dir=Path("/tmp/of-it/ledger"),  # noqa: S108 - only shown
    monitor=("127.0.0.1", 65535),
    prometheus="http://127.0.0.1:65534",
    alertmanager="http://127.0.0.1:65533",
)
LIMIT = Limit(scope=Scope("checkout"), unit=Unit.TOKENS, window=Window.DAY, amount=1_400_000)


class Told:
    """A screen on a pipe, and what it has told."""

    def __init__(self) -> None:
        self._file = StringIO()
        console = Console(file=self._file, width=80, highlight=False)
        course = Course({WARNING: 0.8, CRITICAL: 0.9})
        self.screen = Screen(console, ADDRESSES, course, began=100.0)

    @property
    def lines(self) -> list[str]:
        return self._file.getvalue().splitlines()

    def tell_all(self, *statuses: BudgetStatus) -> None:
        for status in statuses:
            for link in Link:
                self.screen.tell(Step(109.0 + 10 * link, status, link))


@pytest.fixture
def told() -> Told:
    return Told()


def test_it_begins_with_the_addresses(told: Told) -> None:
    with told.screen as screen:
        screen.introduce(LIMIT, 1_106_000)
    assert told.lines == [
        "page          http://127.0.0.1:65535/",
        "metrics       http://127.0.0.1:65535/metrics",
        "Prometheus    http://127.0.0.1:65534/alerts",
        "Alertmanager  http://127.0.0.1:65533/",
        "",
        "checkout may use 1,400,000 tokens a day; 79% is used. Ctrl-C ends.",
        "",
    ]


def test_each_step_is_a_line_with_its_time(told: Told) -> None:
    told.tell_all(WARNING)
    told.tell_all(WARNING)
    assert told.lines == [
        "0:09  WARNING   80% of the budget is used",
        "0:19  WARNING   fires in Prometheus, 10 s later",
        "0:29  WARNING   arrived at /alerts, 20 s after 80%",
    ]


def test_other_alerts_are_told_too(told: Told) -> None:
    told.screen.tell(Other(161.0, "LLMTestAlert is firing (info)"))
    assert told.lines == ["1:01  also arrived: LLMTestAlert is firing (info)"]


def test_once_both_have_arrived_it_says_once_what_to_look_at(told: Told) -> None:
    told.tell_all(WARNING, CRITICAL)
    told.tell_all(CRITICAL)
    assert told.lines[6:] == [
        "",
        "Both have arrived. Look at",
        "  http://127.0.0.1:65534/alerts",
        "      LLMBudgetUsed, which fires for both",
        "  http://127.0.0.1:65533/#/alerts?inhibited=true",
        "      CRITICAL, and WARNING, which it inhibits: nobody is told again",
        "  http://127.0.0.1:65534/graph?g0.tab=0&g0.expr=budget%3Allm_budget_used%3Aratio",
        "      the recorded share of each budget",
        f"  {ADDRESSES.doctor}",
        "      the whole chain in one screen; --test-alert sends an alert all the way",
        "Ctrl-C ends.",
        "",
    ]


def test_its_end_tells_whether_a_warning_has_arrived(told: Told) -> None:
    assert not told.screen.end()
    assert told.lines == ["No WARNING has arrived: the budget has not reached 80%."]
    told.tell_all(WARNING)
    assert told.screen.end()


def test_a_pipe_is_told_no_share(told: Told) -> None:
    with told.screen as screen:
        screen.introduce(LIMIT, 0)
        before = told.lines
        screen.show(0.791)
        assert told.lines == before


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.791, "79.1% is used"), (None, "the ledger cannot be read")],
)
def test_a_terminal_shows_the_share_as_it_is_now(share: float | None, shown: str) -> None:
    file = StringIO()
    console = Console(file=file, width=80, force_terminal=True)
    with Screen(console, ADDRESSES, Course({}), began=100.0) as screen:
        screen.introduce(LIMIT, 0)
        screen.show(share)
    assert shown in file.getvalue()


def test_the_doctor_is_told_addresses_that_are_unusual() -> None:
    assert ADDRESSES.doctor == (
        "otel-token-monitor doctor --data-dir /tmp/of-it/ledger "
        "--metrics http://127.0.0.1:65535 --prometheus http://127.0.0.1:65534"
    )


def test_the_usual_addresses_need_not_be_given() -> None:
    usual = Addresses(
        data_dir=Path("ledger"),
        monitor=("127.0.0.1", 9464),
        prometheus="http://127.0.0.1:9090",
        alertmanager="http://127.0.0.1:65533",
    )
    assert usual.doctor == "otel-token-monitor doctor --data-dir ledger"
