"""The soak test: what takes long to show. `make soak`, or `python -m tests.soak kills writers …`.

Prints a table of figures, and ends with 1 if something that must hold did not.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.parser import text_string_to_metric_families

from otel_token_monitor.config import TokenMonitorConfig
from tests.loads import NOTE, TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Report", "kills", "memory", "short_lives", "writers"]

ROOT: Final = Path(__file__).parents[1]
INTERVAL: Final = TokenMonitorConfig().drain_interval
_OTHERS: Final = ("OTEL_", "TOKEN_")
_MEGABYTE: Final = 1_000_000


@dataclass
class Report:
    """What was measured, and what did not hold."""

    figures: list[tuple[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def add(self, name: str, value: object) -> None:
        self.figures.append((name, f"{value:,}" if isinstance(value, int) else str(value)))

    def must(self, held: object, what: str) -> None:
        if not held:
            self.violations.append(what)


def start(program: str, **arguments: object) -> subprocess.Popen[bytes]:
    """Start a program of tests.loads."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith(_OTHERS)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.loads", program, json.dumps(arguments)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def answer(process: subprocess.Popen[bytes]) -> bytes:
    """What a program printed, once it has ended well."""
    out, _ = process.communicate(timeout=3600)
    if process.returncode != 0:
        message = f"a process ended with {process.returncode}"
        raise RuntimeError(message)
    return out


# Kill -9 during load.


