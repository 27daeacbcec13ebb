"""Alerts of real processes on one ledger, delivered to a real HTTP server."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.receiving import eventually, has_status, ledger, logged, receiver
from tests.integration.watching import LIMIT, Watcher, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

pytestmark = pytest.mark.integration


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Callable[..., Watcher]]:
    """Starts processes on one ledger, and waits until they watch; ends them in the end."""
    made: list[Watcher] = []

    def make(port: int, *, ready: bool = True, **config: Any) -> Watcher:
        made.append(Watcher(tmp_path, port, **config))
        if ready:
            assert made[-1].answer() == "ready"
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the alert log."""
    path = tmp_path / "logs"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def test_eight_processes_that_cross_at_once_alert_once(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    with receiver() as server:
        limits = {"requests_per_day_limit": 20, "monthly_limit": 2 * LIMIT}
        crowd = [watcher(server.server_port, ready=False, **limits) for _ in range(8)]
        for one in crowd:
            assert one.answer() == "ready"
        # 84 %, then 92 % of the day; 8, then 16 requests of 20.
        for tokens, status in ((10_500, 1), (1_000, 2)):
            for one in crowd:
                one.say(tokens)
            for one in crowd:
                assert one.answer() is True
            eventually(partial(has_status, tmp_path, status))
        for one in crowd:
            one.stop()
        assert sorted(server.alerts()) == [
            ("ledger/requests/day", "warning", "firing"),
            ("ledger/tokens/day", "critical", "firing"),
            ("ledger/tokens/day", "warning", "firing"),
        ]
        assert sorted(logged(tmp_path)) == [
            ("ledger/requests/day", "WARNING"),
            ("ledger/tokens/day", "CRITICAL"),
            ("ledger/tokens/day", "WARNING"),
        ]


def test_a_server_that_was_down_gets_the_alert_once(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    port = free_port()
    crowd = [watcher(port) for _ in range(3)]
    crowd[0].use(LIMIT)
    eventually(lambda: ledger(tmp_path, "SELECT 1 FROM delivery WHERE attempts > 0"))
    with receiver(port) as server:
        eventually(server.alerts)
        eventually(lambda: ledger(tmp_path, "SELECT count(*) FROM delivery") == [(0,)])
        for one in crowd:
            one.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]
    assert logged(tmp_path) == [("ledger/tokens/day", "CRITICAL")]


def test_an_alert_outlives_its_process(watcher: Callable[..., Watcher], tmp_path: Path) -> None:
    port = free_port()
    first = watcher(port)
    first.use(LIMIT)
    eventually(lambda: ledger(tmp_path, "SELECT 1 FROM delivery WHERE attempts > 0"))
    first.kill()
    with receiver(port) as server:
        second = watcher(port)
        eventually(server.alerts)
        second.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]


def test_a_process_killed_in_the_midst_of_a_delivery_costs_a_second_one(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    with receiver() as server:
        server.answering.clear()
        first = watcher(server.server_port)
        first.use(LIMIT)
        eventually(server.alerts)
        first.kill()
        server.answering.set()
        # A minute later:
        ledger(tmp_path, "UPDATE delivery SET leased_ns = 1 WHERE leased_ns > 0")
        second = watcher(server.server_port)
        eventually(lambda: ledger(tmp_path, "SELECT count(*) FROM delivery") == [(0,)])
        second.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")] * 2


def test_a_short_job_delivers_before_it_ends(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    with receiver() as server:
        job = watcher(server.server_port)
        job.use(LIMIT)
        job.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]
    assert logged(tmp_path) == [("ledger/tokens/day", "CRITICAL")]


def test_a_process_that_knows_the_address_delivers_for_one_that_does_not(
    watcher: Callable[..., Watcher],
) -> None:
    with receiver() as server:
        watcher(server.server_port)
        job = watcher(server.server_port, webhook_url=None)
        job.use(LIMIT)
        job.stop()
        eventually(server.alerts)
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]


@pytest.mark.skipif(os.getuid() != 0, reason="mounts")
def test_a_log_whose_disk_is_full_is_written_once_there_is_space(
    tmp_path: Path, small_disk: Path, watcher: Callable[..., Watcher]
) -> None:
    with receiver() as server:
        one = watcher(server.server_port)
        ballast = small_disk / "ballast"
        with suppress(OSError):
            ballast.write_bytes(bytes(100_000))
        one.use(LIMIT)
        eventually(
            lambda: ledger(tmp_path, "SELECT 1 FROM delivery WHERE target = 'log' AND attempts > 0")
        )
        # Others are not held up.
        eventually(server.alerts)
        ballast.unlink()
        eventually(lambda: logged(tmp_path))
        one.stop()
        assert server.alerts() == [("ledger/tokens/day", "critical", "firing")]
    assert logged(tmp_path) == [("ledger/tokens/day", "CRITICAL")]
