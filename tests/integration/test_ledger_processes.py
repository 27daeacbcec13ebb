"""Processes that fork, start others, end in every way: each call is in the ledger once."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.integration.processes import ROOT, environment
from tests.integration.steering import Application, eventually, recorded, totals
from tests.loads import TOKENS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

PROLOGUE = """
import atexit, gc, logging, os, sys, threading, time

def late(number):
    for _ in range(number):
        call(make)

def before():
    late(BEFORE)

BEFORE = 0
atexit.register(before)

import otel_token_monitor
from tests.loads import call, tracer

def instrument(**arguments):
    global make
    given = {"data_dir": sys.argv[1], "instrumentation": "none", "serve": False, **arguments}
    monitor = otel_token_monitor.instrument(**given)
    make = tracer()
    return monitor

def child(number, end=os._exit):
    pid = os.fork()
    if pid == 0:
        late(number)
        end(0 if monitor.force_flush(60) else 3)
    return pid

def reap(*pids):
    for pid in pids:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def run(script: str, data_dir: Path, *, timeout: float = 120) -> str:
    """Run a program that begins with PROLOGUE; what it wrote to standard error."""
    # From a file: multiprocessing's children import it.
    program = data_dir.parent / "program.py"
    program.write_text(PROLOGUE + textwrap.dedent(script), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program, data_dir],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def expect(data_dir: Path, calls: int) -> None:
    file = data_dir / "usage.db"
    assert totals(file) == (calls, calls, calls * TOKENS)
    assert len(recorded(file)) == calls


def test_a_program_that_just_ends(data_dir: Path) -> None:
    assert run("instrument(); late(30)", data_dir) == ""
    expect(data_dir, 30)


def test_calls_in_exit_handlers_before_and_after_ours(data_dir: Path) -> None:
    # What was registered last runs first.
    script = "instrument(); late(1); BEFORE = 10; atexit.register(late, 100)"
    assert run(script, data_dir) == ""
    expect(data_dir, 111)


def test_threads_whose_calls_end_at_the_same_time_after_the_end(data_dir: Path) -> None:
    script = """
        def many():
            threads = [threading.Thread(target=late, args=(25,)) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        monitor = instrument()
        late(1)
        monitor._pipeline.close()
        many()
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 201)


def test_an_end_while_calls_are_in_flight_in_daemon_threads(data_dir: Path) -> None:
    script = """
        instrument()
        begun = threading.Event()
        def forever():
            while True: late(1); begun.set()
        for _ in range(4): threading.Thread(target=forever, daemon=True).start()
        begun.wait()
        time.sleep(0.3)
        sys.exit(0)
    """
    assert run(script, data_dir) == ""
    calls, periods, tokens = totals(data_dir / "usage.db")
    assert calls == periods == len(recorded(data_dir / "usage.db")) > 0
    assert tokens == calls * TOKENS


def test_spans_that_end_within_the_garbage_collector(data_dir: Path) -> None:
    script = """
        monitor = instrument()
        class Stream:
            "Ends its span when it is collected, as a generator that was left midway does."
            def __init__(self): self.me = self
            def __del__(self): call(make)
        gc.set_threshold(5, 2, 2)
        for _ in range(300):
            Stream()
            monitor.force_flush()
        gc.collect()
        pid = os.fork()
        if pid == 0:
            Stream()  # the child's first: its thread is started in the collector
            gc.collect()
            os._exit(0 if monitor.force_flush(60) else 1)
        reap(pid)
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 301)


def test_forks_while_other_threads_call_and_write(data_dir: Path) -> None:
    script = """
        monitor = instrument()
        made = [0] * 4
        going = True
        def work(index):
            while going:
                late(5); made[index] += 5
                time.sleep(0.002)
        threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
        for thread in threads: thread.start()
        pids = [child(10) for _ in range(40)]
        reap(*pids)
        going = False
        for thread in threads: thread.join()
        print(sum(made), file=sys.stderr)
    """
    made = int(run(script, data_dir))
    expect(data_dir, made + 400)


def test_a_fork_right_after_the_start(data_dir: Path) -> None:
    # The thread is importing then; a lock of an import would never be released in the child.
    # How long a fork waits is no matter here: on a loaded machine an import may take a second.
    script = """
        from otel_token_monitor import pipeline
        pipeline._FORK_SECONDS = 60
        monitor = instrument(serve=True, port=0, host="127.0.0.1")
        late(1)
        pids = [child(5) for _ in range(3)]
        time.sleep(0.02)
        pids += [child(5) for _ in range(3)]
        time.sleep(0.05)
        pids += [child(5) for _ in range(3)]
        reap(*pids)
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 46)


def test_a_child_that_outlives_its_parent_keeps_its_locks(data_dir: Path) -> None:
    # With an inherited connection it would have none, and the next process to open the ledger
    # would think it is alone, and empty the log under the child's feet.
    script = """
        monitor = instrument()
        late(10)
        monitor.force_flush()
        pid = os.fork()
        if pid:
            os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1), os.dup2(null, 2)  # or whoever started us would wait for the child
        for _ in range(60):
            late(5)
            time.sleep(0.05)
        os._exit(0 if monitor.force_flush(60) else 1)
    """
    run(script, data_dir)
    for _ in range(3):
        with Application(data_dir) as app:
            app.calls(10)
            assert app.stop() == 0
    file = data_dir / "usage.db"
    eventually(lambda: totals(file)[0] == 340)
    expect(data_dir, 340)


def test_a_fork_while_the_disk_hangs_says_so_and_leaves_the_ledger_alone(data_dir: Path) -> None:
    script = """
        logging.basicConfig(format="%(message)s")
        monitor = instrument()
        late(10)
        monitor.force_flush()
        held, free = threading.Event(), threading.Event()
        def hang():
            with monitor._pipeline.lock:
                held.set(); free.wait(60)
        threading.Thread(target=hang).start()
        held.wait()
        pid = os.fork()
        if pid == 0:
            late(10)
            assert not monitor.force_flush(0.1)
            assert monitor._pipeline.backlog == 10
            os._exit(0)
        free.set()
        reap(pid)
        late(10)
        print(pid, file=sys.stderr)
    """
    error, pid = run(script, data_dir).splitlines()
    assert error == (
        f"the ledger {data_dir}/usage.db cannot be used by process {pid}, which was forked while "
        f"its parent was waiting for the disk: fork before the first calls. Its calls are counted "
        f"in memory only."
    )
    expect(data_dir, 20)


def test_forks_in_two_threads_at_once(data_dir: Path) -> None:
    script = """
        monitor = instrument()
        def fork():
            for _ in range(10): reap(child(3))
        threads = [threading.Thread(target=fork) for _ in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        late(10)
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 100)


