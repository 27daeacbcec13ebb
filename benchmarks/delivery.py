"""How long an alert takes: from the call that crosses a threshold to the receiver.

Several applications, each a fleet of its own, cross their thresholds at moments of their own; one
Prometheus scrapes them and one Alertmanager notifies, with the bundled files and their intervals.
It takes some four minutes, so it runs only when it is named: `python -m benchmarks delivery`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measure import Row
from otel_token_monitor.demo.stack.layout import Intervals, Target
from tests.deploy.chain import LIMIT, Spender, standing
from tests.integration.receiving import Receiver, answering

if TYPE_CHECKING:
    from collections.abc import Sequence

CROSSINGS: Final = 8
# As bundled, in seconds.
SCRAPE: Final = 15
EVALUATION: Final = 15
GROUP_WAIT: Final = 5
GROUP_INTERVAL: Final = 60
_PATIENCE: Final = 200.0

Told = tuple[str, str, str]
"""Fleet, severity and status."""


class _Clock(Receiver):
    """Keeps when each alert came first (UTC ns)."""

    def __init__(self) -> None:
        super().__init__(0)
        self.came_ns: dict[Told, int] = {}

    def take(self, payload: dict[str, Any]) -> None:
        """Note the time."""
        now_ns = time.time_ns()
        for alert in payload["alerts"]:
            labels = alert["labels"]
            told = labels.get("fleet", ""), labels["severity"], alert["status"]
            self.came_ns.setdefault(told, now_ns)

    def seconds_from(self, since_ns: int, told: Told) -> float:
        """How long after an instant it came. Waits for it; raises TimeoutError."""
        deadline = time.monotonic() + _PATIENCE
        while told not in self.came_ns:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{told} was not delivered within {_PATIENCE:.0f} s")
            time.sleep(0.05)
        return (self.came_ns[told] - since_ns) / 1e9


def run(intervals: Intervals | None = None, crossings: int = CROSSINGS) -> list[Row]:
    """The slowest of each kind beside what it may take at most."""
    chosen = intervals or Intervals()
    firing = (
        2 * (chosen.scrape or SCRAPE)
        + 2 * (chosen.evaluation or EVALUATION)
        + (chosen.group_wait or GROUP_WAIT)
    )
    # The end waits until the group is due again.
    ended = firing + (chosen.group_interval or GROUP_INTERVAL)
    runs = measured(chosen, crossings)
    return [
        _row(f"delivery: {kind}", [seconds[kind] for seconds in runs], limit)
        for kind, limit in (("warning", firing), ("critical", firing), ("resolved", ended))
    ]


def measured(intervals: Intervals, crossings: int) -> list[dict[str, float]]:
    """Seconds from crossing to delivery of `warning`, `critical`, `resolved`, for each."""
    with (
        tempfile.TemporaryDirectory() as directory,
        answering(_Clock()) as clock,
        ThreadPoolExecutor(crossings) as pool,
    ):
        folder = Path(directory)
        # One after the other: they are slower to start than to run.
        spenders = [Spender(folder / f"fleet-{number}").__enter__() for number in range(crossings)]
        try:
            targets = [Target(address=one.address, fleet=one.data_dir.name) for one in spenders]
            address = f"http://127.0.0.1:{clock.server_port}/alerts"
            with standing(folder / "chain", targets, receiver=address, intervals=intervals):
                # Scraped once, as applications are that run for a while.
                time.sleep(5 + 2 * (intervals.scrape or SCRAPE))
                return list(pool.map(_cross, spenders, [clock] * crossings))
        finally:
            for one in spenders:
                one.__exit__()


def _cross(spender: Spender, clock: _Clock) -> dict[str, float]:
    """Cross both thresholds, then have the limit raised."""
    fleet, random = spender.data_dir.name, Random(spender.port)
    spender.use(LIMIT * 79 // 100)
    seconds = {}
    for kind in ("warning", "critical"):
        time.sleep(random.uniform(0, SCRAPE + EVALUATION))
        crossed_ns = spender.use(LIMIT // 10)
        seconds[kind] = clock.seconds_from(crossed_ns, (fleet, kind, "firing"))
    time.sleep(random.uniform(0, GROUP_INTERVAL))
    spender.stop()
    with Spender(spender.data_dir, port=spender.port, daily_limit=2 * LIMIT):
        raised_ns = time.time_ns()
        seconds["resolved"] = max(
            clock.seconds_from(raised_ns, (fleet, kind, "resolved"))
            for kind in ("warning", "critical")
        )
    return seconds


def _row(what: str, seconds: Sequence[float], limit: float) -> Row:
    return Row(
        what,
        f"{median(seconds):.1f} s",
        "",
        f"max {max(seconds):.1f} s of {len(seconds)}",
        f"≤ {limit:.0f} s",
        max(seconds) <= limit,
    )


def main() -> None:
    """Print each crossing, faster or as bundled (`python -m benchmarks.delivery [--fast]`)."""
    fast = Intervals(scrape=2, evaluation=2, group_wait=1, group_interval=8)
    for seconds in measured(fast if "--fast" in sys.argv else Intervals(), CROSSINGS):
        print("  ".join(f"{kind} {took:.1f} s" for kind, took in seconds.items()), flush=True)


if __name__ == "__main__":
    main()
