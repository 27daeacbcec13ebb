"""The demo as a process: it counts what it received, and ends when it is told to."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
import urllib.request
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.server import DemoServer
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from tests.integration.processes import environment, samples
from tests.integration.receiving import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

SUMS = re.compile(
    r"The client received ([\d,]+) tokens(?:, and ([\d,]+) untold)?; "
    r"/metrics shows ([\d,]+)\."
)


def told(output: str) -> tuple[int, int]:
    """All tokens of the calls, and those that /metrics shows."""
    ((received, untold, shown),) = SUMS.findall(output)
    return sum(number(text) for text in (received, untold)), number(shown)


def number(text: str) -> int:
    return int(text.replace(",", "") or "0")


def start(directory: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start a demo whose temporary files are in `directory`."""
    return subprocess.Popen(
        [sys.executable, "-m", "otel_token_monitor", "demo", *arguments],
        env=environment({"TMPDIR": str(directory), **environ}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class Ended:
    """A demo that has ended."""

    code: int
    output: str
    errors: str
    left: list[Path]

    @property
    def sums(self) -> tuple[int, int]:
        """All tokens of the calls, and those that /metrics shows."""
        return told(self.output)


def ended(process: subprocess.Popen[str], directory: Path) -> Ended:
    output, errors = process.communicate(timeout=120)
    return Ended(process.returncode, output, errors, list(directory.iterdir()))


def ended_once_it_says(word: str, process: subprocess.Popen[str], directory: Path) -> Ended:
    """Let a demo that has no end go on until a line has the word."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if word in line:
            break
    process.send_signal(signal.SIGINT)
    said.append(process.stdout.read())
    end = ended(process, directory)
    return replace(end, output="".join(said))


def write_earlier_calls(directory: Path) -> None:
    """A ledger with a call of one of the demo's own projects, which nearly uses up its limit."""
    labels = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")
    record = UsageRecord(
        time_ns=time.time_ns(), nonce=1, labels=labels, source="manual", usage=TokenUsage(190_000)
    )
    writer = LedgerWriter(Location.in_directory(directory), max_label_sets=10)
    writer.write(Batch(records=[record]))
    writer.close()


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Several demos at once, each run to its end."""
    names = ("plain", "other", "third", "real", "refused")
    paths = {name: tmp_path_factory.mktemp(name) for name in names}
    earlier = tmp_path_factory.mktemp("ledger")
    write_earlier_calls(earlier)
    with DemoServer() as server:
        nowhere = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
        real = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": server.base_url}
        anywhere = ("--port", "0", "--seconds", "1")
        other = ("--port", "0", "--instrumentation", "official", "--data-dir", str(earlier))
        processes = {
            "plain": start(paths["plain"], "--port", "0", DEMO_SECONDS="3"),
            "other": start(paths["other"], *other),
            "third": start(paths["third"], *anywhere, "--instrumentation", "openinference"),
            "real": start(paths["real"], "--real", "--port", "0", **real),
            "refused": start(paths["refused"], "--real", "--port", "0", **nowhere),
        }
        alerted = ended_once_it_says("CRITICAL", processes.pop("other"), paths["other"])
        others = {name: ended(process, paths[name]) for name, process in processes.items()}
        return others | {"other": alerted}


def test_it_ends_when_its_time_is_over(demos: dict[str, Ended]) -> None:
    assert demos["plain"].code == 0


def test_it_makes_no_noise(demos: dict[str, Ended]) -> None:
    assert demos["plain"].errors == ""


def test_the_sum_in_metrics_is_what_the_client_received(demos: dict[str, Ended]) -> None:
    received, shown = demos["plain"].sums
    assert received == shown != 0


def test_its_temporary_ledger_is_gone_at_the_end(demos: dict[str, Ended]) -> None:
    assert demos["plain"].left == []


@pytest.mark.parametrize("name", ["other", "third"])
def test_the_sums_agree_with_the_other_instrumentations(name: str, demos: dict[str, Ended]) -> None:
    received, shown = demos[name].sums
    assert (demos[name].code, received) == (0, shown)


def test_an_alert_is_told_when_it_comes(demos: dict[str, Ended]) -> None:
    lines = demos["other"].output.splitlines()
    alert = re.compile(
        r"\d+:\d\d  CRITICAL  checkout: \d+k of 200k tokens/day \(\d+%\), was NORMAL"
    )
    assert [bool(alert.fullmatch(line)) for line in lines].count(True) == 2  # and in the result


def test_its_result_has_every_budget(demos: dict[str, Ended]) -> None:
    lines = demos["plain"].output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("BUDGET"))
    assert {line.split("  ")[0] for line in lines[first + 1 : first + 6]} == {
        "checkout",
        "support",
        "search",
        "all · gpt-5*",
        "all projects",
    }


def test_it_says_how_a_ledger_that_stays_is_read(demos: dict[str, Ended]) -> None:
    *_, hint, command = demos["other"].output.splitlines()
    assert hint == "Next: the README. This reads the ledger, which stays:"
    assert re.fullmatch(r"  python -m otel_token_monitor status --data-dir \S+/ledger\d+", command)


def test_it_says_how_a_ledger_is_kept(demos: dict[str, Ended]) -> None:
    assert demos["plain"].output.splitlines()[-2:] == [
        "Next: the README. With --data-dir DIR the ledger stays, and this reads it:",
        "  python -m otel_token_monitor status --data-dir DIR",
    ]


def test_the_sums_of_real_calls_agree(demos: dict[str, Ended]) -> None:
    assert demos["real"].sums == (261, 261)


def test_real_calls_of_which_none_succeeds_are_trouble(demos: dict[str, Ended]) -> None:
    assert (demos["refused"].code, demos["refused"].errors) == (3, "Error: no call succeeded\n")


@dataclass(frozen=True)
class Interrupted:
    """A demo that was ended by Ctrl-C once each of its projects had been counted."""

    port: int
    first_line: str
    page: str
    status: str
    metrics: str
    code: int
    errors: str
    left: list[Path]


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310 - http
        text: str = response.read().decode()
        return text


def projects(metrics: str) -> set[str]:
    return {sample.labels["project"] for sample in samples(metrics, "llm_tokens_total")}


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    directory = tmp_path_factory.mktemp("interrupted")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        process = start(directory, "--port", str(port))
        assert process.stdout is not None
        first_line = process.stdout.readline()
        addresses = [process.stdout.readline().strip() for _ in range(3)]
        eventually(lambda: len(projects(read(addresses[2]))) == 3)
        page, status, metrics = map(read, addresses)
        process.send_signal(signal.SIGINT)
        end = ended(process, directory)
    return Interrupted(port, first_line, page, status, metrics, end.code, end.errors, end.left)


def test_ctrl_c_ends_it_quietly(interrupted: Interrupted) -> None:
    assert (interrupted.code, interrupted.errors) == (0, "")


def test_nothing_is_left_after_ctrl_c(interrupted: Interrupted) -> None:
    assert interrupted.left == []


def test_a_taken_port_is_replaced(interrupted: Interrupted) -> None:
    assert interrupted.first_line == (
        f"Port {interrupted.port}: Address already in use. Using a free one.\n"
    )


def test_the_page_has_the_budgets(interrupted: Interrupted) -> None:
    assert "gpt-5*" in interrupted.page


def test_the_status_has_the_budgets(interrupted: Interrupted) -> None:
    budgets = json.loads(interrupted.status)["budgets"]
    assert {budget["budget"]: budget["limit"] for budget in budgets} == {
        "ledger/tokens/day": 20_000_000,
        "project:checkout/tokens/day": 200_000,
        "project:search/requests/minute": 800,
        "project:support/usd/day": 4.0,
        "model:gpt-5*/tokens/day": 5_000_000,
    }


def test_metrics_has_the_three_projects(interrupted: Interrupted) -> None:
    assert projects(interrupted.metrics) == {"checkout", "search", "support"}


def test_metrics_has_costs(interrupted: Interrupted) -> None:
    costs = samples(interrupted.metrics, "llm_cost_usd_total")
    assert sum(sample.value for sample in costs) > 0


def in_a_terminal(directory: Path) -> str:
    """All that a demo of a second writes to a terminal of 80 columns and 24 lines."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-m", "otel_token_monitor", "demo", "--port", "0", "--seconds", "1"],
        env=environment({"TMPDIR": str(directory), "TERM": "xterm-256color"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    # Linux ends a terminal whose other end is closed with an error.
    with process, os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while piece := terminal.read(65_536):
            written += piece
    return written.decode()


def test_a_terminal_is_as_it_was_but_for_the_result(tmp_path: Path) -> None:
    before, entered, screen_and_after = in_a_terminal(tmp_path).partition("\x1b[?1049h")
    screen, left, after = screen_and_after.partition("\x1b[?1049l")
    assert (before.strip("\r\n"), bool(entered), bool(left)) == ("", True, True)
    assert "No alert yet" in screen
    received, shown = told(re.sub(r"\x1b\[[\d;]*m", "", after))
    assert received == shown != 0
    # All of it, and the prompt that comes next.
    assert after.count("\n") <= 23
