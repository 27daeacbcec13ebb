"""The files that come with the package, as `deploy/` of its repository has them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

__all__ = ["DASHBOARDS", "GRAFANA", "PROMETHEUS", "RULES", "bundled", "bundled_files"]

PROMETHEUS: Final = "prometheus"
"""The directory with what Prometheus and Alertmanager read."""
RULES: Final = f"{PROMETHEUS}/rules"
"""The directory with the recording and alert rules."""
GRAFANA: Final = "grafana"
"""The directory with what Grafana reads."""
DASHBOARDS: Final = f"{GRAFANA}/dashboards"
"""The directory with the dashboards."""

# What tests the rules is in the repository only.
_NOT_BUNDLED: Final = frozenset({f"{PROMETHEUS}/tests"})


def bundled(path: str = "") -> Traversable:
    """The bundled file or directory of a path such as `prometheus/rules`."""
    place = files(__package__) / "bundled"
    return place.joinpath(*path.split("/")) if path else place


def bundled_files(directory: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file below a bundled directory, in the order of their names."""
    for entry in sorted(bundled(directory).iterdir(), key=lambda entry: entry.name):
        path = f"{directory}/{entry.name}"
        if entry.is_file():
            yield path, entry.read_bytes()
        elif path not in _NOT_BUNDLED:
            yield from bundled_files(path)
