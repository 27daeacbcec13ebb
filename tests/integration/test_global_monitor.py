"""Many projects together, in real processes: writers, services, servers, commands."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from otel_token_monitor import GlobalTokenMonitor, TokenMonitorConfig, TokenSyncService
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from tests.integration.processes import ROOT, environment, samples
from tests.integration.receiving import eventually, has_status, receiver
from tests.integration.watching import Watcher, job, serving
from tests.unit.ledger.books import NOW, SECOND, Book, project, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_token_monitor.alerts.notices import Alert
    from otel_token_monitor.usage import Labels, Totals

pytestmark = pytest.mark.integration

QUARTER_NS = 900 * SECOND


class Synchronising(Watcher):
    """One process that brings projects together when it is told to."""

    def __init__(self, directory: Path, *names: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.applications.synchronising"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.say(
            {
                "projects": {name: str(directory / name) for name in names},
                "config": {"global_data_dir": str(directory / "global")},
            }
        )
        assert self.answer() == "ready"


@contextmanager
def ending(*processes: Watcher) -> Iterator[None]:
    try:
        yield
    finally:
        for one in processes:
            one.close()


def config(directory: Path, **settings: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ={}, global_data_dir=str(directory / "global"), **settings)


def service(directory: Path, *names: str, interval: float = 300) -> TokenSyncService:
    projects = {name: directory / name for name in names}
    return TokenSyncService(projects, interval, global_monitor=False, config=config(directory))


def sums(directory: Path) -> dict[Labels, Totals]:
    reader = LedgerReader(Location.in_directory(directory))
    try:
        return reader.totals(0, 2**40)
    finally:
        reader.close()


def tokens(directory: Path) -> int:
    return sum(totals.total_tokens for totals in sums(directory).values())


def long_history(directory: Path, name: str, quarters: int, *, models: int = 1) -> None:
    """The ledger of a project that has made calls for a long time."""
    book = Book.at(directory / name)
    for model in range(models):
        labels = project(name)._replace(model=f"model-{model}")
        nonces = range(model * quarters, (model + 1) * quarters)
        book.write(
            *(
                record(nonce, labels, time_ns=NOW - number * QUARTER_NS)
                for number, nonce in enumerate(nonces)
            )
        )
    book.close()


def test_killed_in_the_middle_of_the_first_synchronisation(tmp_path: Path) -> None:
    long_history(tmp_path, "shop", 20_000)
    expected = sums(tmp_path / "shop")
    reached = [0]
    while True:
        one = Synchronising(tmp_path, "shop")
        with ending(one):
            one.say("round")
            cursor = reached[-1]
            while cursor == reached[-1] and one.process.poll() is None:
                rows = _rows(tmp_path / "global", "SELECT cursor FROM origin")
                cursor = rows[0][0] if rows else 0
            one.kill()
        assert cursor > reached[-1]
        reached.append(cursor)
        if cursor < 20_000:
            # What was committed is there to the token, and no more.
            assert tokens(tmp_path / "global") in {n * 20 for n in range(0, 20_001, 500)}
        if len(reached) > 4:
            break
    assert reached[-1] < 20_000
    (sync,) = service(tmp_path, "shop").sync()
    assert sync.problem is None
    assert sums(tmp_path / "global") == expected
    assert service(tmp_path, "shop").sync()[0].quarters == 0


def _rows(directory: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds; nothing if the ledger is not made yet."""
    try:
        reader = LedgerReader(Location.in_directory(directory))
        try:
            return reader.query(lambda connection: connection.execute(statement).fetchall())
        finally:
            reader.close()
    except Exception as error:
        if type(error).__name__ in {"LedgerMissingError", "LedgerBusyError"}:
            return []
        raise


def test_two_services_while_four_processes_write(tmp_path: Path) -> None:
    settings = {"webhook_url": None, "daily_limit": None}
    writers = [
        Watcher(tmp_path / name, 0, project=name, **settings)
        for name in ("shop", "shop", "search", "search")
    ]
    other = Synchronising(tmp_path, "shop", "search")
    with ending(*writers, other):
        for one in writers:
            assert one.answer() == "ready"
        with service(tmp_path, "shop", "search", interval=0.01):
            for number in range(1, 31):
                for one in writers:
                    one.say(number)
                other.say("round")
                assert [problem for _, _, problem in other.answer()] == [None, None]
            for one in writers:
                for _ in range(30):
                    assert one.answer() is True
        for one in writers:
            one.stop()
        service(tmp_path, "shop", "search").sync()
        assert tokens(tmp_path / "global") == 4 * sum(range(1, 31))
        assert sums(tmp_path / "global") == sums(tmp_path / "shop") | sums(tmp_path / "search")
        other.say("round")
        assert other.answer() == [["shop", 0, None], ["search", 0, None]]
        other.stop()


