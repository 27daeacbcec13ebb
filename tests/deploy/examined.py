"""A real chain that `doctor` looks at, and ways to break it for a while."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx

from otel_token_monitor.demo.stack.servers import HOST, free_port
from otel_token_monitor.deployment.alertmanager_api import AlertmanagerApi
from otel_token_monitor.deployment.prometheus_api import PrometheusApi
from tests.deploy.chain import Chain, Spender, standing
from tests.integration.archived import command
from tests.integration.receiving import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Stack", "reload", "sending_to", "silenced", "standing_stack"]

TOKEN: Final = "a-token-of-sixteen"


@dataclass
class Stack:
    """A chain that can be broken, and mended."""

    chain: Chain
    data_dir: Path
    token_file: Path
    undo: ExitStack
    spender: Spender = field(init=False)

    def start_spender(self, port: int) -> None:
        token_file = str(self.token_file)
        spender = Spender(self.data_dir, port=port, alerts_token_file=token_file)
        self.spender = self.undo.enter_context(spender)

    @property
    def prometheus(self) -> PrometheusApi:
        return PrometheusApi(self.chain.prometheus.address)

    @property
    def options(self) -> list[str]:
        return [
            *("--data-dir", str(self.data_dir), "--metrics", f"http://{self.spender.address}"),
            *("--prometheus", self.chain.prometheus.address),
        ]

    def doctor(self, *more: str, **environ: str) -> tuple[int, str, str]:
        return command("doctor", *self.options, *more, env={"COLUMNS": "200", **environ})

    def found(self, *more: str) -> tuple[int, dict[str, Any]]:
        """The exit code, and the document."""
        code, out, errors = self.doctor("--json", *more)
        assert errors == ""
        return code, json.loads(out)

    def broken(self, *more: str) -> dict[str, str]:
        """What is said of each link that is broken: of nothing else if the exit code is 0."""
        code, document = self.found(*more)
        links = {
            link["name"]: "\n".join(
                f"{finding['text']} → {finding['remedy']}"
                for finding in link["findings"]
                if finding["state"] == "broken"
            )
            for link in document["links"]
            if link["state"] == "broken"
        }
        assert (code, document["state"] == "broken") == (int(bool(links)), bool(links))
        return links

    def has_target(self, health: str) -> bool:
        """Whether the application is what Prometheus scrapes, with that success."""
        url = f"http://{self.spender.address}/metrics"
        return [(one.url, one.health) for one in self.prometheus.targets()] == [(url, health)]

    def is_well(self) -> bool:
        shown = f'otel_token_monitor_build_info{{instance="{self.spender.address}"}}'
        notified = (self.chain.alertmanager.address,)
        return (
            self.has_target("up")
            and bool(self.chain.query(shown))
            and self.prometheus.alertmanagers() == notified
        )

    @contextmanager
    def changed(self, path: Path, text: str) -> Iterator[None]:
        """A file has another text for a while."""
        before = path.read_text()
        path.write_text(text)
        try:
            yield
        finally:
            path.write_text(before)


@contextmanager
def standing_stack(path: Path) -> Iterator[Stack]:
    """A chain where all is well, within moments."""
    port, token_file = free_port(), path / "monitors-token"
    token_file.write_text(TOKEN)
    with ExitStack() as undo:
        address = f"{HOST}:{port}"
        chain = undo.enter_context(
            standing(path / "chain", [address], receiver=f"http://{address}/alerts")
        )
        chain.layout.token_file.write_text(TOKEN)
        stack = Stack(chain, path / "ledger", token_file, undo)
        stack.start_spender(port)
        stack.spender.use(1000)
        yield stack


@contextmanager
def silenced(address: str, alert: str) -> Iterator[Callable[[], None]]:
    """Silence an alert until the end, or until it is called."""
    now = datetime.now(UTC)
    matcher = {"name": "alertname", "value": alert, "isRegex": False, "isEqual": True}
    silence = {
        "matchers": [matcher],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "me",
        "comment": "a test",
    }
    answer = httpx.post(f"{address}/api/v2/silences", json=silence, timeout=60).raise_for_status()
    silence_id = answer.json()["silenceID"]

    def end() -> None:
        # Once more is no harm.
        httpx.delete(f"{address}/api/v2/silence/{silence_id}")

    try:
        yield end
    finally:
        end()


@contextmanager
def sending_to(stack: Stack, url: str) -> Iterator[None]:
    """Have Alertmanager post to another address for a while."""
    file = stack.chain.layout.alertmanager
    old = f"http://{stack.spender.address}/alerts"
    api = AlertmanagerApi(stack.chain.alertmanager.address)
    with stack.changed(file, file.read_text().replace(old, url)):
        reload(stack.chain.alertmanager.process)
        eventually(lambda: url in api.configuration())
        yield
    reload(stack.chain.alertmanager.process)
    eventually(lambda: old in api.configuration())


def reload(process: Any) -> None:
    """Have a server read its configuration again."""
    process.send_signal(signal.SIGHUP)
