"""The port that one process of many holds: taken, taken over, refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.processes import samples
from tests.integration.steering import Application, eventually
from tests.integration.test_ledger_gunicorn import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

SERVED: dict[str, Any] = {"serve": True, "host": "127.0.0.1"}


def served(port: int) -> int | None:
    """How many calls `/metrics` has; None if nobody serves it."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    except httpx.TransportError:
        return None
    return int(sum(sample.value for sample in samples(text, "llm_requests_total")))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_port_is_taken_over_when_its_holder_is_gone(tmp_path: Path, end: str) -> None:
    port = free_port()
    with Application(tmp_path, port=port, **SERVED) as holder:
        holder.calls(10)
        assert holder.flush()
        eventually(lambda: served(port) == 10)
        with Application(tmp_path, port=port, **SERVED) as heir:
            heir.calls(5)
            taken = (
                f"port {port} of 127.0.0.1 is taken, by another worker perhaps: this process goes "
                f"on counting and takes the port over when it becomes free"
            )
            eventually(lambda: heir.log("INFO") == [taken])
            eventually(lambda: served(port) == 15)
            getattr(holder, end)()
            eventually(lambda: served(port) == 15)
            heir.calls(5)
            assert served(port) == 20
            assert heir.log("INFO") == [taken, f"metrics: http://127.0.0.1:{port}/metrics"]
            assert heir.stop() == 0


def test_an_address_of_another_machine_is_said_once_and_counting_goes_on(tmp_path: Path) -> None:
    with Application(tmp_path, serve=True, host="192.0.2.1", port=9464) as app:
        assert app.calls(10) == []
        eventually(lambda: app.log("ERROR"))
        (error,) = app.log("ERROR")
        assert error.startswith("metrics cannot be served: ")
        assert "cannot serve metrics on 192.0.2.1:9464" in error
        assert error.endswith("set a host and port of this machine")
        assert app.value("llm_requests_total") == 10
        assert app.stop() == 0
