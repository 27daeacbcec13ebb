"""What is said of a server that nobody can ask, or that does not answer as it should."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.deployment.http_api import (
    ApiError,
    RefusedError,
    UnknownHostError,
    WrongAnswerError,
)
from otel_token_monitor.deployment.prometheus_api import PrometheusApi
from tests.unit.deployment.canned import Canned, canned, of_json, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUERY = "/api/v1/query"
NOTHING = of_json({"status": "success", "data": {"resultType": "vector", "result": []}})


def message_of(answers: dict[str, Canned]) -> str:
    """What is said of a server with these answers; its address is A."""
    with canned(answers) as server:
        with pytest.raises(WrongAnswerError) as raised:
            PrometheusApi(server.address).query("up")
        return str(raised.value).replace(server.address, "A")


@pytest.mark.parametrize("status", [401, 403])
def test_one_that_wants_a_password_says_how_to_give_it(status: int) -> None:
    assert message_of({QUERY: plain("no", status)}) == (
        f"A wants a password (it answers {status}): give user and password in the address "
        "(--prometheus http://USER:PASSWORD@…)"
    )


def test_a_redirect_is_not_followed_and_its_secrets_are_not_told() -> None:
    login = Canned(302, "text/html", "", "https://me:secret@login.example/in?back=token")
    assert message_of({QUERY: login}) == (
        "A redirects to https://login.example/in: give the address that it leads to with "
        "--prometheus; if that is a login page, one that asks for no login"
    )


def test_nobody_listens() -> None:
    with canned({}) as server:
        port = server.server_port
    with pytest.raises(RefusedError) as raised:
        PrometheusApi(f"http://me:secret@127.0.0.1:{port}").query("up")
    assert str(raised.value) == (
        f"http://127.0.0.1:{port} refuses the connection: start Prometheus, or give its address "
        "with --prometheus"
    )


def test_nobody_answers_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ApiError) as raised:
            PrometheusApi(address, timeout=0.1).query("up")
    assert str(raised.value) == (
        f"{address} does not answer within 0.1 s: it hangs or a firewall is between; or give the "
        "address with --prometheus"
    )


@contextmanager
def hanging_up(*, politely: bool) -> Iterator[str]:
    """A server that reads what it is asked, and ends the connection; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                if not politely:
                    at_once = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("reason", "politely"),
    [
        ("does not speak HTTP as it should (RemoteDisconnected)", True),
        ("cannot be reached (Connection reset by peer)", False),
    ],
)
def test_somebody_answers_and_hangs_up(reason: str, *, politely: bool) -> None:
    with hanging_up(politely=politely) as address, pytest.raises(ApiError) as raised:
        PrometheusApi(address).query("up")
    assert str(raised.value) == (
        f"{address} {reason}: start Prometheus, or give its address with --prometheus"
    )


def test_https_at_a_port_of_http() -> None:
    with canned({}) as server:
        address = server.address.replace("http:", "https:")
        with pytest.raises(ApiError) as raised:
            PrometheusApi(address).query("up")
    assert str(raised.value) == (
        f"{address} has a certificate that is not accepted, or speaks no TLS: set "
        "REQUESTS_CA_BUNDLE to the file of your authority, or give an http:// address"
    )


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(UnknownHostError) as raised:
        PrometheusApi("http://nobody.invalid:9090").query("up")
    assert str(raised.value) == (
        "http://nobody.invalid:9090 has a host that is not known here (nobody.invalid): give its "
        "address with --prometheus, with the path if it has one"
    )


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with canned({}) as server:
        port = server.server_port
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(ApiError) as raised:
        PrometheusApi("http://prometheus.example:9090").query("up")
    assert str(raised.value) == (
        "http://prometheus.example:9090 cannot be reached through the proxy of the environment: "
        "set NO_PROXY=prometheus.example, or mend HTTP_PROXY and HTTPS_PROXY"
    )


@pytest.mark.parametrize("address", ["''", "ftp://x", "http://", "http://x:99999", "http://x:y"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ApiError) as raised:
        PrometheusApi(address.strip("'"))
    assert str(raised.value) == (
        f"{address} is no address: --prometheus takes one such as http://localhost:9090"
    )


def test_the_password_of_what_is_no_address_is_not_told() -> None:
    with pytest.raises(ApiError) as raised:
        PrometheusApi("http://me:secret@host:port")
    assert "secret" not in str(raised.value)


def test_what_is_in_netrc_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with canned({QUERY: NOTHING}) as server:
        PrometheusApi(server.address).query("up")
        assert server.authorizations == ["Basic bWU6c2VjcmV0"]
