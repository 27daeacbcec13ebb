"""A test alert on its way through the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["STAGES", "Sight", "Stage", "Step", "Stop", "travel"]

_NANO: Final = 1_000_000_000
_PAUSE: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A place that the alert comes to, and what `said` then."""

    name: str
    said: str


STAGES: Final = (
    Stage(name="/metrics", said="shows it"),
    Stage(name="Prometheus", said="has fired it"),
    Stage(name="Alertmanager", said="has it"),
    Stage(name="receiver", said="has received it"),
)
"""In the order of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The alert has come to a stage, at an instant (UTC); `seconds` after it was asked for."""

    stage: Stage
    time_ns: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The alert has not come to a stage within the time; `reason` is the likely one."""

    stage: Stage
    reason: str


class Sight(Protocol):
    """Sees the alert."""

    def seen_ns(self, stage: Stage) -> int | None:
        """When the alert came to a stage, or now if only that is known; None: it has not yet."""

    def reason(self, stage: Stage) -> str:
        """Why it may not have come to a stage."""


def travel(  # noqa: PLR0913 - keyword-only
    sight: Sight,
    stages: Sequence[Stage],
    *,
    asked_ns: int,
    seconds: float,
    clock: Callable[[], int],
    pause: Callable[[float], object],
) -> Iterator[Step | Stop]:
    """Each step as it is made; a stop, if the last stage is not reached within so many seconds.

    The time runs from now on, which may be later than when the alert was asked for.
    """
    end_ns = clock() + round(seconds * _NANO)
    for stage in stages:
        while (seen_ns := sight.seen_ns(stage)) is None:
            if clock() >= end_ns:
                yield Stop(stage=stage, reason=sight.reason(stage))
                return
            pause(_PAUSE)
        yield Step(stage=stage, time_ns=seen_ns, seconds=(seen_ns - asked_ns) / _NANO)