def test_grandchildren(data_dir: Path) -> None:
    script = """
        monitor = instrument()
        late(1)
        pid = os.fork()
        if pid == 0:
            late(10)
            reap(child(100))
            late(1000)
            sys.exit(0)
        reap(pid)
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 1111)


def test_a_child_that_skips_its_exit_loses_an_interval_at_most(data_dir: Path) -> None:
    script = """
        import sqlite3
        monitor = instrument()
        late(1)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(write)
            late(10)
            os.read(read, 1)
            os._exit(0)
        monitor.force_flush()
        ledger = sqlite3.connect(os.path.join(sys.argv[1], "usage.db"))
        while ledger.execute("SELECT total(requests_ok) FROM counter").fetchone() != (11,):
            time.sleep(0.01)
        os.write(write, b"x")
        reap(pid)
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 11)


def test_a_subprocess_with_a_function_before_its_program(data_dir: Path) -> None:
    script = """
        import subprocess
        monitor = instrument()
        for _ in range(5):
            late(2)
            subprocess.run(["true"], preexec_fn=lambda: None, check=True)
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 10)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("where", ["module", "child"])
def test_children_of_multiprocessing(data_dir: Path, method: str, where: str) -> None:
    # They end without exit handlers. With fork, the parent's monitor goes on in the child.
    script = f"""
        import multiprocessing
        if "{where}" == "module" or "{method}" == "fork": instrument()
        def work(number):
            instrument()
            late(number)
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            children = [context.Process(target=work, args=(20,)) for _ in range(3)]
            for one in children: one.start()
            for one in children: one.join(); assert one.exitcode == 0
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 60)


def test_a_pool(data_dir: Path) -> None:
    script = """
        import multiprocessing
        monitor = instrument()
        def work(number): late(number)
        if __name__ == "__main__":
            late(1)
            with multiprocessing.get_context("fork").Pool(4, maxtasksperchild=3) as pool:
                pool.map(work, [10] * 20)
                pool.close()
                pool.join()
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 201)


def test_a_process_pool_executor(data_dir: Path) -> None:
    script = """
        from concurrent.futures import ProcessPoolExecutor
        monitor = instrument()
        def work(number): late(number); return number
        if __name__ == "__main__":
            with ProcessPoolExecutor(3) as executor:
                assert sum(executor.map(work, [10] * 10)) == 100
    """
    assert run(script, data_dir) == ""
    expect(data_dir, 100)


def test_memory_is_not_shared_with_children(data_dir: Path) -> None:
    script = """
        monitor = instrument(data_dir=":memory:")
        def total():
            series = monitor._scrape().exposition.series
            return sum(sums.totals.requests for sums in series.values())
        late(10)
        assert total() == 10
        pid = os.fork()
        if pid == 0:
            assert total() == 0
            late(5)
            assert total() == 5
            os._exit(0)
        reap(pid)
        late(10)
        assert total() == 20
    """
    data_dir.mkdir()
    assert run(script, data_dir) == ""


def test_scrapes_and_writes_of_a_ledger_in_memory_never_collide(data_dir: Path) -> None:
    script = """
        monitor = instrument(data_dir=":memory:")
        logging.getLogger("otel_token_monitor").setLevel(logging.WARNING)
        going = True
        def scrape():
            while going: monitor._scrape().exposition
        threads = [threading.Thread(target=scrape) for _ in range(3)]
        for thread in threads: thread.start()
        for _ in range(100): late(20); time.sleep(0.01)
        monitor.force_flush()
        going = False
        for thread in threads: thread.join()
        (sums,) = monitor._scrape().exposition.series.values()
        assert sums.totals.requests == 2000, sums
        assert monitor._scrape().exposition.health == {}
    """
    data_dir.mkdir()
    assert run(script, data_dir) == ""


def test_eight_processes_that_make_the_file_at_once(data_dir: Path) -> None:
    apps = [Application(data_dir) for _ in range(8)]
    for app in apps:
        app.calls(10)
    for app in apps:
        assert app.stop() == 0
    for app in apps:
        app.__exit__(None, None, None)
    expect(data_dir, 80)
