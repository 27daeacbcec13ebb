"""Where the demo is served, and what it takes from the environment."""

from __future__ import annotations

import io
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from rich.console import Console

from otel_token_monitor.demo import run
from otel_token_monitor.demo.hosting import DemoError
from otel_token_monitor.demo.run import Options
from otel_token_monitor.demo.screen import Address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOKEN = "a-token-of-sixteen"


class Watched(io.StringIO):
    """What a demo prints; asks at its address as soon as that is there, and ends it then."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop
        self.address = ""
        self.codes: list[int] = []

    def write(self, text: str) -> int:
        """Keep it."""
        if text.endswith("/metrics\n"):
            self.address = text.removesuffix("/metrics\n")
            for token in ("", f"Bearer {TOKEN}"):
                answer = httpx.post(
                    f"{self.address}/alerts", headers={"Authorization": token}, timeout=30
                )
                self.codes.append(answer.status_code)
            self._stop.set()
        return super().write(text)


def demo(data_dir: Path, host: str, variables: Mapping[str, str]) -> Watched:
    """A short demo on a free port."""
    stop = threading.Event()
    shown = Watched(stop)
    options = Options(data_dir=data_dir, host=host, port=0, variables=variables)
    run.run(options, Console(file=shown), stop)
    return shown


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return str(path)


def test_its_alerts_take_the_token_in_the_file_that_a_variable_names(
    tmp_path: Path, token_file: str
) -> None:
    shown = demo(tmp_path, "127.0.0.1", {"TOKEN_ALERTS_TOKEN_FILE": token_file})
    # Without the token, and with it, but with no webhook in the body.
    assert shown.codes == [401, 400]


def test_other_variables_mean_nothing_to_it(tmp_path: Path) -> None:
    variables = {"TOKEN_ALERTS_TOKEN": TOKEN, "TOKEN_DAILY_LIMIT": "nonsense"}
    assert demo(tmp_path, "127.0.0.1", variables).codes == [403, 403]


@pytest.mark.skipif(not socket.has_ipv6, reason="has no IPv6")
def test_the_address_of_an_ipv6_host_can_be_asked(tmp_path: Path) -> None:
    shown = demo(tmp_path, "::1", {})
    assert shown.address.startswith("http://[::1]:")


def test_what_is_served_at_all_addresses_is_asked_at_loopback() -> None:
    everywhere = [Address("0.0.0.0", 9464), Address("::", 9464)]  # noqa: S104 - not bound
    assert [run._asked_at(one).url() for one in everywhere] == [
        "http://127.0.0.1:9464/",
        "http://[::1]:9464/",
    ]


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    # Of a block that is for documentation.
    message = r"^--host 192\.0\.2\.1 is no address of this machine$"
    with pytest.raises(DemoError, match=message):
        demo(tmp_path, "192.0.2.1", {})
