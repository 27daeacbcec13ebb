"""The command line as processes: what they print, serve, create, and how they end."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
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
        timeout=20,
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
    with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - http
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
        _, errors = process.communicate(timeout=5)
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
    assert "<tr><td>checkout</td><td>1,234</td></tr>" in story.page


def test_serve_ends_on_ctrl_c(story: Story) -> None:
    assert story.code == 0


def test_serve_says_once_that_there_is_no_ledger_yet(story: Story) -> None:
    assert story.errors.startswith("Not readable yet: there is no ledger at ")


def test_serve_ends_quietly_on_sigterm(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with serving(tmp_path) as (process, address):
        scrape(address)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=5)
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
        timeout=20,
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


def test_importing_the_package_does_not_import_the_terminal() -> None:
    code = (
        "import sys, otel_token_monitor; print([m for m in ('rich', 'click') if m in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == "[]\n"
