"""What leaves a ledger comes in again, to the last field."""

from __future__ import annotations

import csv
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_token_monitor.archives.contents import Days
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.importing import ImportResult
from otel_token_monitor.usage import Labels, Sums, TokenUsage, Totals, UsageRecord
from tests.unit.archives.shelves import (
    EVER,
    NANO,
    NOON,
    READABLE,
    calls_in,
    exported,
    imported,
    sums_in,
    write,
)
from tests.unit.ledger.books import CHAT, Book, project, record

if TYPE_CHECKING:
    from otel_token_monitor.archives.exporting import Exported

FULL = UsageRecord(
    time_ns=NOON,
    nonce=-(2**63),
    labels=CHAT,
    source="opentelemetry.instrumentation.openai.v1",
    status="error",
    usage=TokenUsage(2**32 - 1, 2, 3, 4, 5),
    estimated=True,
    unmetered="abandoned",
    response_model="gpt-5-mini-2025-08-07",
    response_id="chatcmpl-1",
    duration_ns=1_234_567_891,
    first_token_ns=7,
    error_type="APITimeoutError",
    cost_nanousd=10_000 * NANO,
    trace_id="0" * 31 + "1",
    span_id="0" * 15 + "2",
)
BARE = UsageRecord(time_ns=NOON + 1, nonce=2**63 - 1, labels=CHAT, source="manual")
FORMULAS = ("=1+1", "+1", "-", "@x", "'x", "''", "'", "＝1", 'a"b,c', " =1", "x'", "1e3", "007")  # noqa: RUF001 - a spreadsheet takes this, too

letters = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
printable = st.text(letters, min_size=1, max_size=128).filter(lambda text: bool(text.strip()))
names = st.one_of(st.sampled_from(FORMULAS), printable)
# Around midnights in Seoul, and in New York where clocks change.
moments = st.one_of(
    st.integers(NOON - NANO, NOON + NANO),
    st.sampled_from([1_788_361_200, 1_793_509_200, 1_793_512_800, 1_772_953_200]).flatmap(
        lambda second: st.integers(second * NANO - 2, second * NANO + 2)
    ),
)
tokens = st.integers(0, 2**32 - 1)
records = st.builds(
    UsageRecord,
    time_ns=moments,
    nonce=st.integers(-(2**63), 2**63 - 1),
    labels=st.builds(Labels, names, names, names, names),
    source=names,
    status=st.sampled_from(["ok", "error"]),
    modalities=st.just(()),  # the ledger keeps their sums only
    usage=st.none() | st.builds(TokenUsage, tokens, tokens, tokens, tokens, tokens),
    estimated=st.just(False),  # noqa: FBT003 - it is the value
    unmetered=st.none() | names,
    response_model=st.none() | names,
    response_id=st.none() | names,
    duration_ns=st.none() | st.integers(0, 7 * 86400 * NANO),
    first_token_ns=st.none() | st.integers(0, 10**15),
    error_type=st.none() | names,
    cost_nanousd=st.none() | st.integers(0, 10_000 * NANO),
    trace_id=st.none() | names,
    span_id=st.none() | names,
).flatmap(lambda made: st.sampled_from([made, made._replace(estimated=made.usage is not None)]))


def test_a_call_has_its_line_in_the_document(tmp_path: Path) -> None:
    write(tmp_path / "a", FULL, BARE)
    exported(tmp_path / "a", tmp_path / "calls.json")
    lines = (tmp_path / "calls.json").read_text().splitlines()
    head = json.loads(lines[0] + "]}")
    ledger = head.pop("ledger")
    assert (len(ledger), head) == (
        16,
        {
            "schema_version": 1,
            "kind": "otel_token_monitor.export",
            "timezone": "Asia/Seoul",
            "start": "2026-01-01",
            "end": "2027-12-31",
            "from": "2026-01-01T00:00:00+09:00",
            "to": "2028-01-01T00:00:00+09:00",
            "calls": [],
        },
    )
    assert json.loads(lines[1].rstrip(",")) == {
        "time": "2026-09-03T03:00:00.123456789Z",
        "id": "x8000000000000000",
        **CHAT._asdict(),
        "source": "opentelemetry.instrumentation.openai.v1",
        "status": "error",
        **TokenUsage(2**32 - 1, 2, 3, 4, 5)._asdict(),
        "estimated": True,
        "unmetered": "abandoned",
        "response_model": "gpt-5-mini-2025-08-07",
        "response_id": "chatcmpl-1",
        "duration_ns": 1_234_567_891,
        "first_token_ns": 7,
        "error_type": "APITimeoutError",
        "cost_nanousd": 10_000 * NANO,
        "trace_id": "0" * 31 + "1",
        "span_id": "0" * 15 + "2",
    }
    assert json.loads(lines[2]) == {
        "time": "2026-09-03T03:00:00.123456790Z",
        "id": "x7fffffffffffffff",
        **CHAT._asdict(),
        "source": "manual",
        "status": "ok",
    }
    assert lines[3:] == ['], "sums": [', '], "count": {"calls": 2, "sums": 0}}']


