"""The command line as processes: what they print, serve, create, and how they end."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from tests.integration.processes import environment, samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

COMMAND = (sys.executable, "-m", "otel_token_monitor")
TOKENS = "llm_tokens_total"
UP = "otel_token_monitor_ledger_up"


def write(directory: Path, tokens: int) -> None:
    """Add a call of now to a ledger."""
    now = time.time_ns()
    labels = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")
    record = UsageRecord(
        time_ns=now, nonce=now, labels=labels, source="manual", usage=TokenUsage(input=tokens)
    )
    writer = LedgerWriter(Location.in_directory(directory), max_label_sets=10)
    writer.write(Batch(records=[record]))
    writer.close()


def run(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def serving(directory: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A `serve` process and the address of its metrics."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--data-dir", str(directory), "--port", "0"],
        env=environment(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().removeprefix("metrics: ").strip()
        finally:
            process.kill()


def scrape(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310 - http
        return str(response.read().decode())


def value(metrics: str, name: str) -> float:
    return sum(sample.value for sample in samples(metrics, name))


@dataclass(frozen=True)
class Story:
    """What one `serve` showed: without a ledger, when one appeared, when that grew; its end."""

    missing: str
    directory_then: list[Path]
    appeared: str
    grown: str
    page: str
    code: int
    errors: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("serve")
    directory = root / "later"
    with serving(directory) as (process, address):
        missing, then = scrape(address), list(root.iterdir())
        write(directory, 1000)
        appeared = scrape(address)
        write(directory, 234)
        grown, page = scrape(address), scrape(address.removesuffix("metrics"))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    return Story(missing, then, appeared, grown, page, process.returncode, errors)


def test_serve_without_a_ledger_says_that_it_is_not_up(story: Story) -> None:
    assert value(story.missing, UP) == 0


def test_serve_creates_no_ledger(story: Story) -> None:
    assert story.directory_then == []


def test_serve_shows_what_another_process_wrote_once_it_appears(story: Story) -> None:
    assert (value(story.appeared, UP), value(story.appeared, TOKENS)) == (1, 1000)


def test_serve_shows_what_is_written_later(story: Story) -> None:
    assert value(story.grown, TOKENS) == 1234


def test_serves_landing_page_shows_today(story: Story) -> None:
    assert ("checkout" in story.page, "1,234" in story.page) == (True, True)


def test_serve_ends_on_ctrl_c(story: Story) -> None:
    assert story.code == 0


def test_serve_says_once_that_there_is_no_ledger_yet(story: Story) -> None:
    assert story.errors.startswith("Not readable yet: there is no ledger at ")


def test_serve_ends_quietly_on_sigterm(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with serving(tmp_path) as (process, address):
        scrape(address)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_serve_on_a_taken_port_is_trouble(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run("serve", "--host", "127.0.0.1", "--port", str(port), cwd=tmp_path)
    assert (process.returncode, process.stderr) == (
        3,
        (
            f"Error: port {port} of 127.0.0.1 is taken, by an application that serves its own "
            "metrics perhaps: choose another with --port\n"
        ),
    )


def test_serve_on_an_address_of_another_machine_is_trouble(tmp_path: Path) -> None:
    process = run("serve", "--host", "192.0.2.1", "--port", "9464", cwd=tmp_path)
    assert (process.returncode, process.stderr) == (
        3,
        (
            "Error: cannot serve metrics on 192.0.2.1:9464 ([Errno 99] Cannot assign requested "
            "address): set a host and port of this machine\n"
        ),
    )


def test_status_reads_what_is_being_written(tmp_path: Path) -> None:
    location = Location.in_directory(tmp_path)
    writer = LedgerWriter(location, max_label_sets=10)
    writer.open()
    write(tmp_path, 1234)
    process = run("status", "--data-dir", str(tmp_path), cwd=tmp_path)
    writer.close()
    assert "1,234" in process.stdout


def test_trouble_has_no_traceback(tmp_path: Path) -> None:
    process = run("status", cwd=tmp_path)
    assert (process.returncode, process.stdout, process.stderr.count("\n")) == (3, "", 1)


def in_a_terminal(directory: Path, **environ: str) -> bytes:
    """What `status` writes to a terminal."""
    ours, theirs = pty.openpty()
    subprocess.run(
        [*COMMAND, "status", "--data-dir", str(directory)],
        env=environment({"TERM": "xterm-256color", "COLUMNS": "80", **environ}),
        stdout=theirs,
        check=True,
        timeout=60,
    )
    os.close(theirs)
    try:
        return os.read(ours, 65_536)
    finally:
        os.close(ours)


def test_a_terminal_gets_styles(tmp_path: Path) -> None:
    write(tmp_path, 1)
    assert b"\x1b[1m" in in_a_terminal(tmp_path)


def test_no_color_is_respected(tmp_path: Path) -> None:
    write(tmp_path, 1)
    # Bold and dim remain: they are no colours.
    assert b"\x1b[3" not in in_a_terminal(tmp_path, NO_COLOR="1")


def test_an_encoding_without_the_letters_is_no_crash(tmp_path: Path) -> None:
    write(tmp_path, 1)
    process = run("status", "--data-dir", str(tmp_path), cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert process.returncode == 0


@contextmanager
def in_a_large_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command with a terminal of 80 columns and 24 lines, and our end of that."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment({"TERM": "xterm-256color"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    with process:
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(theirs)
            os.close(ours)


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal is sent, up to something that is wanted."""
    text = b""
    while wanted not in text:
        ready, _, _ = select.select([terminal], [], [], 20)
        assert ready, text
        text += os.read(terminal, 65_536)
    return text


