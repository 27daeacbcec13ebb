"""The files that come with the package, as `deploy/` of its repository has them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["PROMETHEUS", "RULES", "bundled"]

PROMETHEUS: Final = "prometheus"
"""The directory with what Prometheus and Alertmanager read."""
RULES: Final = f"{PROMETHEUS}/rules"
"""The directory with the recording and alert rules."""


def bundled(path: str = "") -> Traversable:
    """The bundled file or directory of a path such as `prometheus/rules`."""
    place = files(__package__) / "bundled"
    return place.joinpath(*path.split("/")) if path else place
