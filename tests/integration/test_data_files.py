"""Data files and retention in real processes: at intervals, at the end, many at once, killed."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from tests.integration.processes import ROOT, environment
from tests.integration.steering import Application, eventually, recorded, totals
from tests.integration.watching import Watcher
from tests.loads import TOKENS, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

OLD_NS = 60 * 86_400 * 1_000_000_000


def tokens(path: Path) -> int:
    """The tokens of a data file; 0 while there is none."""
    if not path.exists():
        return 0
    total: int = json.loads(path.read_bytes())["total"]["total_tokens"]
    return total


def kinds(directory: Path) -> Counter[str]:
    """How many data files of each kind there are; those that are being written begin with a dot."""
    return Counter(path.name.partition("_")[0] for path in directory.glob("[a-z]*_*.json"))


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Callable[..., Watcher]]:
    """Starts processes that log calls and keep house; waits until they watch."""
    made: list[Watcher] = []

    def make(**config: Any) -> Watcher:
        given = {"webhook_url": [], "project": "shop", "monitor_interval": 1, **config}
        made.append(Watcher(tmp_path, 9, **given))
        assert made[-1].answer() == "ready"
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_files_are_written_while_an_application_runs(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    app = watcher()
    app.use(7)
    eventually(lambda: tokens(tmp_path / "project_shop.json") == 7)
    app.use(20)
    eventually(lambda: tokens(tmp_path / "project_shop.json") == 27)
    assert kinds(tmp_path) == {"usage": 1, "monthly": 1, "project": 1}


def test_files_are_written_when_an_application_ends(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    app = watcher(monitor_interval=3600)
    app.use(7)
    assert kinds(tmp_path) == {}
    app.stop()
    assert tokens(tmp_path / "project_shop.json") == 7
    assert kinds(tmp_path) == {"usage": 1, "monthly": 1, "project": 1}


def test_a_child_writes_files_when_it_ends(tmp_path: Path) -> None:
    class Parent(Watcher):
        application = "forking"

    parent = Parent(tmp_path, 9, webhook_url=[], project="shop", monitor_interval=3600)
    try:
        assert parent.answer() == "ready"
        parent.say(["use", 1])
        assert parent.answer() == 0
        parent.say(["os", 20])
        assert parent.answer() == 0
        parent.say(["spawn", 300])
        assert parent.answer() == 0
        assert tokens(tmp_path / "project_shop.json") == 321
        parent.stop()
    finally:
        parent.close()


def test_processes_that_end_at_once_leave_files_with_all_calls(
    watcher: Callable[..., Watcher], tmp_path: Path
) -> None:
    apps = [watcher() for _ in range(3)]
    for number in range(1, 31):
        apps[number % 3].use(number)
    for app in apps:
        assert app.process.stdin is not None
        app.process.stdin.close()
    for app in apps:
        assert app.process.wait(60) == 0
    assert tokens(tmp_path / "project_shop.json") == sum(range(31))
    assert sum(tokens(path) for path in tmp_path.glob("monthly_*.json")) == sum(range(31))


def test_an_application_that_must_not_watch_writes_none(tmp_path: Path) -> None:
    config = tmp_path / "monitor.json"
    config.write_text('{"auto_monitor": false, "monitor_interval": 1}')
    with Application(tmp_path / "data", config=str(config)) as app:
        app.calls(10)
        assert app.stop() == 0
    assert kinds(tmp_path / "data") == {}


def whole(directory: Path) -> int:
    """Read all JSON files; how many there were. A file that is not whole is no JSON."""
    paths = list(directory.glob("*_*.json"))
    read = 0
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # it has just been compressed
        assert json.loads(content)["schema_version"] == 1
        read += 1
    return read


def test_files_are_whole_and_none_is_wrong_whenever_a_process_is_killed(tmp_path: Path) -> None:
    chance = random.Random(4)
    first = read = 0
    for _ in range(12):
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.applications.tidying",
                str(tmp_path),
                str(first),
            ],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            first = int(process.stdout.readline())
            deadline = time.monotonic() + chance.uniform(0, 0.6)
            while time.monotonic() < deadline:
                read += whole(tmp_path)
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read().split()
            first = int(said[-1]) if said else first
        calls, periods, counted = totals(tmp_path / "usage.db")
        assert calls == periods
        assert counted == calls * TOKENS
        # A batch may be in that was not told of.
        first = max(first, calls)
        read += whole(tmp_path)
    assert read > 0
    done = subprocess.run(
        [sys.executable, "-m", "otel_token_monitor", "snapshot", "--data-dir", str(tmp_path)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    everything = totals(tmp_path / "usage.db")[2]
    assert sum(tokens(path) for path in tmp_path.glob("project_*.json")) == everything


def seed_old(directory: Path, number: int) -> None:
    """Calls of two months ago."""
    writer = LedgerWriter(Location.in_directory(directory), max_label_sets=1000)
    old = [record._replace(time_ns=record.time_ns - OLD_NS) for record in records(number)]
    for start in range(0, number, 5000):
        writer.write(Batch(old[start : start + 5000]))
    writer.close()


def old_records(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "usage.db")) as connection:
        before = time.time_ns() - OLD_NS // 2
        (number,) = connection.execute(
            "SELECT count(*) FROM record WHERE time_ns < ?", (before,)
        ).fetchone()
    return int(number)


def test_old_records_are_pruned_while_eight_processes_write(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    seed_old(data, 40_000)
    config = tmp_path / "monitor.json"
    config.write_text('{"monitor_interval": 1, "retention_days": 30}')
    with ExitStack() as stack:
        apps = [stack.enter_context(Application(data, config=str(config))) for _ in range(8)]
        made = 0
        deadline = time.monotonic() + 60
        while old_records(data) or made < 4_000:
            assert time.monotonic() < deadline
            for app in apps:
                app.calls(50)
                made += 50
        assert all(app.flush() for app in apps)
        assert [app.trouble() for app in apps] == [None] * 8
        assert [app.log(level) for app in apps for level in ("WARNING", "ERROR")] == [[]] * 16
        assert [app.stop() for app in apps] == [0] * 8
    everything = 40_000 + made
    assert totals(data / "usage.db") == (everything, everything, everything * TOKENS)
    assert len(recorded(data / "usage.db")) == made
    assert sum(tokens(path) for path in data.glob("project_*.json")) == everything * TOKENS