def test_a_call_has_its_row_in_the_table(tmp_path: Path) -> None:
    write(tmp_path / "a", FULL._replace(labels=project("=cmd|' /C calc'!A0")), BARE)
    exported(tmp_path / "a", tmp_path / "calls.csv")
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        begin, first, second, end = csv.DictReader(file)
    filled = [{name: cell for name, cell in row.items() if cell} for row in (begin, second, end)]
    assert filled == [
        {"kind": "begin", "ledger": begin["ledger"], "time": "2026-01-01T00:00:00+09:00"},
        {
            "kind": "call",
            "time": "2026-09-03T03:00:00.123456790Z",
            "id": "x7fffffffffffffff",
            **CHAT._asdict(),
            "source": "manual",
            "status": "ok",
        },
        {"kind": "end", "time": "2028-01-01T00:00:00+09:00", "id": "calls=2 sums=0"},
    ]
    assert (first["project"], first["estimated"]) == ("'=cmd|' /C calc'!A0", "1")


def test_the_zip_file_has_the_document_alone(tmp_path: Path) -> None:
    write(tmp_path / "a", FULL, BARE)
    exported(tmp_path / "a", tmp_path / "calls.json")
    exported(tmp_path / "a", tmp_path / "calls.zip")
    with zipfile.ZipFile(tmp_path / "calls.zip") as archive:
        assert archive.namelist() == ["usage.json"]
        assert archive.read("usage.json") == (tmp_path / "calls.json").read_bytes()


