"""A real Prometheus that was filled from an export answers with the ledger's totals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.usage import QUARTER_SECONDS, Labels, TokenUsage, Totals, UsageRecord
from otel_token_monitor.views.metrics import DIRECTIONS, STATUSES, TYPES
from tests.integration.archived import command, seed
from tests.integration.receiving import eventually
from tests.integration.watching import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        (PROMETHEUS is None or PROMTOOL is None) and os.environ.get("CI") != "true",
        reason="prometheus is not installed",
    ),
]

# Where days do not begin with an hour of UTC.
ZONE = ZoneInfo("Asia/Kolkata")
PLACES = (
    Labels("shop", "openai", "gpt-5-mini", "chat/completions"),
    Labels('a"b\\c', "openai", "нефть 🦊", "chat/completions"),
    Labels("shop", "x y", 'n\\n{model="x"} 1 # 2', "responses"),
    Labels("shop ", "openai", "'=1+1,", "\\"),
)
SERIES = tuple[tuple[str, str], ...]
NANO = 1_000_000_000


@dataclass(frozen=True)
class Prometheus:
    """One that runs at an address."""

    address: str

    def values(self, moment: datetime, name: str = "llm_.+_total") -> dict[SERIES, float]:
        """The last value of each series before a moment, however long ago that was."""
        answer = httpx.get(
            f"{self.address}/api/v1/query",
            params={
                "query": f'last_over_time({{__name__=~"{name}"}}[30d])',
                "time": moment.timestamp(),
            },
            timeout=60,
        ).json()
        assert answer["status"] == "success", answer
        return {
            tuple(sorted(one["metric"].items())): float(one["value"][1])
            for one in answer["data"]["result"]
        }

    def grown(self, day: date) -> tuple[int, int, int]:
        """By how much tokens, calls and cost (nano-dollars) have grown on a day."""
        begins, ends = midnight(day), midnight(day + timedelta(days=1))
        tokens, requests, dollars = (
            sum(self.values(ends, name).values()) - sum(self.values(begins, name).values())
            for name in ("llm_tokens_total", "llm_requests_total", "llm_cost_usd_total")
        )
        return int(tokens), int(requests), round(dollars * NANO)


@contextmanager
def prometheus(folder: Path, storage: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes nothing, and has what is in a directory."""
    assert PROMETHEUS is not None, "apt-get install prometheus"
    configuration = folder / "prometheus.yml"
    configuration.write_text("scrape_configs: []\n")
    listens = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={storage}",
            "--storage.tsdb.retention.time=1y",
            f"--web.listen-address={listens}",
            "--log.level=error",
        ],
    )
    with process:
        try:
            eventually(lambda: is_ready(f"http://{listens}"))
            yield Prometheus(f"http://{listens}")
        finally:
            process.kill()


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready", timeout=60).is_success
    except httpx.TransportError:
        return False


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)


def quarter(day: date) -> int:
    """The quarter-hour with which a day begins."""
    return int(midnight(day).timestamp()) // QUARTER_SECONDS


def call(labels: Labels, nonce: int, moment: datetime, **given: Any) -> UsageRecord:
    time_ns = int(moment.timestamp()) * NANO + moment.microsecond * 1000
    given.setdefault("usage", TokenUsage(nonce, nonce % 5, nonce % 3, 10**12 + nonce, nonce % 2))
    return UsageRecord(time_ns=time_ns, nonce=nonce, labels=labels, source="test", **given)


def of_a_day(day: date, first: int) -> Iterator[UsageRecord]:
    """Calls of a morning and an evening, of the first moment of a day, and of its last."""
    tick = timedelta(microseconds=1)
    hours = [timedelta(hours=9, minutes=7 * number) for number in range(12)]
    moments = [timedelta(), *hours, timedelta(hours=20), timedelta(days=1) - tick]
    for number, (passed, labels) in enumerate(
        (passed, labels) for passed in moments for labels in PLACES
    ):
        nonce, moment = first + number, midnight(day) + passed
        yield call(labels, nonce, moment, cost_nanousd=123_456_789 * nonce)
        if number % 8 < 5:
            yield call(labels, -nonce, moment, status="error", usage=None, error_type="Timeout")
            yield call(
                labels, -nonce - 10**6, moment, usage=TokenUsage(7, output=nonce), estimated=True
            )


