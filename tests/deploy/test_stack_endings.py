"""How `otel-token-monitor demo --stack` ends, and what keeps it from running."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.deploy.chain import REAL_SERVERS, eventually
from tests.deploy.stacks import SERVERS, stack

pytestmark = REAL_SERVERS


def test_a_time_that_is_over_too_soon_is_a_failure_that_names_the_link(tmp_path: Path) -> None:
    with stack(tmp_path / "files", "--port", "0", "--seconds", "1") as one:
        assert one.ended() == 1
    assert one.said.splitlines()[-1] == ("No WARNING has arrived: the budget has not reached 80%.")


def test_a_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with stack(tmp_path / "files", "--port", str(port), "--seconds", "1") as one:
            assert one.ended() == 1
    assert f"Port {port} is taken: using a free one.\n" in one.said
    assert f"127.0.0.1:{port}/" not in one.said


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_server_that_dies_ends_it_with_what_that_said(name: str, tmp_path: Path) -> None:
    with stack(tmp_path / "files", "--port", "0") as one:
        eventually(lambda: "Ctrl-C ends." in one.said)
        os.kill(one.servers()[name], signal.SIGKILL)
        assert one.ended() == 3
    assert f"Error: {name} has ended with exit code -9; it said:\n" in one.said
    assert "level=info" in one.said.rpartition("it said:")[2]
    assert list(one.directory.iterdir()) == []


def test_sigterm_ends_it_and_its_servers(tmp_path: Path) -> None:
    with stack(tmp_path / "files", "--port", "0") as one:
        eventually(lambda: "Ctrl-C ends." in one.said)
        servers = one.servers()
        one.process.terminate()
        assert one.ended() == 0
    assert servers.keys() == SERVERS
    assert [pid for pid in servers.values() if Path(f"/proc/{pid}").exists()] == []


def test_a_server_that_is_not_installed_is_named_with_its_package(tmp_path: Path) -> None:
    with stack(tmp_path / "files", PATH=str(tmp_path)) as one:
        assert one.ended() == 3
    assert one.said == "Error: prometheus is not installed: apt-get install prometheus\n"


@pytest.mark.parametrize(
    "arguments", [("--data-dir", "x"), ("--real",), ("--host", "::")], ids=lambda it: it[0]
)
def test_what_it_has_of_its_own_cannot_be_given(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with stack(tmp_path / "files", *arguments) as one:
        assert one.ended() == 3
    assert one.said.splitlines()[-1] == (
        "Error: --stack has a ledger, a server and an address of its own: leave --data-dir, "
        "--real and --host away"
    )
