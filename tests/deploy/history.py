"""A day and more of real scrapes and of what the rules made of them, as Prometheus stores it.

A real ledger is driven with a clock of the past, and shown by the package's own collector at each
minute. Prometheus itself evaluates the rules afterwards, those first that others build on.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.demo.stack.servers import running_prometheus
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.exposition import Family
from otel_token_monitor.views.scrape import take_scrape
from tests.deploy.rules import Rule, in_order, rules
from tests.deploy.traffic import NANO, SEARCH, SEARCH_LIMITS, SHOP, SHOP_LIMITS, Kind, batch_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from otel_token_monitor.demo.stack.servers import RunningServer

__all__ = ["END", "STEP", "History", "answered", "prometheus"]

END: Final = int(datetime(2026, 3, 3, 10, tzinfo=UTC).timestamp())
STEP: Final = 60
"""Seconds between two scrapes."""
_BLOCK: Final = 7200
# Nobody asks for these here; they would be most of the lines.
_LEFT_OUT: Final = {"llm_request_tokens", "llm_time_to_first_token_seconds"}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A ledger, the targets that show it, and each one's hours since the beginning."""

    kinds: tuple[Kind, ...]
    targets: Mapping[str, range]
    fleet: str = ""
    policy: Policy = field(default_factory=Policy)

    def labels(self, target: str) -> str:
        """The labels that a scrape adds."""
        fleet = f',fleet="{self.fleet}"' if self.fleet else ""
        return f'job="otel-token-monitor",instance="{target}"{fleet}'


@dataclass(frozen=True, kw_only=True)
class History:
    """So many hours of some machines, and of targets that never answer, by their labels."""

    hours: int
    machines: tuple[Machine, ...]
    silent: tuple[str, ...] = ()
    has_rules: bool = True

    @classmethod
    def of_two_fleets(cls) -> History:
        """A day and two hours. One ledger is shown by two targets of late, one moves to another."""
        shop = Machine(
            kinds=SHOP,
            targets={"shop-1:9464": range(27), "shop-2:9464": range(24, 27)},
            fleet="shop",
            policy=Policy(limits=SHOP_LIMITS),
        )
        find = Machine(
            kinds=SEARCH,
            targets={"search-1:9464": range(16), "search-2:9464": range(16, 27)},
            fleet="find",
            policy=Policy(limits=SEARCH_LIMITS),
        )
        return cls(hours=26, machines=(shop, find), silent=(shop.labels("shop-9:9464"),))

    @classmethod
    def without_limits(cls) -> History:
        """Two hours of one machine on which nothing is limited."""
        return cls(hours=2, machines=(Machine(kinds=SHOP, targets={"localhost:9464": range(3)}),))

    @classmethod
    def without_rules(cls) -> History:
        """An hour of one machine that has limits, in a Prometheus that has no rules."""
        policy = Policy(limits=SHOP_LIMITS)
        machine = Machine(kinds=SHOP, targets={"localhost:9464": range(2)}, policy=policy)
        return cls(hours=1, machines=(machine,), has_rules=False)

    @property
    def begin(self) -> int:
        """When it begins, in seconds since the epoch."""
        return END - self.hours * 3600


@contextmanager
def prometheus(history: History, folder: Path) -> Iterator[RunningServer]:
    """A real Prometheus that has seen a history, and scrapes and evaluates nothing itself."""
    folder.mkdir(parents=True, exist_ok=True)
    storage = folder / "data"
    _stored(_scrapes(history, folder), folder, storage)
    for level in in_order(rules()) if history.has_rules else ():
        with _started(folder, storage) as server:
            lines = [line for rule in level for line in _evaluated(server, rule, history)]
        _stored(_by_block(lines), folder, storage)
    with _started(folder, storage) as server:
        yield server


@contextmanager
def _started(folder: Path, storage: Path) -> Iterator[RunningServer]:
    configuration = folder / "prometheus.yml"
    configuration.write_text("scrape_configs: []\n")
    keep = "--storage.tsdb.retention.time=100y"
    with running_prometheus(configuration, storage, arguments=[keep]) as server:
        yield server


def answered(server: RunningServer, path: str, **parameters: Any) -> Any:
    """What the API answers."""
    answer = httpx.get(f"{server.address}/api/v1/{path}", params=parameters, timeout=150).json()
    assert answer["status"] == "success", (parameters, answer)
    return answer["data"]


Stamped = tuple[int, str]


def _by_block(lines: Sequence[Stamped]) -> dict[int, list[str]]:
    """Lines by the two hours that they are in: promtool reads a file anew for each."""
    found: dict[int, list[str]] = {}
    for moment, line in lines:
        found.setdefault(moment // _BLOCK, []).append(f"{line} {moment}\n")
    return found


def _stored(blocks: Mapping[int, list[str]], folder: Path, storage: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "apt-get install prometheus"
    written = folder / "history.om"
    for lines in blocks.values():
        written.write_text("".join([*lines, "# EOF\n"]))
        subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", written, storage],
            check=True,
            capture_output=True,
            timeout=150,
        )


def _scrapes(history: History, folder: Path) -> dict[int, list[str]]:
    lines = [
        line
        for number, machine in enumerate(history.machines)
        for line in _shown(machine, folder / f"ledger-{number}", history)
    ]
    moments = range(history.begin, END + 1, STEP)
    lines += [(moment, f"up{{{labels}}} 0") for labels in history.silent for moment in moments]
    return _by_block(lines)


def _shown(machine: Machine, directory: Path, history: History) -> Iterator[Stamped]:
    """What the targets of a ledger show."""
    directory.mkdir()
    location = Location.in_directory(directory)
    now = history.begin

    def clock() -> int:
        return now * NANO

    writer = LedgerWriter(location, max_label_sets=1000, clock=clock)
    reader = LedgerReader(location, clock=clock)
    collector = TokenCollector(
        lambda: take_scrape(reader, machine.policy, clock()),
        lambda: HealthReading(last_write_ns=clock()),
    )
    with closing(writer), closing(reader):
        for minute in range(history.hours * 60 + 1):
            now = history.begin + minute * STEP
            writer.write(batch_of(machine.kinds, history.begin, minute))
            texts = [line for family in collector.collect() for line in _lines(family)]
            for target, hours in machine.targets.items():
                if minute // 60 in hours:
                    yield from _scraped(texts, machine.labels(target), now)


def _lines(family: object) -> Iterator[str]:
    assert isinstance(family, Family)
    if family.name not in _LEFT_OUT:
        for text in family.texts():
            yield from filter(None, text.split("\n"))


def _scraped(texts: Sequence[str], labels: str, now: int) -> Iterator[Stamped]:
    yield now, f"up{{{labels}}} 1"
    for text in texts:
        name, brace, rest = text.partition("{")
        if brace:
            yield now, f"{name}{{{labels},{rest}"
        else:
            name, _, value = text.partition(" ")
            yield now, f"{name}{{{labels}}} {value}"


def _evaluated(server: RunningServer, rule: Rule, history: History) -> Iterator[Stamped]:
    """A rule's series; of an alert those that show that it fires."""
    data = answered(server, "query_range", query=rule.expr, start=history.begin, end=END, step=STEP)
    for one in data["result"]:
        labels = {**one["metric"], **rule.labels}
        labels.pop("__name__", None)
        text = ",".join(f'{name}="{value}"' for name, value in labels.items())
        since, last = 0, 0
        for stamp, value in one["values"]:
            moment = int(stamp)
            since = moment if moment - last > STEP else since
            last = moment
            if moment - since >= rule.seconds:
                yield moment, f"{rule.series}{{{text}}} {1 if rule.is_alert else value}"
