"""The server on real sockets."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.web import server as server_module
from otel_token_monitor.web.routes import create_app
from otel_token_monitor.web.server import MetricsServer
from tests.unit.web.ledgers import broken_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric
    from starlette.types import ASGIApp

    Start = Callable[..., MetricsServer]


pytestmark = pytest.mark.integration

SOURCES = broken_sources(LedgerError("no ledger"))


def app(registry: CollectorRegistry | None = None) -> ASGIApp:
    return create_app(SOURCES if registry is None else replace(SOURCES, registry=registry))


def url(server: MetricsServer, path: str = "/healthz") -> str:
    assert server.address is not None
    host, port = server.address
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def get(server: MetricsServer, path: str = "/healthz") -> int:
    return httpx.get(url(server, path), timeout=60).status_code


def port_of(server: MetricsServer) -> int:
    assert server.address is not None
    return server.address[1]


@pytest.fixture(autouse=True)
def _loggers_as_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other servers of this process may have set up uvicorn's loggers."""
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        log = logging.getLogger(name)
        monkeypatch.setattr(log, "handlers", [])
        monkeypatch.setattr(log, "propagate", True)
        log.setLevel(logging.NOTSET)


@pytest.fixture
def make() -> Iterator[Start]:
    """Makes servers, and stops them in the end."""
    made: list[MetricsServer] = []

    def make_one(host: str = "127.0.0.1", port: int = 0) -> MetricsServer:
        made.append(MetricsServer(app, host, port))
        return made[-1]

    yield make_one
    for server in made:
        server.stop()


@pytest.fixture
def server(make: Start) -> MetricsServer:
    made = make()
    assert made.try_start()
    return made


def test_it_serves(server: MetricsServer) -> None:
    assert get(server) == 200


def test_port_0_takes_a_free_port(server: MetricsServer) -> None:
    assert port_of(server) > 0


def test_before_the_start_there_is_no_address(make: Start) -> None:
    assert make().address is None


def test_after_the_stop_there_is_no_address(server: MetricsServer) -> None:
    server.stop()
    assert server.address is None


def test_starting_twice_changes_nothing(server: MetricsServer) -> None:
    before = server.address
    assert (server.try_start(), server.address) == (True, before)


def test_stopping_twice_does_nothing(server: MetricsServer) -> None:
    server.stop()
    server.stop()


def test_a_stopped_server_starts_again(server: MetricsServer) -> None:
    server.stop()
    assert (server.try_start(), get(server)) == (True, 200)


def test_localhost_is_ipv4(make: Start) -> None:
    server = make("localhost")
    server.try_start()
    assert server.address == ("127.0.0.1", port_of(server))


def test_a_taken_port_is_no_error(server: MetricsServer, make: Start) -> None:
    assert make(port=port_of(server)).try_start() is False