def test_two_projects_cross_a_limit_together(tmp_path: Path) -> None:
    heard: list[Alert] = []
    with receiver() as server:
        monitor = GlobalTokenMonitor(
            config(
                tmp_path,
                global_daily_limit=1000,
                webhook_url=f"http://127.0.0.1:{server.server_port}/hook",
                auto_report=False,
            )
        )
        monitor.on_alert(heard.append)
        monitor.start_monitoring()
        projects = {name: tmp_path / name for name in ("shop", "search")}
        with TokenSyncService(projects, 0.1, monitor):
            job(tmp_path / "shop", 500, daily_limit=None)
            job(tmp_path / "search", 300, daily_limit=None)
            eventually(lambda: has_status(tmp_path / "global", 1))
            eventually(lambda: len(server.alerts()) == 1)
            job(tmp_path / "shop", 100, daily_limit=None)
            eventually(lambda: has_status(tmp_path / "global", 2))
            eventually(lambda: len(server.alerts()) == 2)
        monitor.stop_monitoring()
        assert server.alerts() == [
            ("global/tokens/day", "warning", "firing"),
            ("global/tokens/day", "critical", "firing"),
        ]
        (first,) = server.got[0]["alerts"]
        assert first["labels"]["scope"] == "global"
        assert (
            "800 of 1,000 tokens used today in all ledgers together (80.0 %)"
            in (first["annotations"]["description"])
        )
    assert [(alert.name, alert.new_status.name) for alert in heard] == [
        ("global/tokens/day", "WARNING"),
        ("global/tokens/day", "CRITICAL"),
    ]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A global ledger of two projects, of whose limit 92 % are used."""
    directory = tmp_path_factory.mktemp("together")
    for name, used in (("shop", 500), ("search", 420)):
        job(directory / name, used, daily_limit=None, project=name)
    projects = {name: directory / name for name in ("shop", "search")}
    with TokenSyncService(projects, config=config(directory, global_daily_limit=1000)):
        eventually(lambda: _known(directory / "global"))
        eventually(lambda: has_status(directory / "global", 2))
    return directory / "global"


def _known(directory: Path) -> bool:
    return bool(_rows(directory, "SELECT 1 FROM budget_state"))


def told(directory: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "otel_token_monitor", *arguments),
            *("--data-dir", str(directory)),
        ],
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_status_of_the_global_ledger(together: Path) -> None:
    # The limits of whoever asks are of another ledger.
    done = told(together, "status", "--json", TOKEN_DAILY_LIMIT="5")
    status = json.loads(done.stdout)
    assert [(one["budget"], one["used"], one["status"]) for one in status["budgets"]] == [
        ("global/tokens/day", 920, "CRITICAL")
    ]
    assert "all ledgers" in told(together, "status").stdout


def test_usage_of_the_global_ledger(together: Path) -> None:
    usage = json.loads(told(together, "usage", "--by", "project", "--json").stdout)
    assert [(row["project"], row["total_tokens"]) for row in usage["usage"]] == [
        ("shop", 500),
        ("search", 420),
    ]


def test_check_of_the_global_ledger(together: Path) -> None:
    assert told(together, "check").returncode == 2


def test_serving_the_global_ledger(together: Path) -> None:
    with serving(together) as server:
        metrics = httpx.get(f"{server.address}/metrics", timeout=60).text
        page = httpx.get(server.address, headers={"accept": "text/html"}, timeout=60).text
    (used,) = samples(metrics, "llm_budget_used")
    assert (used.labels["scope"], used.labels["budget"], used.value) == (
        "global",
        "global/tokens/day",
        920,
    )
    assert [one.value for one in samples(metrics, "llm_budget_status")] == [2]
    assert samples(metrics, "llm_tokens_total") == []
    assert "All ledgers" in page


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the global ledger."""
    path = tmp_path / "global"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.mark.logs_errors
def test_a_disk_that_is_full(tmp_path: Path, small_disk: Path) -> None:
    long_history(tmp_path, "shop", 1000, models=20)
    one = service(tmp_path, "shop")
    try:
        (sync,) = one.sync()
        assert sync.problem is not None
        assert "the disk is full: free some space" in sync.problem
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        (sync,) = one.sync()
        assert sync.problem is None
        assert sums(small_disk) == sums(tmp_path / "shop")
    finally:
        one.global_monitor.token_monitor.stop()


def test_a_process_that_ends_without_stopping(tmp_path: Path) -> None:
    long_history(tmp_path, "shop", 5000)
    script = f"""
from otel_token_monitor import TokenMonitorConfig, TokenSyncService
config = TokenMonitorConfig(environ={{}}, global_data_dir={str(tmp_path / "global")!r})
TokenSyncService({{"shop": {str(tmp_path / "shop")!r}}}, config=config).start_sync()
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    service(tmp_path, "shop").sync()
    assert tokens(tmp_path / "global") == 5000 * 20
