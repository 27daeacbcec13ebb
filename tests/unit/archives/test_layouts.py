"""The same document, laid out otherwise."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.archives.errors import BrokenFileError
from otel_token_monitor.ledger.importing import ImportResult
from tests.unit.archives.shelves import NOON, calls_in, exported, imported, write
from tests.unit.ledger.books import project, record

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = 1200
NAMES = ('a"b', "]", "}", "\\", "{[", "=1", "é", "shop")
JQ = shutil.which("jq")


@pytest.fixture
def export(tmp_path: Path) -> dict[str, Any]:
    calls = [
        record(n, project(NAMES[n % len(NAMES)]), time_ns=NOON + n * 10**9) for n in range(NUMBER)
    ]
    write(tmp_path / "a", *calls)
    exported(tmp_path / "a", tmp_path / "calls.json")
    document: dict[str, Any] = json.loads((tmp_path / "calls.json").read_text())
    return document


def check(text: str, tmp_path: Path) -> None:
    path = tmp_path / "laid-out.json"
    path.write_text(text, encoding="utf-8")
    assert imported(path, tmp_path / "b") == ImportResult(calls=NUMBER)
    assert calls_in(tmp_path / "b") == calls_in(tmp_path / "a")


@pytest.mark.parametrize(
    "layout",
    [
        {"indent": 2},
        {"indent": "\t", "ensure_ascii": False},
        {"separators": (",", ":")},
        {"sort_keys": True},
        {"indent": 1, "sort_keys": True, "ensure_ascii": False},
    ],
)
def test_any_layout_is_read(export: dict[str, Any], tmp_path: Path, layout: dict[str, Any]) -> None:
    check(json.dumps(export, **layout), tmp_path)


def test_the_members_may_be_in_any_order(export: dict[str, Any], tmp_path: Path) -> None:
    check(json.dumps(dict(reversed(export.items()))), tmp_path)


def test_line_ends_may_be_those_of_windows(export: dict[str, Any], tmp_path: Path) -> None:
    del export
    check((tmp_path / "calls.json").read_text().replace("\n", "\r\n"), tmp_path)


@pytest.mark.skipif(JQ is None, reason="jq is not installed")
@pytest.mark.parametrize("arguments", [["."], ["-c", "."], ["-S", "."]])
def test_jq_changes_nothing(export: dict[str, Any], tmp_path: Path, arguments: list[str]) -> None:
    del export
    done = subprocess.run(
        ["jq", *arguments, tmp_path / "calls.json"], capture_output=True, check=True, timeout=60
    )
    check(done.stdout.decode(), tmp_path)


def test_the_line_is_that_of_the_element(export: dict[str, Any], tmp_path: Path) -> None:
    export["calls"][700]["input"] = -1
    text = json.dumps(export, indent=2)
    line = text[: text.index('"input": -1')].count("\n") + 1
    path = tmp_path / "laid-out.json"
    path.write_text(text)
    with pytest.raises(BrokenFileError) as caught:
        imported(path, tmp_path / "b")
    # Its fields come before: the element begins nine lines above.
    assert (caught.value.line, caught.value.reason) == (
        line - 9,
        "input: use a whole number >= 0",
    )


@pytest.mark.parametrize(
    ("written", "time_ns"),
    [
        ("2026-09-03T12:00:00+09:00", NOON - 123_456_789),
        ("2026-09-03 03:00:00.5Z", NOON - 123_456_789 + 500_000_000),
        ("2026-09-03T03:00:00.123456789-00:00", NOON),
        ("2026-09-02T23:00:00.000000001-0400", NOON - 123_456_788),
    ],
)
def test_times_may_be_written_otherwise(tmp_path: Path, written: str, time_ns: int) -> None:
    write(tmp_path / "a", record(time_ns=NOON))
    path = tmp_path / "calls.json"
    exported(tmp_path / "a", path)
    path.write_text(path.read_text().replace("2026-09-03T03:00:00.123456789Z", written))
    imported(path, tmp_path / "b")
    assert [row[0] for row in calls_in(tmp_path / "b")] == [time_ns]
