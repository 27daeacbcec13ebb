"""Servers that are missing, that do not start, and that do not want to end."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from otel_token_monitor.demo.stack import servers
from otel_token_monitor.demo.stack.servers import (
    MissingServerError,
    RunningServer,
    ServerEndedError,
    StartError,
    check_installed,
    free_port,
    is_free,
    running_prometheus,
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that has all the programs there are."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    return path


def add(programs: Path, name: str, does: str = "") -> None:
    program = programs / name
    program.write_text(f"#!{sys.executable}\n{does}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("installed", "message"),
    [
        ([], "prometheus is not installed: apt-get install prometheus"),
        (
            ["prometheus"],
            "prometheus-alertmanager is not installed: apt-get install prometheus-alertmanager",
        ),
    ],
)
def test_a_missing_server_is_named_with_its_package(
    installed: list[str], message: str, programs: Path
) -> None:
    for name in installed:
        add(programs, name)
    with pytest.raises(MissingServerError, match=f"^{re.escape(message)}$"):
        check_installed()


@pytest.mark.parametrize("name", ["prometheus-alertmanager", "alertmanager"])
def test_alertmanager_may_have_either_name(name: str, programs: Path) -> None:
    add(programs, "prometheus")
    add(programs, name)
    check_installed()


def test_a_server_that_does_not_start_says_why(programs: Path, tmp_path: Path) -> None:
    add(programs, "prometheus", "raise SystemExit('no such rule')")
    with (
        pytest.raises(StartError) as raised,
        running_prometheus(tmp_path / "p.yml", tmp_path / "data"),
    ):
        pytest.fail("it is not ready")
    assert str(raised.value) == "prometheus did not become ready; it said:\nno such rule"


def running(log: Path, does: str) -> RunningServer:
    """A process that has said `ready`."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import signal, time\n{does}"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == b"ready\n"
    return RunningServer(process=process, port=1, log=log)


def test_a_server_that_ended_by_itself_is_an_error_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("disk full\n")
    server = running(log, "print('ready', flush=True); raise SystemExit(7)")
    server.process.wait(60)
    message = f"{Path(sys.executable).name} has ended with exit code 7; it said:\ndisk full"
    with pytest.raises(ServerEndedError, match=f"^{re.escape(message)}$"):
        server.check()


def test_a_server_that_does_not_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "_STOP_SECONDS", 0.2)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
    server = running(tmp_path / "log", f"{deaf}; time.sleep(60)")
    server.check()
    server.stop()
    assert server.process.returncode == -9


def test_a_port_is_free_unless_somebody_listens() -> None:
    with socket.create_server((servers.HOST, 0)) as listening:
        assert not is_free(listening.getsockname()[1])
    assert is_free(free_port())