@pytest.mark.parametrize("end", ["q", "SIGINT", "SIGTERM"])
def test_top_shows_what_comes_and_ends_on(end: str, tmp_path: Path) -> None:
    write(tmp_path, 1234)
    arguments = ("top", "--data-dir", str(tmp_path), "--interval", "0.1")
    with in_a_large_terminal(*arguments) as (process, terminal):
        before = termios.tcgetattr(terminal)
        read_until(terminal, b"1,234")
        write(tmp_path, 8766)
        read_until(terminal, b"10,000")
        during = termios.tcgetattr(terminal)
        if end == "q":
            os.write(terminal, b"q")
        else:
            process.send_signal(signal.Signals[end])
        rest = read_until(terminal, b"\x1b[?1049l")
        code = process.wait(timeout=60)
        after = termios.tcgetattr(terminal)
    assert (code, b"Traceback" in rest) == (0, False)
    assert (before == after, before == during) == (True, False)


def test_top_goes_on_when_its_ledger_goes_away(tmp_path: Path) -> None:
    write(tmp_path, 1234)
    arguments = ("top", "--data-dir", str(tmp_path), "--interval", "0.1")
    with in_a_large_terminal(*arguments) as (process, terminal):
        read_until(terminal, b"1,234")
        for path in tmp_path.iterdir():
            path.unlink()
        read_until(terminal, b"there is no ledger at")
        write(tmp_path, 4321)
        read_until(terminal, b"4,321")
        os.write(terminal, b"q")
        read_until(terminal, b"\x1b[?1049l")
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("limit", "code"), [("2000", 0), ("1500", 1), ("1000", 2), ("none", 3)], ids=str
)
@pytest.mark.parametrize("command", ["check", "check --json"])
def test_a_verdict_does_not_depend_on_who_listens(
    command: str, limit: str, code: int, tmp_path: Path
) -> None:
    write(tmp_path, 1234)
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [*COMMAND, *command.split(), "--data-dir", str(tmp_path)],
        env=environment({"TOKEN_DAILY_LIMIT": limit}),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, b"Traceback" in process.stderr) == (code, False)


def test_importing_the_package_does_not_import_the_terminal() -> None:
    assert imported("import otel_token_monitor", "rich", "click") == []


def test_the_command_line_does_not_import_what_counts_and_serves() -> None:
    heavy = ("openai", "uvicorn", "starlette", "genai_prices", "requests", "yaml")
    assert imported("import otel_token_monitor.cli", *heavy) == []


def imported(code: str, *modules: str) -> list[str]:
    """Which of the modules are loaded once the code has run."""
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return [module for module in modules if module in process.stdout.split()]
