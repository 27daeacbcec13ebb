"""A copy of the bundled files for servers of one's own: their ports, their pace, a token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.bundle import PROMETHEUS, bundled
from otel_token_monitor.replacing import replaced_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path

__all__ = ["Intervals", "Layout", "Target", "lay_out"]

_TOKEN_FILE: Final = "alerts-token"  # noqa: S105 - the name of a file
_TARGETS: Final = "targets/token-monitors.yml"
_ALERTMANAGERS: Final = "targets/alertmanagers.yml"
# What is not for the servers: tests of the rules.
_LEFT_OUT: Final = "tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where `/metrics` is served, as host:port; `fleet` is the target's label, if it has one."""

    address: str
    fleet: str | None = None

    @property
    def entry(self) -> str:
        """The target in a file of file_sd."""
        labels = "" if self.fleet is None else f"\n  labels: {{fleet: {self.fleet}}}"
        return f"- targets: ['{self.address}']{labels}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How fast it goes, in seconds; None is as in the bundled files."""

    scrape: int | None = None
    evaluation: int | None = None
    group_wait: int | None = None
    group_interval: int | None = None

    @property
    def replaced(self) -> dict[str, dict[str, str]]:
        """What becomes of which line, by file."""
        return {
            "prometheus.yml": _lines(
                ("scrape_interval: 15s", "scrape_interval", self.scrape),
                ("evaluation_interval: 15s", "evaluation_interval", self.evaluation),
            ),
            "alertmanager.yml": _lines(
                ("group_wait: 5s", "group_wait", self.group_wait),
                ("group_interval: 1m", "group_interval", self.group_interval),
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A directory with all that Prometheus and Alertmanager read."""

    directory: Path

    @property
    def prometheus(self) -> Path:
        """The configuration of Prometheus."""
        return self.directory / "prometheus.yml"

    @property
    def prometheus_storage(self) -> Path:
        """Where Prometheus keeps its database."""
        return self.directory / "prometheus"

    @property
    def alertmanager(self) -> Path:
        """The configuration of Alertmanager."""
        return self.directory / "alertmanager.yml"

    @property
    def alertmanager_storage(self) -> Path:
        """Where Alertmanager keeps what it knows."""
        return self.directory / "alertmanager"

    @property
    def token_file(self) -> Path:
        """The token that Alertmanager gives at /alerts; only its owner can read it."""
        return self.directory / _TOKEN_FILE

    def scrape(self, targets: Iterable[Target]) -> None:
        """Have these targets scraped from now on, instead of those before."""
        entries = "\n".join(target.entry for target in targets)
        with replaced_file(self.directory / _TARGETS) as file:
            file.write(f"{entries or '[]'}\n".encode())


def lay_out(
    directory: Path,
    *,
    targets: Sequence[Target],
    alertmanager: str,
    receiver: str,
    intervals: Intervals | None = None,
) -> Layout:
    """Copy the bundled files to a directory, and have them lead to these places.

    `alertmanager` is a host:port, `receiver` the address that notifications are posted to, such as
    http://127.0.0.1:9464/alerts. All else is as it is bundled. Raises ValueError if a bundled file
    does not have what is to be replaced.
    """
    _copy(bundled(PROMETHEUS), directory)
    layout = Layout(directory=directory)
    layout.token_file.touch(mode=0o600)
    layout.token_file.write_text(f"{secrets.token_urlsafe(32)}\n")
    layout.scrape(targets)
    _replace(directory / _ALERTMANAGERS, {"[localhost:9093]": f"['{alertmanager}']"})
    _replace(layout.alertmanager, {"url: http://localhost:9464/alerts": f"url: {receiver}"})
    for name, lines in (intervals or Intervals()).replaced.items():
        _replace(directory / name, lines)
    return layout


def _lines(*settings: tuple[str, str, int | None]) -> dict[str, str]:
    return {line: f"{name}: {value}s" for line, name, value in settings if value is not None}


def _copy(source: Traversable, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for one in source.iterdir():
        if one.is_file():
            (target / one.name).write_bytes(one.read_bytes())
        elif one.name != _LEFT_OUT:
            _copy(one, target / one.name)


def _replace(path: Path, texts: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in texts.items():
        if old not in text:
            raise ValueError(f"the bundled {path.name} does not have {old!r}")
        text = text.replace(old, new)
    path.write_text(text)