@pytest.mark.parametrize("suffix", READABLE)
def test_the_same_calls_make_the_same_file(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / "a", FULL, BARE)
    paths = [tmp_path / f"{number}.{suffix}" for number in (1, 2)]
    for path in paths:
        exported(tmp_path / "a", path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("suffix", READABLE)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(calls=st.lists(records, max_size=4, unique_by=lambda made: made[:2]))
def test_every_call_comes_back_as_it_was(suffix: str, calls: list[UsageRecord]) -> None:
    with tempfile.TemporaryDirectory() as name:
        there, here, path = Path(name, "a"), Path(name, "b"), Path(name, f"calls.{suffix}")
        write(there, *calls)
        done = exported(there, path)
        assert imported(path, here) == ImportResult(calls=len(calls))
        assert (done.calls, calls_in(here)) == (len(calls), calls_in(there))
        assert sums_in(here) == sums_in(there)


@pytest.mark.parametrize("suffix", READABLE)
def test_twice_is_once(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / "a", FULL, BARE)
    path = tmp_path / f"calls.{suffix}"
    exported(tmp_path / "a", path)
    imported(path, tmp_path / "b")
    before = sums_in(tmp_path / "b")
    assert imported(path, tmp_path / "b") == ImportResult(known=2)
    assert (sums_in(tmp_path / "b"), len(calls_in(tmp_path / "b"))) == (before, 2)


@pytest.mark.parametrize("suffix", READABLE)
def test_sums_without_calls_come_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    book = Book.at(tmp_path / "a")
    quarter = NOON // NANO // 900
    totals = Totals(10, 2, 3, 4, 5, 6, 7, 8, 9, 1, 11, 12)
    zeros = Totals(requests_error=1)
    sums = {(project("=1+1"), quarter): Sums(totals), (CHAT, quarter + 1): Sums(zeros)}
    book.writer.write(Batch([record(time_ns=NOON)], condensed=sums))
    book.close()
    path = tmp_path / f"calls.{suffix}"
    done = exported(tmp_path / "a", path)
    assert (done.calls, done.sums) == (1, 2)
    assert imported(path, tmp_path / "b") == ImportResult(calls=1, sums=2)
    assert imported(path, tmp_path / "b") == ImportResult(known=3)
    assert sums_in(tmp_path / "b") == sums_in(tmp_path / "a")


@pytest.mark.parametrize("suffix", READABLE)
def test_more_calls_than_are_read_at_a_time_come_back(tmp_path: Path, suffix: str) -> None:
    calls = [record(n, project(f"p{n % 7}"), time_ns=NOON + n * 10**11) for n in range(1300)]
    write(tmp_path / "a", *calls)
    path = tmp_path / f"calls.{suffix}"
    exported(tmp_path / "a", path)
    assert imported(path, tmp_path / "b") == ImportResult(calls=1300)
    assert calls_in(tmp_path / "b") == calls_in(tmp_path / "a")


def of_days(first: str, last: str, zone: str, directory: Path) -> Exported:
    days = Days.of(first, last, ZoneInfo(zone))
    return exported(directory, directory / "some.json", days)


@pytest.mark.parametrize(
    ("first", "last", "zone", "calls"),
    [
        ("2026-11-01", "2026-11-01", "America/New_York", 25),  # clocks are set back
        ("2026-03-08", "2026-03-08", "America/New_York", 23),  # and forward
        ("2026-03-08", "2026-03-09", "America/New_York", 47),
        ("2026-11-01", "2026-11-01", "Asia/Seoul", 24),
    ],
)
def test_days_are_as_long_as_they_are(
    tmp_path: Path, first: str, last: str, zone: str, calls: int
) -> None:
    hour = 3600 * NANO
    starts = [1_772_841_600 * NANO, 1_793_404_800 * NANO]  # a day before each
    write(tmp_path, *[record(n, time_ns=start + n * hour) for start in starts for n in range(96)])
    assert of_days(first, last, zone, tmp_path).calls == calls


def test_without_calls_there_is_an_empty_document(tmp_path: Path) -> None:
    write(tmp_path / "a", FULL)
    path = tmp_path / "calls.json"
    exported(tmp_path / "a", path, Days.of("2026-09-04", "2026-09-04", EVER.zone))
    assert json.loads(path.read_text())["count"] == {"calls": 0, "sums": 0}
    assert imported(path, tmp_path / "b") == ImportResult()


def test_replacing_gives_up_what_the_file_has_not(tmp_path: Path) -> None:
    write(tmp_path / "a", FULL)
    exported(tmp_path / "a", tmp_path / "calls.json")
    write(tmp_path / "a", BARE)
    replaced = imported(tmp_path / "calls.json", tmp_path / "a", merge=False)
    assert (replaced.calls, replaced.replaced) == (1, 2)
    assert [row[0] for row in calls_in(tmp_path / "a")] == [NOON]


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    write(tmp_path / "a", *[record(n, time_ns=NOON + n * 10**11) for n in range(700)])
    told: dict[str, list[float]] = {"out": [], "in": []}
    for suffix in READABLE:
        path = tmp_path / f"calls.{suffix}"
        exported(tmp_path / "a", path, on_progress=told["out"].append)
        imported(path, tmp_path / suffix, on_progress=told["in"].append)
    assert all(0 <= share <= 1 for shares in told.values() for share in shares)
    assert [max(shares) > 0.9 for shares in told.values()] == [True, True]


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2026-9-1", "2026-09-05", "start='2026-9-1' is no day: use a date such as \"2026-09-01\""),
        ("2026-09-01", 5, 'end=5 is no day: use a date such as "2026-09-01"'),
        ("2026-02-30", "x", "start='2026-02-30' is no day: use a date such as \"2026-09-01\""),
        (
            "2026-09-05",
            "2026-09-01",
            "the first day, 2026-09-05, is after the last, 2026-09-01: exchange them",
        ),
    ],
)
def test_what_is_no_day_is_refused(start: Any, end: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"use a date|exchange them") as caught:
        Days.of(start, end, EVER.zone)
    assert str(caught.value) == message