def expected(totals: dict[Labels, Totals]) -> dict[SERIES, float]:
    """The series of these totals, as documented; money in nano-dollars."""
    found: dict[SERIES, float] = {}
    for labels, sums in totals.items():

        def note(name: str, value: int, labels: Labels = labels, **more: str) -> None:
            found[tuple(sorted({"__name__": name, **labels._asdict(), **more}.items()))] = value

        for part in TYPES:
            note("llm_tokens_total", getattr(sums, part), type=part)
        for status in STATUSES:
            note("llm_requests_total", getattr(sums, f"requests_{status}"), status=status)
        # As in /metrics, they are there once there are any.
        for direction in DIRECTIONS if sums.estimated_input + sums.estimated_output else ():
            tokens = getattr(sums, f"estimated_{direction}")
            note("llm_estimated_tokens_total", tokens, direction=direction)
        note("llm_cost_usd_total", sums.cost_nanousd)
    return found


def in_nanodollars(values: dict[SERIES, float]) -> dict[SERIES, float]:
    return {
        series: round(value * NANO) if ("__name__", "llm_cost_usd_total") in series else value
        for series, value in values.items()
    }


def by_day(data_dir: Path, first: date, last: date) -> dict[str, tuple[int, int, int]]:
    """Tokens, calls and cost of each day, as `usage` has them."""
    code, out, errors = command(
        *("usage", "--by", "day", "--json", "--timezone", ZONE.key, "--data-dir", data_dir),
        *("--since", str(first), "--until", str(last)),
    )
    assert code == 0, errors
    return {
        row["day"]: (row["total_tokens"], row["requests"], row["cost_nanousd"])
        for row in json.loads(out)["usage"]
        if row["requests"]
    }


def filled(history: Path, blocks: Path) -> Path:
    """What promtool makes of an export."""
    assert PROMTOOL is not None, "apt-get install prometheus"
    done = subprocess.run(
        [PROMTOOL, "tsdb", "create-blocks-from", "openmetrics", history, blocks],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return blocks


def test_a_prometheus_that_was_filled_from_an_export_has_the_totals(tmp_path: Path) -> None:
    data_dir, history = tmp_path / "data", tmp_path / "history.om"
    last = datetime.now(UTC).astimezone(ZONE).date() - timedelta(days=2)
    first, after = last - timedelta(days=4), last + timedelta(days=1)
    # After the first two days nobody calls for two. What is before and after is not exported.
    days = [first, first + timedelta(days=1), last]
    made = [one for number, day in enumerate(days) for one in of_a_day(day, 1 + number * 1000)]
    before = call(PLACES[0], 9, midnight(first) - timedelta(microseconds=1))
    seed(data_dir, [before, *made, call(PLACES[0], 10, midnight(after))])
    code, _, errors = command(
        *("export", history, "--data-dir", data_dir, "--since", str(first), "--until", str(last)),
        env={"TOKEN_TIMEZONE": ZONE.key},
    )
    counted = f"{len(made)} calls of {first} to {last} (Asia/Kolkata) written to {history}"
    assert (code, errors) == (0, counted)
    with closing(LedgerReader(Location.in_directory(data_dir))) as reader:
        totals = reader.totals(quarter(first), quarter(after))
    assert sum(sums.requests for sums in totals.values()) == len(made)
    with prometheus(tmp_path, filled(history, tmp_path / "blocks")) as one:
        assert in_nanodollars(one.values(midnight(after))) == expected(totals)
        grown = {
            str(day): one.grown(day) for day in (first + timedelta(passed) for passed in range(5))
        }
    quiet = {str(first + timedelta(passed)): (0, 0, 0) for passed in (2, 3)}
    assert grown == by_day(data_dir, first, last) | quiet
