"""Fixtures of the alerts' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.alerts.scenes import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from otel_token_monitor.budgets.limits import Limit


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Makes scenes in one directory, of limits; closes them in the end."""
    made: list[Scene] = []

    def make(*limits: Limit, **settings: Any) -> Scene:
        made.append(Scene(tmp_path, *limits, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
