"""The stages of a test alert, and where it stops."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_token_monitor.deployment.doctor.travel import STAGES, Stage, Step, Stop, travel

SECOND = 1_000_000_000


@dataclass
class Clock:
    """Goes on when somebody pauses."""

    now: int = 100 * SECOND

    def __call__(self) -> int:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


@dataclass
class Seen:
    """An alert that comes to each stage after some seconds."""

    clock: Clock
    seconds: dict[str, float]
    asked: list[str] = field(default_factory=list)

    def seen_ns(self, stage: Stage) -> int | None:
        self.asked.append(stage.name)
        due = 100 * SECOND + round(self.seconds.get(stage.name, 1e6) * SECOND)
        return due if due <= self.clock.now else None

    def reason(self, stage: Stage) -> str:
        return f"why not {stage.name}"


def ways(seconds: dict[str, float], timeout: float = 10) -> list[tuple[str, float | str]]:
    clock = Clock()
    found = travel(
        Seen(clock, seconds),
        STAGES,
        asked_ns=clock.now - SECOND,
        seconds=timeout,
        clock=clock,
        pause=clock.pause,
    )
    return [(way.stage.name, way.seconds if isinstance(way, Step) else way.reason) for way in found]


def test_each_step_has_its_seconds_since_it_was_asked_for() -> None:
    seconds = {"/metrics": 0.0, "Prometheus": 2.5, "Alertmanager": 2.0, "receiver": 9.5}
    assert ways(seconds) == [
        ("/metrics", 1.0),
        ("Prometheus", 3.5),
        ("Alertmanager", 3.0),
        ("receiver", 10.5),
    ]


def test_it_stops_where_it_does_not_come_in_time() -> None:
    assert ways({"/metrics": 0.0, "Prometheus": 11.0}) == [
        ("/metrics", 1.0),
        ("Prometheus", "why not Prometheus"),
    ]


def test_the_last_look_is_when_the_time_is_over() -> None:
    clock = Clock()
    seen = Seen(clock, {})
    (way,) = travel(seen, STAGES, asked_ns=0, seconds=0.5, clock=clock, pause=clock.pause)
    assert isinstance(way, Stop)
    assert (clock.now, len(seen.asked)) == (100 * SECOND + SECOND // 2, 3)