def test_a_bound_port_is_taken_once_its_owner_listens(make: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as owner:
        assert make(port=owner.getsockname()[1]).try_start() is False


def test_no_application_is_made_for_a_taken_port(server: MetricsServer) -> None:
    calls: list[None] = []

    def factory() -> ASGIApp:
        calls.append(None)
        return app()

    MetricsServer(factory, "127.0.0.1", port_of(server)).try_start()
    assert calls == []


def test_a_freed_port_is_taken_over(server: MetricsServer, make: Start) -> None:
    second = make(port=port_of(server))
    assert second.try_start() is False
    get(server)
    server.stop()
    assert (second.try_start(), get(second)) == (True, 200)


def test_a_failing_factory_frees_the_port(make: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def factory() -> ASGIApp:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        MetricsServer(factory, "127.0.0.1", port).try_start()
    assert make(port=port).try_start() is True


def test_an_unknown_host_is_named(make: Start) -> None:
    with pytest.raises(OSError, match=r"^cannot serve metrics on no\.such\.host\.invalid:9 "):
        make("no.such.host.invalid", 9).try_start()


def test_a_host_that_is_no_name_is_an_os_error(make: Start) -> None:
    with pytest.raises(OSError, match="set a host and port of this machine"):
        make("x" * 70).try_start()


def test_an_address_of_another_machine_is_an_os_error(make: Start) -> None:
    with pytest.raises(OSError, match=r"cannot serve metrics on 192\.0\.2\.1:0 ") as raised:
        make("192.0.2.1").try_start()
    assert raised.value.errno == errno.EADDRNOTAVAIL


def test_only_one_process_may_listen(server: MetricsServer) -> None:
    assert server._running is not None
    listener = server._running._listener
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0


def test_signal_handlers_stay(make: Start) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    server = make()
    server.try_start()
    get(server)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_applications_access_log_stays(make: Start) -> None:
    log = logging.getLogger("uvicorn.access")
    handler = logging.NullHandler()
    log.addHandler(handler)
    make().try_start()
    assert (log.handlers, log.propagate) == ([handler], True)
    log.removeHandler(handler)


def test_nothing_is_logged(make: Start, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        server = make()
        server.try_start()
        get(server)
        server.stop()
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def collect(self) -> list[Metric]:
            raise ZeroDivisionError

    registry = CollectorRegistry()
    registry.register(Broken())
    server = MetricsServer(lambda: app(registry), "127.0.0.1", 0)
    server.try_start()
    status = get(server, "/metrics")
    server.stop()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (status, len(errors)) == (500, 1)
    caplog.clear()


class Slow:
    """A collector that waits until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.gone = threading.Event()

    def collect(self) -> list[Metric]:
        self.entered.set()
        self.go.wait(60)
        self.gone.set()
        return [GaugeMetricFamily("waited", "Waited.", 1)]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def slow_server(slow: Slow) -> Iterator[MetricsServer]:
    registry = CollectorRegistry()
    registry.register(slow)
    server = MetricsServer(lambda: app(registry), "127.0.0.1", 0)
    server.try_start()
    yield server
    slow.go.set()
    server.stop()


def scrape_in_thread(server: MetricsServer) -> tuple[threading.Thread, list[int]]:
    answers: list[int] = []
    address = url(server, "/metrics")

    def scrape() -> None:
        try:
            answers.append(httpx.get(address, timeout=60).status_code)
        except httpx.HTTPError:
            answers.append(0)

    thread = threading.Thread(target=scrape)
    thread.start()
    return thread, answers


def test_a_slow_scrape_does_not_block_others(slow_server: MetricsServer, slow: Slow) -> None:
    thread, _ = scrape_in_thread(slow_server)
    slow.entered.wait(60)
    status = get(slow_server)
    slow.go.set()
    thread.join()
    assert status == 200


def test_a_running_scrape_is_answered_before_the_stop(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The answer comes within the grace, however slow this machine is.
    monkeypatch.setattr(server_module, "_GRACE_SECONDS", 50)
    monkeypatch.setattr(server_module, "_STOP_SECONDS", 60.0)
    registry = CollectorRegistry()
    registry.register(slow)
    slow_server = MetricsServer(lambda: app(registry), "127.0.0.1", 0)
    slow_server.try_start()
    thread, answers = scrape_in_thread(slow_server)
    slow.entered.wait(60)
    threading.Timer(0.2, slow.go.set).start()
    slow_server.stop()
    thread.join()
    assert answers == [200]


def test_a_hanging_scrape_does_not_keep_the_server_from_stopping(
    slow_server: MetricsServer, slow: Slow
) -> None:
    thread, _ = scrape_in_thread(slow_server)
    slow.entered.wait(60)
    slow_server.stop()
    assert not slow.gone.is_set()
    slow.go.set()
    thread.join()


def test_a_hanging_scrape_does_not_hold_the_port(
    slow_server: MetricsServer, slow: Slow, make: Start
) -> None:
    thread, _ = scrape_in_thread(slow_server)
    slow.entered.wait(60)
    port = port_of(slow_server)
    slow_server.stop()
    assert make(port=port).try_start() is True
    slow.go.set()
    thread.join()


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with warnings as errors."""
    prelude = (
        "import os, socket, sys, time, urllib.request\n"
        "from starlette.responses import PlainTextResponse\n"
        "from otel_token_monitor.web.server import MetricsServer\n"
        "def app():\n"
        "    return PlainTextResponse('{{}}')\n"
        "def get(server):\n"
        "    with urllib.request.urlopen('http://%s:%d/healthz' % server.address) as answer:\n"
        "        return answer.status\n"
        "server = MetricsServer(app, '127.0.0.1', 0)\n"
        "server.try_start()\n"
    )
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", prelude + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_does_not_keep_the_process_alive() -> None:
    ended = run("print(get(server))")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "200\n", "")


def test_another_event_loop_policy_is_not_used() -> None:
    ended = run(
        "import asyncio\n"
        "server.stop()\n"
        "class Policy(asyncio.DefaultEventLoopPolicy):\n"
        "    def new_event_loop(self): print('used'); return super().new_event_loop()\n"
        "asyncio.set_event_loop_policy(Policy())\n"
        "server.try_start()\n"
        "print(get(server))\n"
    )
    assert (ended.stdout, ended.stderr) == ("200\n", "")


# A child's status is how the script knows what went well there.
FORK = """
keep = socket.create_connection(server.address)
keep.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
while not keep.recv(65536).endswith(b'}}'):
    pass
address = server.address
ready, tell = os.pipe()
child = os.fork()
if child == 0:
    keep.close()
    server.forget_after_fork()
    CHILD
    sys.exit(0)
PARENT
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
keep.close()
"""


def forked(child: str, parent: str = "") -> subprocess.CompletedProcess[str]:
    return run(FORK.replace("CHILD", child).replace("PARENT", parent))


def test_a_forked_child_is_not_serving() -> None:
    ended = forked("print(server.address, flush=True)")
    assert (ended.stdout, ended.stderr) == ("None\n0\n", "")


def test_the_parent_serves_on_after_a_fork() -> None:
    ended = forked("os.write(tell, b'.')", "os.read(ready, 1); print(get(server))")
    assert (ended.stdout, ended.stderr) == ("200\n0\n", "")


def test_a_forked_child_does_not_hold_the_parents_port() -> None:
    ended = forked(
        "os.write(tell, b'.'); time.sleep(60)",
        "os.read(ready, 1); server.stop()\n"
        "print(MetricsServer(app, *address).try_start())\n"
        "os.kill(child, 9)",
    )
    assert (ended.stdout, ended.stderr) == ("True\n-9\n", "")


def test_a_forked_child_does_not_hold_the_parents_connections() -> None:
    ended = forked(
        "os.write(tell, b'.'); time.sleep(60)",
        "os.read(ready, 1); server.stop()\n"
        "keep.settimeout(50); print(keep.recv(1))\n"
        "os.kill(child, 9)",
    )
    assert (ended.stdout, ended.stderr) == ("b''\n-9\n", "")


def test_a_forked_child_waits_for_the_parents_port() -> None:
    ended = forked(
        "second = MetricsServer(app, *address)\n"
        "    assert not second.try_start()\n"
        "    os.write(tell, b'.')\n"
        "    while not second.try_start(): time.sleep(0.05)\n"
        "    assert get(second) == 200",
        "os.read(ready, 1); server.stop()",
    )
    assert (ended.stdout, ended.stderr) == ("0\n", "")


def test_a_forked_child_starts_its_own() -> None:
    ended = forked(
        "assert server.try_start()\n"
        "    assert server.address != address\n"
        "    assert get(server) == 200\n"
        "    os.write(tell, b'.')\n"
        "    server.stop()",
        "os.read(ready, 1); print(get(server))",
    )
    assert (ended.stdout, ended.stderr) == ("200\n0\n", "")
