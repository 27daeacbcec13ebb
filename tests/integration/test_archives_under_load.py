"""Exports and imports while others write: nothing is lost, doubled, or half there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.ledger.pruning import prune
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.usage import QUARTER_SECONDS
from tests.integration.applications.writing import BATCH
from tests.integration.archived import (
    FORMATS,
    Exported,
    command,
    history,
    history_days,
    read,
    seed,
    started,
)
from tests.integration.processes import ROOT, environment
from tests.integration.steering import recorded, totals
from tests.loads import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

WORKERS = 8
IMPORTED = 100_000
EVER_NS = 2**62


class Writers:
    """Eight processes that write to a ledger until `stop`."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.integration.applications.writing"),
                *(data_dir, str(WORKERS)),
            ],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def stop(self) -> list[int]:
        """End them; how many calls each made. None had any trouble to log."""
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        told = json.loads(out)
        assert [lines for _, lines in told] == [[]] * WORKERS
        return [made for made, _ in told]


@contextmanager
def writing(data_dir: Path) -> Iterator[Writers]:
    writers = Writers(data_dir)
    with writers.process:
        try:
            yield writers
        finally:
            writers.process.kill()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a hundred thousand calls, of another ledger."""
    path = tmp_path_factory.mktemp("archive")
    seed(path / "data", history(IMPORTED))
    _export(path / "data", path / "history.zip", *history_days())
    return path / "history.zip"


def _export(data_dir: Path, path: Path, *more: str) -> Exported:
    """What a process exports."""
    code, _, errors = command("export", path, "--data-dir", data_dir, *more)
    assert code == 0, errors
    return read(path)


def by_worker(found: Exported) -> list[int]:
    """How many calls of each writer are in an export: its first ones, each once."""
    numbers: dict[int, list[int]] = {worker: [] for worker in range(WORKERS)}
    for call in found.calls:
        worker, _, number = call["response_id"].partition("-")
        numbers[int(worker)].append(int(number))
    for of_worker in numbers.values():
        assert sorted(of_worker) == [*range(1, len(of_worker) + 1)]
    return [len(numbers[worker]) for worker in range(WORKERS)]


def test_exports_while_eight_processes_write_are_each_of_one_moment(
    data_dir: Path, tmp_path: Path
) -> None:
    sizes = [0]
    with writing(data_dir) as writers:
        for suffix in FORMATS:
            before = len(recorded(data_dir / "usage.db"))
            found = _export(data_dir, tmp_path / f"calls.{suffix}")
            assert before <= len(found.calls) <= len(recorded(data_dir / "usage.db"))
            # A sum would be one of a call whose record was not there yet.
            assert (found.sums, found.count) == ([], {"calls": len(found.calls), "sums": 0})
            assert [made % BATCH for made in by_worker(found)[::2]] == [0] * (WORKERS // 2)
            sizes.append(len(found.calls))
        made = writers.stop()
    assert sizes == sorted(set(sizes))
    assert by_worker(_export(data_dir, tmp_path / "last.json")) == made
    everything = sum(made)
    assert totals(data_dir / "usage.db") == (everything, everything, everything * TOKENS)
    for suffix, size in zip(FORMATS, sizes[1:], strict=True):
        copy = tmp_path / suffix
        code, out, _ = command("import", tmp_path / f"calls.{suffix}", "--data-dir", copy)
        assert (code, out.partition(";")[0]) == (
            0,
            f"{size:,} calls imported, 0 were here already",
        )
        sums_agree(copy)
        assert totals(copy / "usage.db") == (0, size, 0)


def sums_agree(data_dir: Path) -> None:
    """The sums of windows, of any length, are those of the records."""
    with closing(LedgerReader(Location.in_directory(data_dir))) as reader, reader.moment():
        of_windows = reader.totals(0, EVER_NS // (QUARTER_SECONDS * 10**9))
        assert of_windows == reader.totals_of_records(0, EVER_NS)
        first, last = reader.extent() or (0, 0)
        for quarter in {first, (first + last) // 2, last}:
            bounds = (quarter * QUARTER_SECONDS * 10**9, (quarter + 1) * QUARTER_SECONDS * 10**9)
            assert reader.totals(quarter, quarter + 1) == reader.totals_of_records(*bounds)


@pytest.mark.parametrize("replace", [False, True])
def test_an_import_while_eight_processes_write(
    data_dir: Path, archive: Path, replace: bool
) -> None:
    old = history(3_000, first=10**9)
    seed(data_dir, old)
    counters = totals(data_dir / "usage.db")
    with writing(data_dir) as writers:
        code, out, errors = command(
            "import", archive, "--data-dir", data_dir, *["--replace"] * replace
        )
        time.sleep(0.5)  # they go on
        made = writers.stop()
    given_up = f", {len(old):,} were given up for them" if replace else ""
    said = f"{IMPORTED:,} calls imported, 0 were here already{given_up}"
    assert (code, out, errors) == (0, said, "")
    left = 0 if replace else len(old)
    there = Counter(recorded(data_dir / "usage.db"))
    assert there.total() == IMPORTED + left + sum(made)
    for worker, number in enumerate(made):
        assert all(there[f"{worker}-{one}"] == 1 for one in range(1, number + 1))
    counted, periods, tokens = totals(data_dir / "usage.db")
    assert (counted, tokens) == (counters[0] + sum(made), counters[2] + sum(made) * TOKENS)
    assert periods == there.total()
    sums_agree(data_dir)


def test_the_same_import_eight_times_at_once_is_one(data_dir: Path, tmp_path: Path) -> None:
    number = 20_000
    seed(tmp_path / "other", history(number))
    archive = tmp_path / "history.csv"
    _export(tmp_path / "other", archive, *history_days())
    # None of them finds a ledger: one makes it.
    processes = [started("import", archive, "--data-dir", data_dir) for _ in range(8)]
    said: Counter[str] = Counter()
    for process in processes:
        with process:
            out, errors = process.communicate(timeout=150)
            assert (process.returncode, errors) == (0, "")
            said[out.strip().partition(";")[0]] += 1
    assert said == {
        f"{number:,} calls imported, 0 were here already": 1,
        f"0 calls imported, {number:,} were here already": 7,
    }
    sums_agree(data_dir)
    assert totals(data_dir / "usage.db") == (0, number, 0)
    assert len(recorded(data_dir / "usage.db")) == number


def test_exports_while_old_records_are_pruned_have_the_same_total(
    data_dir: Path, tmp_path: Path
) -> None:
    number = 20_000
    seed(data_dir, history(number))
    before = _export(data_dir, tmp_path / "before.json", *history_days())
    seen = threading.Event()
    pruning = threading.Thread(target=prune_slowly, args=(data_dir, seen))
    pruning.start()
    found: list[Exported] = []
    while pruning.is_alive():
        suffix = FORMATS[len(found) % len(FORMATS)]
        found.append(_export(data_dir, tmp_path / f"while.{suffix}", *history_days()))
        if len(found[-1].calls) < number:
            seen.set()
    pruning.join()
    found.append(_export(data_dir, tmp_path / "after.json", *history_days()))
    assert [one.totals() for one in found] == [before.totals()] * len(found)
    assert any(0 < len(one.calls) < number for one in found)
    assert (len(before.calls), before.sums, found[-1].calls) == (number, [], [])


def prune_slowly(data_dir: Path, seen: threading.Event) -> None:
    """Prune all records, in many steps; the last of them once somebody has seen some gone."""
    guest = LedgerGuest(Location.in_directory(data_dir))
    steps = 0
    while guest.change(partial(prune, before_ns=time.time_ns(), most=100)):
        time.sleep(0.005)
        steps += 1
        if steps == 150:
            seen.wait(60)
    guest.close()
