"""Counters with timestamps: what is told of each quarter-hour, and that promtool takes it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.archives.contents import Days
from otel_token_monitor.usage import TokenUsage
from tests.unit.archives.shelves import DAY_OF_NOON, NANO, NOON, SEOUL, exported, write
from tests.unit.ledger.books import CHAT, project, record

if TYPE_CHECKING:
    from pathlib import Path

PROMTOOL = shutil.which("promtool")
BEGIN = NOON // NANO  # of a quarter-hour
DAY = Days.of(DAY_OF_NOON, DAY_OF_NOON, SEOUL)
END = DAY.span.end_ns // NANO
LABELS = 'endpoint="chat/completions",model="gpt-5-mini",project="shop",provider="openai"'
LATER = NOON + 30 * 86400 * NANO


def samples(text: str) -> dict[str, list[tuple[str, int]]]:
    """The values and times of each series."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for line in text.splitlines():
        if not line.startswith("#"):
            series, value, time = line.rsplit(" ", 2)
            found[series].append((value, int(time)))
    return found


def text_of(tmp_path: Path, now_ns: int = LATER) -> str:
    exported(tmp_path, tmp_path / "history.om", DAY, now_ns)
    return (tmp_path / "history.om").read_text(encoding="utf-8")


def test_a_quarter_hour_is_spread_evenly(tmp_path: Path) -> None:
    write(tmp_path, record(time_ns=NOON, usage=TokenUsage(100), cost_nanousd=1_000_000_001))
    shown = samples(text_of(tmp_path))
    assert shown[f'llm_tokens_total{{{LABELS},type="input"}}'] == [
        ("0", BEGIN),
        ("33", BEGIN + 300),
        ("66", BEGIN + 600),
        ("100", BEGIN + 900),
        ("100", END),
    ]
    assert shown[f"llm_cost_usd_total{{{LABELS}}}"] == [
        ("0", BEGIN),
        ("0.333333333", BEGIN + 300),
        ("0.666666667", BEGIN + 600),
        ("1.000000001", BEGIN + 900),
        ("1.000000001", END),
    ]


def test_quiet_time_has_no_samples(tmp_path: Path) -> None:
    quarter = 900 * NANO
    write(tmp_path, *[record(n, time_ns=NOON + n * quarter) for n in (0, 1, 8)])
    shown = samples(text_of(tmp_path))[f'llm_requests_total{{{LABELS},status="ok"}}']
    assert [(value, (time - BEGIN) / 900) for value, time in shown if time < END] == [
        ("0", 0),
        ("0", 1 / 3),
        ("0", 2 / 3),
        ("1", 1),
        ("1", 4 / 3),
        ("1", 5 / 3),
        ("2", 2),
        ("2", 8),
        ("2", 8 + 1 / 3),
        ("2", 8 + 2 / 3),
        ("3", 9),
    ]


def test_the_quarter_hour_that_is_not_over_ends_now(tmp_path: Path) -> None:
    write(tmp_path, record(time_ns=NOON, usage=TokenUsage(100)))
    shown = samples(text_of(tmp_path, NOON + 400 * NANO))
    assert shown[f'llm_tokens_total{{{LABELS},type="input"}}'] == [
        ("0", BEGIN),
        ("75", BEGIN + 300),
        ("100", BEGIN + 400),
    ]


def test_only_estimated_tokens_are_left_out_where_there_are_none(tmp_path: Path) -> None:
    write(
        tmp_path,
        record(1, time_ns=NOON),
        record(2, project("search"), time_ns=NOON, estimated=True, usage=TokenUsage(8)),
    )
    shown = {series.partition("{")[0]: 0 for series in samples(text_of(tmp_path))}
    for series in samples(text_of(tmp_path)):
        shown[series.partition("{")[0]] += 1
    assert shown == {
        "llm_tokens_total": 10,
        "llm_requests_total": 4,
        "llm_estimated_tokens_total": 2,
        "llm_cost_usd_total": 2,
    }


def test_without_calls_there_are_families_only(tmp_path: Path) -> None:
    write(tmp_path, record(time_ns=NOON + 2 * 86400 * NANO))
    text = text_of(tmp_path)
    assert (samples(text), text.splitlines()[-1]) == ({}, "# EOF")
    assert re.findall(r"# TYPE (.*)", text) == [
        "llm_tokens counter",
        "llm_requests counter",
        "llm_estimated_tokens counter",
        "llm_cost_usd counter",
    ]


@pytest.mark.skipif(
    PROMTOOL is None and os.environ.get("CI") != "true", reason="promtool is not installed"
)
def test_promtool_makes_blocks_of_it(tmp_path: Path) -> None:
    assert PROMTOOL is not None, "apt-get install prometheus"
    hostile = CHAT._replace(project='a"b\\c', model="=é")
    quarter = 900 * NANO
    write(
        tmp_path,
        *[record(n, time_ns=NOON + n % 20 * quarter, cost_nanousd=n) for n in range(60)],
        *[
            record(99 + n, hostile, time_ns=NOON + n * quarter, cost_nanousd=10**12)
            for n in range(9)
        ],
    )
    exported(tmp_path, tmp_path / "history.om", DAY, LATER)
    blocks = tmp_path / "blocks"
    create = ("tsdb", "create-blocks-from", "openmetrics", tmp_path / "history.om", blocks)
    (blocks / "wal").mkdir(parents=True)  # without one, it cannot be read
    for arguments in (create, ("tsdb", "dump", blocks)):
        done = subprocess.run([PROMTOOL, *arguments], capture_output=True, timeout=50, check=False)
        assert (done.returncode, done.stderr.decode()) == (0, done.stderr.decode())
    last: dict[str, float] = {}
    for line in done.stdout.decode().splitlines():
        series, value, _ = line.rsplit(" ", 2)
        last[series] = max(last.get(series, 0.0), float(value))
    name = '__name__="llm_cost_usd_total", endpoint="chat/completions"'
    assert {series: value for series, value in last.items() if name in series} == {
        f'{{{name}, model="gpt-5-mini", project="shop", provider="openai"}}': 1770 / NANO,
        f'{{{name}, model="=é", project="a\\"b\\\\c", provider="openai"}}': 9000.0,
    }
    tokens = sum(value for series, value in last.items() if '="llm_tokens_total"' in series)
    assert tokens == 69 * 20
