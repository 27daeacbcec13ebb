"""The thread that watches: it starts, looks at once, ends, and begins anew in a forked child."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.alerts.channels import DeliveryError
from otel_token_monitor.alerts.watch import BudgetWatch
from tests.forking import ends_well
from tests.unit.alerts.scenes import MIDNIGHT, limit
from tests.unit.ledger.books import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_token_monitor.alerts.notices import Alert
    from tests.unit.alerts.scenes import Scene

    Make = Callable[..., Scene]


@pytest.fixture
def one(scene: Make) -> Scene:
    return scene(limit(10_000))


@pytest.fixture
def watch(one: Scene) -> Iterator[BudgetWatch]:
    made = BudgetWatch(one.access, one.settings, clock=one.clock)
    yield made
    made.stop()


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def threads() -> int:
    return sum(thread.name == "otel-token-monitor-alerts" for thread in threading.enumerate())


def test_it_looks_at_the_start(one: Scene, watch: BudgetWatch) -> None:
    one.use(9_500)
    watch.start()
    eventually(one.sink.alerts)
    assert one.sink.alerts() == [("critical", "firing", "ledger/tokens/day")]


def test_it_looks_once_calls_were_written(one: Scene, watch: BudgetWatch) -> None:
    watch.start()
    one.use(8_500)
    watch.on_written()
    eventually(one.sink.alerts)
    one.use(1_000)
    watch.on_written()
    eventually(lambda: len(one.sink.alerts()) == 2)


def test_it_looks_when_a_window_ends(one: Scene, watch: BudgetWatch) -> None:
    one.clock.now = MIDNIGHT + DAY - 300_000_000
    one.use(9_500)
    watch.start()
    eventually(one.sink.alerts)
    one.clock.now = MIDNIGHT + DAY
    eventually(lambda: len(one.sink.alerts()) == 2)


def test_starting_and_stopping_twice_is_as_once(one: Scene, watch: BudgetWatch) -> None:
    assert not watch.running
    watch.start()
    watch.start()
    assert (watch.running, threads()) == (True, 1)
    assert watch.stop()
    assert watch.stop()
    assert (watch.running, threads()) == (False, 0)
    one.use(9_500)
    watch.start()
    eventually(one.sink.alerts)


def test_it_looks_once_more_at_the_end(one: Scene, watch: BudgetWatch) -> None:
    watch.start()
    eventually(lambda: one.rows("SELECT 1 FROM alert_target"))
    one.use(9_500)
    watch.on_written()
    watch.stop()
    assert one.sink.alerts() == [("critical", "firing", "ledger/tokens/day")]


def test_what_cannot_be_delivered_at_the_end_stays_in_the_ledger(
    one: Scene, watch: BudgetWatch
) -> None:
    one.sink.failures = [DeliveryError("down")]
    one.use(9_500)
    watch.start()
    watch.stop()
    assert one.rows("SELECT target, attempts FROM delivery") == [(one.sink.target, 1)]


def test_a_callback_may_stop_it(one: Scene, watch: BudgetWatch) -> None:
    stopped: list[bool] = []
    watch.on_alert(lambda _alert: stopped.append(watch.stop()))
    one.use(9_500)
    watch.start()
    eventually(lambda: stopped)
    eventually(lambda: not threads())
    assert (stopped, watch.running) == ([True], False)


def test_a_forked_child_watches_from_its_first_calls_on(one: Scene, watch: BudgetWatch) -> None:
    watch.start()
    eventually(lambda: one.rows("SELECT 1 FROM alert_target"))
    with one.access.lock:
        one.book.close()

        def child() -> bool:
            one.access.lock = threading.Lock()
            watch.forget_after_fork()
            quiet = threads()
            one.use(9_500)
            watch.on_written()
            eventually(one.sink.alerts)
            return (quiet, threads(), watch.running) == (0, 1, True)

        assert ends_well(child)


def test_a_time_zone_that_this_machine_does_not_know_is_told_once(
    scene: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one = scene(limit(10_000), timezone="Mars/Olympus")
    watch = BudgetWatch(one.access, one.settings, clock=one.clock)
    watch.start()
    eventually(lambda: caplog.messages)
    watch.on_written()
    watch.stop()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            (
                "budgets are not watched: this machine does not know the time zone 'Mars/Olympus' "
                "that the ledger goes by: pip install --upgrade tzdata"
            ),
        )
    ]


@pytest.mark.logs_errors
def test_a_fault_of_ours_is_logged_once_and_watching_goes_on(
    watch: BudgetWatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked: list[int] = []

    def look() -> None:
        looked.append(len(looked))
        raise ZeroDivisionError

    watch._rounds.look = look  # type: ignore[method-assign]
    watch.start()
    for number in (1, 2):
        eventually(lambda number=number: len(looked) >= number)  # type: ignore[misc]
        watch.on_written()
    errors = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    assert [entry.getMessage() for entry in errors] == [
        "otel_token_monitor: a look at the budgets failed"
    ]


def test_calls_that_are_written_during_a_look_are_looked_at_soon(
    one: Scene, watch: BudgetWatch
) -> None:
    def use_more(alert: Alert) -> None:
        if alert.new_status.name == "WARNING":
            one.use(1_000)
            watch.on_written()

    watch.on_alert(use_more)
    one.use(8_500)
    watch.start()
    eventually(lambda: len(one.sink.alerts()) == 2)
