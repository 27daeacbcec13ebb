"""Keeping house: files, what is too old, and the thread that does it."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from otel_token_monitor import TokenMonitor, TokenMonitorConfig
from otel_token_monitor import housekeeping as module
from otel_token_monitor.auto_token_monitor import AutoTokenMonitor
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.housekeeping import (
    Housekeeping,
    HousekeepingSettings,
    HousekeepingThread,
)
from otel_token_monitor.ledger.errors import LedgerBusyError
from otel_token_monitor.snapshots.files import Turn
from otel_token_monitor.views.report import take_report
from otel_token_monitor.views.scrape import take_scrape
from tests.forking import ends_well
from tests.unit.ledger.books import SECOND, Clock
from tests.unit.snapshots.ledgers import SEOUL, Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = "2026-11-24T12:00:00+09:00"
OLD = "2026-08-20T12:00:00+09:00"
LONG = 3600.0


def never() -> bool:
    return False


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def settings(desk: Desk, **changed: Any) -> HousekeepingSettings:
    return HousekeepingSettings(**{"directory": desk.directory, "policy": SEOUL, **changed})


def keep_house(desk: Desk, **changed: Any) -> bool:
    return Housekeeping(desk.access, settings(desk, **changed)).round(desk.now_ns, never)


def records(desk: Desk) -> list[int]:
    """The tokens of the single records that are there."""
    return desk.book.reader.query(
        lambda connection: [
            row[0] for row in connection.execute("SELECT input FROM record ORDER BY time_ns")
        ]
    )


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def threads() -> int:
    return sum(thread.name == "otel-token-monitor-files" for thread in threading.enumerate())


# One round.


def test_a_round_writes_files_and_tidies_up(desk: Desk) -> None:
    desk.use(1, NOON)
    desk.use(20, "2026-11-01T12:00:00+09:00")
    (desk.directory / "usage_2020-01-01.json").write_text("{}")
    assert keep_house(desk, compress=True)
    assert desk.names() == {
        "usage_2026-11-01.json.gz",
        "usage_2026-11-24.json",
        "monthly_2026-11.json",
        "project_shop.json",
    }


def test_single_records_are_kept_from_a_midnight_of_the_time_zone_on(desk: Desk) -> None:
    desk.use(1, "2026-08-25T23:59:59+09:00")
    desk.use(20, "2026-08-26T00:00:00+09:00")
    desk.use(300, NOON)
    assert keep_house(desk)
    assert records(desk) == [20, 300]


def test_no_figure_changes_when_records_are_pruned(desk: Desk) -> None:
    for day in range(1, 25):
        desk.use(day, f"2026-11-{day:02}T12:00:00+09:00", f"p{day % 3}", cost_nanousd=day)
    reader = desk.book.reader

    def shown() -> tuple[Any, ...]:
        scrape = take_scrape(reader, SEOUL, desk.now_ns)
        report = take_report(reader, SEOUL, desk.now_ns, hours=True)
        return scrape, report.document(), report.hours, reader.totals(0, 2**40)

    before = shown()
    assert keep_house(desk, retention_days=5)
    assert len(records(desk)) == 6
    assert shown() == before


def test_records_are_pruned_in_small_steps(desk: Desk) -> None:
    for number in range(25):
        desk.use(number, OLD)
    house = Housekeeping(desk.access, settings(desk))
    changes = []
    change = desk.access.change

    def noting(action: Callable[[Any], Any], /) -> Any:
        result = change(action)
        changes.append(result)
        return result

    desk.access.change = noting  # type: ignore[method-assign]
    house.round(desk.now_ns, never)
    assert changes[-1] == 25
    assert house.round(desk.now_ns, never)
    # Where there is nothing old, the ledger is not locked.
    assert changes[-1] == 25
    assert records(desk) == []


def test_a_round_that_is_over_prunes_no_more(desk: Desk) -> None:
    desk.use(1, OLD)
    house = Housekeeping(desk.access, settings(desk))
    assert not house.round(desk.now_ns, lambda: True)
    assert records(desk) == [1]


@pytest.mark.parametrize(
    ("last", "setting"), [(False, "_PRUNING_SECONDS"), (True, "_LAST_PRUNING_SECONDS")]
)
def test_what_was_not_pruned_in_time_is_left_to_the_next_round(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, last: bool, setting: str
) -> None:
    desk.use(1, OLD)
    house = Housekeeping(desk.access, settings(desk))
    with monkeypatch.context() as hurried:
        hurried.setattr(module, setting, 0.0)
        assert not house.round(desk.now_ns, never, last=last)
    assert records(desk) == [1]
    assert house.round(desk.now_ns, never, last=last)
    assert records(desk) == []


def test_a_busy_ledger_is_left_alone_until_the_next_round(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.use(1, OLD)
    house = Housekeeping(desk.access, settings(desk))
    change = desk.access.change

    def busy(_action: Callable[[Any], Any], /) -> Any:
        raise LedgerBusyError("busy")

    desk.access.change = busy  # type: ignore[method-assign]
    assert not house.round(desk.now_ns, never)
    desk.access.change = change  # type: ignore[method-assign]
    assert house.round(desk.now_ns, never)
    assert records(desk) == []
    assert caplog.messages == []


def test_a_fault_is_told_once_until_it_is_gone(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    house = Housekeeping(desk.access, settings(desk))
    hurdle = desk.directory / "monthly_2026-11.json"
    said = (
        f"data files cannot be written: {hurdle}: Is a directory; it is tried again",
        logging.WARNING,
    )
    for expected in ([said], [said, said]):
        hurdle.mkdir()
        desk.use(1, NOON)
        assert not house.round(desk.now_ns, never)
        assert not house.round(desk.now_ns, never)
        found = [(record.getMessage(), record.levelno) for record in caplog.records]
        assert found == expected
        hurdle.rmdir()
        assert house.round(desk.now_ns, never)
        (desk.directory / "monthly_2026-11.json").unlink()


def test_a_fault_of_the_files_does_not_keep_records(desk: Desk) -> None:
    (desk.directory / "project_shop.json").mkdir()
    desk.use(1, OLD)
    assert not keep_house(desk)
    assert records(desk) == []


def test_a_time_zone_that_this_machine_does_not_know_is_told(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.use(1, NOON)
    assert not keep_house(desk, policy=Policy(timezone="Mars/Olympus"))
    said = (
        "data files are not written: this machine does not know the time zone 'Mars/Olympus' that "
        "the ledger goes by: pip install --upgrade tzdata"
    )
    assert caplog.messages == [said]


# The thread.


@pytest.fixture
def thread(desk: Desk) -> Iterator[HousekeepingThread]:
    made = HousekeepingThread(desk.access, settings(desk, interval=LONG), clock=Clock(desk.now_ns))
    yield made
    made.stop()


def use(desk: Desk, thread: HousekeepingThread, tokens: int) -> None:
    with desk.access.lock:
        desk.use(tokens, NOON)
    thread.on_written()


def test_it_begins_with_the_first_calls(desk: Desk, thread: HousekeepingThread) -> None:
    thread.on_written()
    assert (thread.running, threads()) == (False, 0)
    thread.start()
    assert (thread.running, threads()) == (True, 0)
    use(desk, thread, 1)
    use(desk, thread, 1)
    assert threads() == 1


def test_it_keeps_house_at_each_interval(desk: Desk) -> None:
    thread = HousekeepingThread(
        desk.access, settings(desk, interval=0.01), clock=Clock(desk.now_ns)
    )
    thread.start()
    use(desk, thread, 1)
    eventually(lambda: "usage_2026-11-24.json" in desk.names())
    use(desk, thread, 20)
    eventually(lambda: desk.tokens("usage_2026-11-24.json") == 21)
    assert thread.stop()
    assert threads() == 0


def test_it_keeps_house_once_more_at_the_end(desk: Desk, thread: HousekeepingThread) -> None:
    thread.start()
    use(desk, thread, 1)
    assert desk.names() == set()
    assert thread.stop()
    assert desk.tokens("usage_2026-11-24.json") == 1
    assert (thread.running, threads()) == (False, 0)


def test_without_calls_it_does_nothing_at_the_end(desk: Desk, thread: HousekeepingThread) -> None:
    desk.use(1, NOON)
    thread.start()
    assert thread.stop()
    assert thread.stop()
    assert desk.names() == set()


def test_it_may_be_started_again(desk: Desk, thread: HousekeepingThread) -> None:
    thread.start()
    use(desk, thread, 1)
    thread.stop()
    thread.start()
    use(desk, thread, 20)
    thread.stop()
    assert desk.tokens("usage_2026-11-24.json") == 21


def test_a_day_that_passes_without_calls_is_kept_house_for(desk: Desk) -> None:
    clock = Clock(desk.now_ns)
    house = settings(desk, interval=0.01, retention_days=1)
    thread = HousekeepingThread(desk.access, house, clock=clock)
    thread.start()
    use(desk, thread, 1)
    eventually(lambda: "usage_2026-11-24.json" in desk.names())
    clock.now += 2 * round(timedelta(days=1).total_seconds()) * SECOND
    eventually(lambda: "usage_2026-11-24.json" not in desk.names())
    with desk.access.lock:
        assert records(desk) == []
    thread.stop()


def test_what_could_not_be_done_is_tried_at_the_next_interval(desk: Desk) -> None:
    thread = HousekeepingThread(
        desk.access, settings(desk, interval=0.01), clock=Clock(desk.now_ns)
    )
    hurdle = desk.directory / "usage_2026-11-24.json"
    hurdle.mkdir()
    thread.start()
    use(desk, thread, 1)
    eventually(lambda: "project_shop.json" in desk.names())
    hurdle.rmdir()
    eventually(hurdle.is_file)
    thread.stop()


def test_where_another_is_at_it_the_next_round_writes(desk: Desk) -> None:
    desk.use(1, NOON)
    house = Housekeeping(desk.access, settings(desk))
    with Turn(desk.directory).taken():
        assert not house.round(desk.now_ns, never)
    assert desk.names() == set()
    assert house.round(desk.now_ns, never)
    assert len(desk.names()) == 3


def test_the_last_round_waits_a_moment_for_another_who_is_at_it(desk: Desk) -> None:
    desk.use(1, NOON)
    house = Housekeeping(desk.access, settings(desk))
    results: list[bool] = []
    ended = threading.Thread(
        target=lambda: results.append(house.round(desk.now_ns, never, last=True))
    )
    with Turn(desk.directory).taken():
        ended.start()
    ended.join()
    assert results == [True]
    assert len(desk.names()) == 3


def test_a_forked_child_keeps_house_from_its_first_calls_on(
    desk: Desk, thread: HousekeepingThread
) -> None:
    thread.start()
    use(desk, thread, 1)
    with desk.access.lock:
        desk.book.close()

        def child() -> bool:
            desk.access.lock = threading.Lock()
            thread.forget_after_fork()
            quiet = threads()
            use(desk, thread, 20)
            loud = threads()
            thread.stop()
            return (quiet, loud, desk.tokens("usage_2026-11-24.json")) == (0, 1, 21)

        assert ends_well(child)


@pytest.mark.logs_errors
def test_a_fault_of_ours_is_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_question: Callable[[Any], Any], /) -> Any:
        raise RuntimeError("a bug")

    desk.access.ask = broken  # type: ignore[method-assign]
    thread = HousekeepingThread(desk.access, settings(desk, interval=0.01))
    thread.start()
    thread.on_written()
    eventually(lambda: caplog.messages)
    thread.stop()
    assert caplog.messages == ["otel_token_monitor: data files could not be written"]


# AutoTokenMonitor has one.


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., AutoTokenMonitor]]:
    """Makes monitors of one ledger; stops them in the end."""
    made: list[AutoTokenMonitor] = []

    def make_one(**config: Any) -> AutoTokenMonitor:
        given = {"data_dir": tmp_path, "serve": False, "timezone": "Asia/Seoul", **config}
        monitor = TokenMonitor(
            TokenMonitorConfig(environ={}, **given), registry=CollectorRegistry()
        )
        made.append(AutoTokenMonitor(monitor))
        return made[-1]

    yield make_one
    for auto in made:
        auto.stop_monitoring()
        auto.token_monitor.stop()


def log(auto: AutoTokenMonitor, tokens: int) -> None:
    monitor = auto.token_monitor
    monitor.log_usage(monitor.create_usage_record("gpt-5-mini", tokens, 0, project_id="shop"))
    assert monitor.force_flush()


def project_tokens(directory: Path) -> int:
    tokens: int = json.loads((directory / "project_shop.json").read_text())["total"]["total_tokens"]
    return tokens


def test_a_monitor_writes_files_when_it_stops(
    make: Callable[..., AutoTokenMonitor], tmp_path: Path
) -> None:
    auto = make()
    auto.start_monitoring()
    log(auto, 7)
    assert threads() == 1
    auto.stop_monitoring()
    assert threads() == 0
    assert project_tokens(tmp_path) == 7
    found = json.loads((tmp_path / "project_shop.json").read_text())
    assert found["timezone"] == "Asia/Seoul"


def test_what_was_counted_before_it_watches_is_in_the_files_of_the_next_calls(
    make: Callable[..., AutoTokenMonitor], tmp_path: Path
) -> None:
    auto = make()
    log(auto, 7)
    auto.start_monitoring()
    log(auto, 20)
    auto.stop_monitoring()
    assert project_tokens(tmp_path) == 27


def test_a_monitor_that_does_not_watch_writes_no_file(
    make: Callable[..., AutoTokenMonitor], tmp_path: Path
) -> None:
    auto = make()
    log(auto, 7)
    auto.finish()
    assert [path.name for path in tmp_path.glob("*.json")] == ["config.json"]
    assert threads() == 0


def test_a_ledger_in_memory_has_no_files(
    make: Callable[..., AutoTokenMonitor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    auto = make(data_dir=":memory:")
    auto.start_monitoring()
    log(auto, 7)
    assert threads() == 0
    auto.stop_monitoring()
    assert list(tmp_path.iterdir()) == []
