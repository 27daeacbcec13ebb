"""Nothing that goes wrong in capture may reach the caller: it is counted, and said once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["faults", "guarded"]

P = ParamSpec("P")
T = TypeVar("T")


class _Faults:
    """Where faults are counted: with those of the other hooks, once there is a capture."""

    def __init__(self) -> None:
        self.note: Callable[[], None] = self._nowhere

    @staticmethod
    def _nowhere() -> None:
        """Nobody asks yet."""


faults: Final = _Faults()
"""Takes note of the fault that is being handled."""


def guarded(function: Callable[P, T]) -> Callable[P, T | None]:
    """Have what a function raises go no further: it gives None instead."""

    @functools.wraps(function)
    def guard(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return function(*args, **kwargs)
        except Exception:  # noqa: BLE001 - the boundary: see the module
            faults.note()
            return None

    return guard