class Scraper(threading.Thread):
    """Scrapes all the time, whoever serves, and notes every counter that falls."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._done = threading.Event()
        self._last: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.scrapes = 0
        self.fallen: list[str] = []

    def run(self) -> None:
        while not self._done.is_set():
            try:
                with urllib.request.urlopen(self._url, timeout=60) as response:  # noqa: S310 - http
                    text = response.read().decode()
            except (OSError, ValueError, http.client.HTTPException):
                time.sleep(0.05)  # nobody serves just now, or who did was killed midway
                continue
            self._read(text)
            time.sleep(0.01)

    def stop(self) -> None:
        self._done.set()
        self.join()

    def _read(self, text: str) -> None:
        self.scrapes += 1
        for family in text_string_to_metric_families(text):
            if family.type not in {"counter", "histogram"} or not family.name.startswith("llm_"):
                continue
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                if sample.value < self._last.get(key, 0.0):
                    self.fallen.append(f"{key}: {self._last[key]} then {sample.value}")
                self._last[key] = sample.value


class Victim:
    """A process under load that is going to be killed, and what it noted until then."""

    def __init__(self, data_dir: Path, port: int, number: int, per_second: int) -> None:
        self.number = number
        self._process = start(
            "until_killed",
            data_dir=str(data_dir),
            port=port,
            worker=number,
            per_second=per_second,
        )
        self._notes = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._killed_ns = 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self._notes += chunk

    @property
    def is_loaded(self) -> bool:
        """Whether it has made more than its first few commits, which wait for imports."""
        return len(self._notes) > 200 * NOTE.size and self.noted()[-1][2] > 0

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._killed_ns = time.monotonic_ns()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def noted(self) -> list[tuple[int, int, int, int]]:
        whole = len(self._notes) // NOTE.size * NOTE.size
        return list(NOTE.iter_unpack(self._notes[:whole]))

    def first_commit(self) -> float:
        """How long after its first call it had made its first few commits, in seconds."""
        notes = self.noted()
        return (next(ended for _, ended, pause, _ in notes if pause) - notes[0][1]) / 1e9

    def lag(self, written: set[int]) -> tuple[int, float, float]:
        """How many calls are missing, how old the oldest was at the kill, the longest pause.

        The pause is between two commits of this process; both are in seconds.
        """
        notes = self.noted()
        missing = [ended for number, ended, _, _ in notes if number not in written]
        oldest = (self._killed_ns - min(missing)) / 1e9 if missing else 0.0
        return len(missing), oldest, max((pause for _, _, pause, _ in notes), default=0) / 1e9

    def passed_over(self, written: set[int]) -> int:
        """How many calls are missing although two commits were seen after them.

        The first of the two may have begun before the call ended; the second has it.
        """
        notes = self.noted()
        return sum(
            number not in written and notes[-1][3] - commits >= 2 for number, _, _, commits in notes
        )


def kills(
    count: int = 100, *, workers: int = 3, per_second: int = 1500, timed: bool = True
) -> Report:
    """Kill processes under load; two others go on meanwhile, and somebody scrapes.

    What is `timed` must hold only on a machine that does nothing else.
    """
    report = Report()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        data_dir = Path(folder)
        scraper = Scraper(port)
        scraper.start()
        victims: list[Victim] = []
        living: list[Victim] = []
        while len(victims) < count + workers:
            while len(living) < workers and len(victims) + len(living) < count + workers:
                number = len(victims) + len(living) + 1
                living.append(Victim(data_dir, port, number, per_second))
            oldest = living.pop(0)
            deadline = time.monotonic() + 60
            while not oldest.is_loaded and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(random.uniform(0.1, 0.4))
            oldest.kill()
            victims.append(oldest)
        scraper.stop()
        _check_kills(report, data_dir / "usage.db", victims, scraper, timed=timed)
    return report


def _check_kills(
    report: Report, file: Path, victims: list[Victim], scraper: Scraper, *, timed: bool
) -> None:
    with closing(sqlite3.connect(file)) as connection:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        ids = [row[0] for row in connection.execute("SELECT response_id FROM record")]
        counted = connection.execute(
            "SELECT sum(requests_ok), sum(input + input_cached + output + output_reasoning) "
            "FROM counter"
        ).fetchone()
        (periods,) = connection.execute("SELECT sum(requests_ok) FROM period").fetchone()
    written: dict[int, set[int]] = {}
    for identity in ids:
        worker, _, number = identity.partition("-")
        written.setdefault(int(worker), set()).add(int(number))
    lags = [victim.lag(written.get(victim.number, set())) for victim in victims]
    noted = sum(len(victim.noted()) for victim in victims)
    ages = sorted(age for _, age, _ in lags)
    pauses = sorted(pause for *_, pause in lags)
    report.add("processes killed under load", len(victims))
    report.add("calls that ended", noted)
    report.add("calls in the ledger", len(ids))
    report.add("lost at a kill, median / most", _pair([n for n, *_ in lags], "{:.0f}"))
    report.add("oldest lost call at a kill, median / most", _pair(ages, "{:.0f} ms", 1000))
    report.add("pause between commits, median / most", _pair(pauses, "{:.0f} ms", 1000))
    starts = [victim.first_commit() for victim in victims]
    report.add("first call to fourth commit, median / most", _pair(starts, "{:.0f} ms", 1000))
    report.add("scrapes meanwhile", scraper.scrapes)
    report.must(sound == "ok", f"integrity_check: {sound}")
    report.must(len(ids) == len(set(ids)), "calls are in the ledger twice")
    report.must(counted == (len(ids), len(ids) * TOKENS), "counters and records disagree")
    report.must(periods == len(ids), "quarter-hours and records disagree")
    report.must(not scraper.fallen, f"{len(scraper.fallen)} counters fell: {scraper.fallen[:3]}")
    few = len(victims) if timed else 0
    report.must(scraper.scrapes > few, "hardly any scrape succeeded")
    for victim, (missing, age, pause) in zip(victims, lags, strict=True):
        # A pause is the interval and one commit. A call waits for the commit that is being made,
        # the interval, and its own commit.
        allowed = 2 * max(pause, INTERVAL)
        report.must(
            age <= allowed or not timed,
            f"victim {victim.number}: {age:.3f} s lost, {allowed:.3f} s may be",
        )
        over = victim.passed_over(written.get(victim.number, set()))
        report.must(not over, f"victim {victim.number}: {over} calls were passed over")
        report.must(missing < len(victim.noted()), f"victim {victim.number}: nothing was written")


def _pair(values: list[Any], form: str, scale: float = 1) -> str:
    ordered = sorted(values)
    return " / ".join(
        form.format(value * scale) for value in (ordered[len(ordered) // 2], ordered[-1])
    )


# Many writers.


def writers(processes: int = 8, seconds: float = 10.0, *, timed: bool = True) -> Report:
    """Processes at full speed on one ledger, in batches, and with a commit each.

    What is `timed` must hold only on a machine that does nothing else.
    """
    report = Report()
    speeds = {}
    for size in (1000, 1):
        with tempfile.TemporaryDirectory() as folder:
            programs = [
                start("full_speed", data_dir=folder, worker=number, size=size, seconds=seconds)
                for number in range(processes)
            ]
            for program in programs:
                assert program.stdout is not None
                program.stdout.readline()
            for program in programs:
                assert program.stdin is not None
                program.stdin.write(b"go\n")
                program.stdin.flush()
            rows = sum(int(answer(program)) for program in programs)
            speeds[size] = rows / seconds
            with closing(sqlite3.connect(Path(folder) / "usage.db")) as connection:
                found = connection.execute(
                    "SELECT count(*), count(DISTINCT nonce) FROM record"
                ).fetchone()
                counted = connection.execute(
                    "SELECT sum(requests_ok), sum(input + input_cached + output + output_reasoning)"
                    " FROM counter"
                ).fetchone()
                (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        report.must(sound == "ok", f"integrity_check: {sound}")
        report.must(found == (rows, rows), f"{rows} rows were written, there are {found}")
        report.must(counted == (rows, rows * TOKENS), f"{rows} calls, counters have {counted}")
    ratio = speeds[1000] / speeds[1]
    report.add("writing processes", processes)
    report.add("rows/s in batches of 1000", int(speeds[1000]))
    report.add("rows/s with a commit each", int(speeds[1]))
    report.add("ratio (at least 5)", f"{ratio:.1f}")
    report.must(ratio >= 5 or not timed, f"batches are only {ratio:.1f} times as fast")
    return report


# Short lives.


def short_lives(processes: int = 50, seconds: float = 2.0, *, calls: int = 40) -> Report:
    """Processes that live for a moment, ten at a time."""
    report = Report()
    expected = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, processes, 10):
            group = range(first, min(first + 10, processes))
            programs = [
                start("short_life", data_dir=folder, worker=n, calls=calls, seconds=seconds)
                for n in group
            ]
            for program in programs:
                answer(program)
        for number in range(processes):
            expected.update(f"{number}-{call}" for call in range(calls))
        with closing(sqlite3.connect(Path(folder) / "usage.db")) as connection:
            found = Counter(row[0] for row in connection.execute("SELECT response_id FROM record"))
            (requests,) = connection.execute("SELECT sum(requests_ok) FROM counter").fetchone()
    report.add("short-lived processes", processes)
    report.add("their calls", expected.total())
    report.add("of these in the ledger", found.total())
    report.must(found == expected, "calls of short-lived processes are missing, or twice")
    report.must(requests == expected.total(), f"counters have {requests}")
    return report


# Memory.


def memory(calls: int = 1_000_000, names: int = 10_000) -> Report:
    """A process that makes very many calls, and one that makes up names for them."""
    report = Report()
    many = f"{names:,} made-up models and projects"
    for made_up, place, title in (
        (0, "", "one model"),
        (names, "", many),
        (names, ":memory:", f"{many}, in memory"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            program = start("million", data_dir=place or folder, calls=calls, names=made_up)
            result = json.loads(answer(program))
        grown = result["grown"] / _MEGABYTE
        report.add(f"calls of {title}", result["requests"])
        report.add(
            "  memory grown since warm-up",
            f"{grown:.1f} MB of {result['resident'] / _MEGABYTE:.0f}",
        )
        report.add("  label sets exposed", result["series"])
        report.must(result["requests"] == calls, f"{calls} calls, {result['requests']} counted")
        report.must(grown < 20, f"{grown:.1f} MB grown with {title}")
        report.must(result["series"] <= 1001, f"{result['series']} label sets exposed")
        overflow = result["health"].pop("label_overflow_requests", 0)
        report.must((overflow > 0) == (made_up > 1000), f"{overflow} calls counted as other")
        report.must(not result["health"], f"health: {result['health']}")
    return report


def main() -> int:
    """Run all parts, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    names = ("kills", "writers", "lives", "memory")
    parser.add_argument("part", nargs="*", help=f"of {', '.join(names)}; all, if none is named")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load of the writers")
    parser.add_argument("--lives", type=int, default=50)
    parser.add_argument("--calls", type=int, default=1_000_000, help="of each process in `memory`")
    given = parser.parse_args()
    parts: dict[str, Callable[[], Report]] = {
        "kills": lambda: kills(given.kills),
        "writers": lambda: writers(seconds=given.seconds),
        "lives": lambda: short_lives(given.lives),
        "memory": lambda: memory(given.calls),
    }
    unknown = set(given.part) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    violations = []
    for name in given.part or names:
        started = time.monotonic()
        report = parts[name]()
        print(f"\n{name} ({time.monotonic() - started:.0f} s)")
        for figure, value in report.figures:
            print(f"  {figure:<45} {value:>20}")
        for violation in report.violations:
            print(f"  VIOLATED: {violation}")
        sys.stdout.flush()
        violations += report.violations
    print("\nall held" if not violations else f"\n{len(violations)} did not hold")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
