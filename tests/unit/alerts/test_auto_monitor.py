"""AutoTokenMonitor: watching on request, and verdicts."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from otel_token_monitor import TokenMonitor, TokenMonitorConfig
from otel_token_monitor.alerts.receiver import MalformedPayloadError
from otel_token_monitor.alerts.verdict import BudgetExceededError
from otel_token_monitor.auto_token_monitor import AutoTokenMonitor
from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.errors import LedgerCorruptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from otel_token_monitor.alerts.notices import Alert

    Make = Callable[..., AutoTokenMonitor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes monitors of one ledger; stops them in the end."""
    made: list[AutoTokenMonitor] = []

    def make_one(**config: Any) -> AutoTokenMonitor:
        settings = {"data_dir": tmp_path, "serve": False, **config}
        monitor = TokenMonitor(
            TokenMonitorConfig(environ={}, **settings), registry=CollectorRegistry()
        )
        made.append(AutoTokenMonitor(monitor))
        return made[-1]

    yield make_one
    for auto in made:
        auto.stop_monitoring()
        auto.token_monitor.stop()


def use(auto: AutoTokenMonitor, tokens: int, project: str = "shop") -> None:
    monitor = auto.token_monitor
    monitor.log_usage(monitor.create_usage_record("gpt-5-mini", tokens, 0, project_id=project))
    assert monitor.force_flush()


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_without_limits_all_is_well(make: Make) -> None:
    auto = make()
    use(auto, 1_000)
    verdict = auto.check()
    assert (verdict.status, verdict.budgets, verdict.ok) == (BudgetStatus.NORMAL, (), True)


def test_a_verdict_has_the_worst_status(make: Make) -> None:
    auto = make(daily_limit=10_000, monthly_limit=11_000)
    use(auto, 9_000)
    verdict = auto.check(fail_on=None)
    assert (verdict.status, verdict.ok) == (BudgetStatus.CRITICAL, False)
    assert {str(budget.limit.window): budget.status.name for budget in verdict.budgets} == {
        "day": "CRITICAL",
        "month": "WARNING",
    }


@pytest.mark.parametrize(
    ("tokens", "fail_on", "fails"),
    [
        (7_999, "warning", False),
        (8_000, "warning", True),
        (8_999, "critical", False),
        (9_000, "CRITICAL", True),
        (9_000, BudgetStatus.WARNING, True),
    ],
)
def test_check_fails_from_the_status_that_was_asked_for(
    make: Make, tokens: int, fail_on: str, fails: bool
) -> None:
    auto = make(daily_limit=10_000)
    use(auto, tokens)
    if fails:
        with pytest.raises(BudgetExceededError):
            auto.check(fail_on=fail_on)
    else:
        auto.check(fail_on=fail_on)


def test_the_error_names_the_budget_and_when_it_resets(make: Make) -> None:
    auto = make(projects={"shop": {"daily_limit": 10_000}})
    use(auto, 9_500)
    with pytest.raises(
        BudgetExceededError,
        match=r"^budget project:shop/tokens/day is CRITICAL: 9,500 of 10,000 used; wait until it "
        r"resets \d{4}-\d\d-\d\d 00:00:00 UTC, or raise the limit$",
    ) as raised:
        auto.check("shop", fail_on="critical")
    assert raised.value.budget.used == 9_500


def test_a_project_is_not_stopped_by_the_budget_of_another(make: Make) -> None:
    auto = make(
        projects={"shop": {"daily_limit": 10_000}, "search": {"daily_limit": 10_000}},
        monthly_limit=1_000_000,
    )
    use(auto, 9_500)
    verdict = auto.check("search", fail_on="critical")
    assert [budget.limit.budget for budget in verdict.budgets] == [
        "ledger/tokens/month",
        "project:search/tokens/day",
    ]


def test_another_word_to_fail_on_is_refused(make: Make) -> None:
    with pytest.raises(
        ValueError, match=r"^fail_on: 'normal' is neither 'warning' nor 'critical'$"
    ):
        make().check(fail_on="normal")


@pytest.mark.logs_errors
def test_a_ledger_that_cannot_be_read_stops_nobody(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    auto = make(data_dir=tmp_path / "file", daily_limit=1)
    verdict = auto.check(fail_on="warning")
    assert (verdict.status, verdict.ok, verdict.budgets) == (None, True, ())


def test_callbacks_hear_of_a_transition(make: Make) -> None:
    auto = make(daily_limit=10_000)
    heard: list[Alert] = []

    @auto.on_alert
    def hear(alert: Alert) -> None:
        heard.append(alert)

    auto.start_monitoring()
    assert auto.running
    use(auto, 9_500)
    eventually(lambda: heard)
    assert callable(hear)
    (alert,) = heard
    assert alert.budget is not None
    assert (alert.name, alert.old_status.name, alert.new_status.name, alert.budget.used) == (
        "ledger/tokens/day",
        "NORMAL",
        "CRITICAL",
        9_500,
    )


def test_the_end_brings_alerts_to_the_log(make: Make, tmp_path: Path) -> None:
    auto = make(daily_limit=10_000, auto_report=False)
    auto.start_monitoring()
    use(auto, 9_500)
    auto.stop_monitoring()
    assert not auto.running
    (path,) = (tmp_path / "logs").iterdir()
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["new_status"] == "CRITICAL"


def test_a_ledger_in_memory_is_watched_too(make: Make) -> None:
    auto = make(data_dir=":memory:", daily_limit=10_000)
    heard: list[Alert] = []
    auto.on_alert(heard.append)
    auto.start_monitoring()
    use(auto, 9_500)
    eventually(lambda: heard)
    assert [alert.new_status for alert in heard] == [BudgetStatus.CRITICAL]


def test_what_others_send_is_counted_by_its_fate(make: Make) -> None:
    auto = make()
    auto.token_monitor.force_flush()
    alert = {"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-09-21T14:13:20Z"}
    body = json.dumps({"alerts": [alert, alert]}).encode()
    assert auto.receive(body) == {"forwarded": 1, "known": 1}
    with pytest.raises(MalformedPayloadError, match=r"^the body is no JSON document$"):
        auto.receive(b"")


def test_whoever_watches_hears_when_limits_begin_to_hold(make: Make) -> None:
    monitor = make(daily_limit=10_000).token_monitor
    heard: list[bool] = []
    monitor.ledger.listen(lambda: heard.append(True))
    monitor.declare_limits()
    assert monitor.force_flush()
    # No call was written.
    assert heard == [True]


@pytest.mark.logs_errors
def test_a_damaged_ledger_that_the_watch_finds_first_is_told_of(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "usage.db").write_bytes(b"dear diary, " * 1000)
    ledger = make().token_monitor.ledger
    with pytest.raises(LedgerCorruptError) as raised:
        ledger.change(alert_book.read_states)
    (aside,) = tmp_path.glob("usage.db.corrupt-*")
    assert f"it was set aside as {aside}" in str(raised.value)
    assert [record.getMessage() for record in caplog.records] == [
        f"{raised.value}. Counting goes on in memory until then."
    ]
    assert ledger.change(alert_book.read_states) == {}
