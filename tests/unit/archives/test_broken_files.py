"""Files that are no sound exports: nothing of them is imported, and line and reason are said."""

# ruff: noqa: E501 - a row of a table is best read as one line

from __future__ import annotations

import errno
import gc
import io
import random
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.archives.errors import BrokenFileError
from otel_token_monitor.archives.exporting import export_to
from otel_token_monitor.archives.formats import Format
from otel_token_monitor.archives.importing import ArchiveImport
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import ImportRefusedError
from otel_token_monitor.ledger.importing import ImportResult
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.usage import TokenUsage
from tests.unit.archives.shelves import (
    EVER,
    NOON,
    READABLE,
    calls_in,
    exported,
    imported,
    sums_in,
    write,
)
from tests.unit.ledger.books import project, record

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = (
    record(1, project("shop"), time_ns=NOON, duration_ns=5),
    record(2, project("=1+1"), time_ns=NOON + 1, usage=None, unmetered="no_usage"),
)
REMEDY = "correct it, or export it again; nothing was imported"
COPY = "export or copy it again; nothing was imported"
CUT_OFF = f"the file ends here, and should go on; {COPY}"
UPGRADE = "upgrade otel-token-monitor"


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """A small export, in each format."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name, "a"), *CALLS)
        files = {}
        for suffix in READABLE:
            path = Path(name, f"calls.{suffix}")
            exported(Path(name, "a"), path)
            files[suffix] = path.read_bytes()
        return files


def refusal(path: Path, content: bytes, directory: Path) -> str:
    """What is said of a broken file; the ledger must stay as it is."""
    path.write_bytes(content)
    write(directory, record(9, time_ns=NOON - 10**12))
    before = calls_in(directory), sums_in(directory)
    with pytest.raises((BrokenFileError, ImportRefusedError)) as caught:
        imported(path, directory)
    assert (calls_in(directory), sums_in(directory)) == before
    return str(caught.value).replace(f"{path}: ", "")


def swap(old: str, new: str) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode("utf-8", "surrogateescape"), 1)

    return changed


USAGE = '"input":10,"input_cached":5,"input_cache_write":0,"output":3,"output_reasoning":2'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap('"input":10', '"input":"10"'), "line 2: input: use int, not str"),
        (swap('"input":10', '"input":10.0'), "line 2: input: use int, not float"),
        (swap('"input":10', '"input":true'), "line 2: input: use int, not bool"),
        (swap('"input":10', '"input":-10'), "line 2: input: use a whole number >= 0"),
        (swap('"input":10', '"input":4294967296'), "line 2: input: use a whole number <= 4294967295"),
        (swap('"duration_ns":5', '"duration":5'), "line 2: unknown field 'duration'"),
        (swap('"project":"shop",', ""), "line 2: 'project' is missing"),
        (swap('"project":"shop"', '"project":" "'), "line 2: project: ' ' cannot name a project: use 1 to 128 printable characters"),
        (swap('"project":"shop"', '"project":"a\\u0000"'), "line 2: project: 'a\\x00' cannot name a project: use 1 to 128 printable characters"),
        (swap('"model":"gpt-5-mini"', '"model":"a\\n"'), "line 2: model: 'a\\n' has characters that cannot be printed"),
        (swap('"source":"test"', '"source":"\\u202e"'), "line 2: source: '\\u202e' has characters that cannot be printed"),
        (swap('"model":"gpt-5-mini"', '"model":"a\udcff"'), "line 2: text that is not UTF-8 (invalid start byte)"),
        (swap('"model":"gpt-5-mini"', '"model":"' + "a" * 129 + '"'), "line 2: model: use a text of <= 128 characters"),
        (swap('"status":"ok"', '"status":"fine"'), "line 2: status: 'fine': use 'ok' or 'error'"),
        (swap(',"output_reasoning":2', ""), "line 2: a usage of which only some parts are given: use all of input, input_cached, input_cache_write, output, output_reasoning"),
        (swap('"unmetered":"no_usage"', '"estimated":true'), "line 3: estimated, but without a usage: give its parts"),
        (swap('"unmetered":"no_usage"', '"unmetered":{}'), "line 3: an object or an array within an object"),
        (swap("03:00:00.123456789Z", "03:00:60.123456789Z"), "line 2: time '2026-09-03T03:00:60.123456789Z': use a time with a UTC offset, such as 2026-09-01T10:00:00Z"),
        (swap("03:00:00.123456789Z", "03:00:00.123456789"), "line 2: time '2026-09-03T03:00:00.123456789': use a time with a UTC offset, such as 2026-09-01T10:00:00Z"),
        (swap("2026-09-03T", "1969-09-03T"), "line 2: time '1969-09-03T03:00:00.123456789Z': use a time between the years 1970 and 2116"),
        (swap("2026-09-03T", "2025-09-03T"), "line 2: this time is not in the range that the file is of"),
        (swap("x0000000000000001", "x000000000000000g"), "line 2: id 'x000000000000000g': use an x and 16 hexadecimal digits"),
        (swap("x0000000000000001", "0x00000000000001x"), "line 2: id '0x00000000000001x': use an x and 16 hexadecimal digits"),
        (swap("x0000000000000001", "x00"), "line 2: id: use a text of >= 17 characters"),
        (swap('"schema_version": 1', '"schema_version": 2'), f"line 1: schema_version 2 is of a newer release; {UPGRADE}"),
        (swap('"schema_version": 1', '"schema_version": "1"'), "line 1: schema_version: use int, not str"),
        (swap("otel_token_monitor.export", "day"), "line 1: kind 'day' is no export of calls (otel_token_monitor.export)"),
        (swap('"calls": 2', '"calls": 3'), "line 5: the file should have 3 calls and 0 sums, and has 2 and 0"),
        (swap('"kind": ', '"sort": '), "line 1: unknown field 'sort'"),
        (swap('"timezone": "Asia/Seoul", ', ""), "line 5: 'timezone' is missing"),
        (swap('"start": "2026-01-01"', '"end": "2026-01-01"'), "line 1: 'end' is there twice"),
        (swap('"from": "2026-01-01T00:00:00+09:00"', '"from": "yesterday, at ten"'), "line 1: from: time 'yesterday, at ten': use a time with a UTC offset, such as 2026-09-01T10:00:00Z"),
        (swap('"from": "2026-01-01T00:00:00+09:00"', '"from": "2026-01-01T00:00:01+09:00"'), "line 1: the range is not of whole quarter-hours"),
        (swap('"from": "2026-01-01', '"from": "2028-01-01'), "line 1: the range ends before it begins"),
        (swap('"sums": [\n]', '"sums": {}'), "line 4: 'sums' must be an array"),
        (swap('"Asia/Seoul"', "[]"), "line 1: 'timezone' must be no array"),
        (swap('"sums": 0}}\n', '"sums": 0}}\n1'), "line 6: the file goes on after the document's end"),
        (swap("{", "["), "line 1: here must stand a document {…}, not '['"),
        (swap("},\n{", "}\n{"), "line 3: here must stand a comma or ], not '{'"),
        (swap('}\n], "sums"', '},\n], "sums"'), "line 4: here must stand an object {…}, not ']'"),
        (swap('"duration_ns":5}', '"duration_ns":5,"duration_ns"}'), "line 2: malformed JSON: expected ':'"),
        (swap('"calls": [\n', f'"calls": [\n{" " * 1_100_000}'), "line 2: more than 1 MiB of white space"),
        (swap('"id":"x0000000000000001"', '"id":"' + "x" * 200_000 + '"'), "line 2: an element of more than 64 KiB"),
    ],
)  # fmt: skip
def test_a_broken_document_says_where_and_why(
    whole: dict[str, bytes], tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    content = change(whole["json"])
    said = refusal(tmp_path / "calls.json", content, tmp_path / "b")
    assert said == (message if UPGRADE in message else f"{message}; {REMEDY}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap("kind,", "sort,"), "line 1: unknown column 'sort'; upgrade otel-token-monitor, or export it again; nothing was imported"),
        (swap("kind,", ""), f"line 1: column 'kind' is missing; {REMEDY}"),
        (swap("ledger,", "kind,"), f"line 1: column 'kind' is there twice; {REMEDY}"),
        (swap("begin,", "start,"), f"line 2: here must be the row of kind begin; {REMEDY}"),
        (swap("call,", "sum,"), f"line 3: unknown field 'id'; {REMEDY}"),
        (swap("call,", "calls,"), f"line 3: kind 'calls': use call or sum, and end for the last row; {REMEDY}"),
        (swap(",test,ok,10,", ",test,ok,-10,"), f"line 3: input: '-10' is no number: use digits only; {REMEDY}"),
        (swap(",test,ok,10,", ",test,ok,１０,"), f"line 3: input: '１０' is no number: use digits only; {REMEDY}"),  # noqa: RUF001 - these are digits, too
        (swap(",test,ok,10,", ",test,ok,10,,"), f"line 3: 32 cells instead of 31; {REMEDY}"),
        (swap(",test,ok,10,", ",test,ok,"), f"line 3: 30 cells instead of 31; {REMEDY}"),
        (swap(",test,ok,10,5,0,3,2,,", ",test,ok,10,5,0,3,2,yes,"), f"line 3: estimated: 'yes': use 1, or nothing; {REMEDY}"),
        (swap("shop", "sh\udcffop"), f"line 3: text that is not UTF-8 (invalid start byte); {REMEDY}"),
        (swap("shop", "sh\0op"), f"line 3: the line has NUL bytes; {REMEDY}"),
        (swap("shop", '"shop" '), f"line 3: malformed CSV: ',' expected after '\"'; {REMEDY}"),
        (swap("shop", "x" * 70_000), f"line 3: a line of more than 64 KiB; {REMEDY}"),
        (swap("2026-09-03T", "2029-09-03T"), f"line 3: this time is not in the range that the file is of; {REMEDY}"),
        (swap("calls=2", "calls=1"), f"line 5: the file should have 1 calls and 0 sums, and has 2 and 0; {REMEDY}"),
        (swap("calls=2 ", ""), f"line 5: the last row's id must say how many, as calls=2 sums=1; {REMEDY}"),
        (lambda content: content + b"call\r\n", f"line 6: the file goes on after the row of kind end; {REMEDY}"),
        (lambda content: content[: content.index(b"end,")], f"line 5: {CUT_OFF}"),
        (lambda _content: b"", f"line 1: {CUT_OFF}"),
    ],
)  # fmt: skip
def test_a_broken_table_says_where_and_why(
    whole: dict[str, bytes], tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    assert refusal(tmp_path / "calls.csv", change(whole["csv"]), tmp_path / "b") == message


def zipped(path: Path, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr(name, content)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["../usage.json", "/usage.json", "C:\\usage.json", "other.json"])
def test_a_zip_file_has_no_other_member(whole: dict[str, bytes], tmp_path: Path, name: str) -> None:
    content = zipped(tmp_path / "made.zip", name, whole["json"])
    said = refusal(tmp_path / "calls.zip", content, tmp_path / "b")
    assert said == f"member {name!r} of the ZIP file: use 'usage.json' alone; {REMEDY}"
    assert [path.name for path in tmp_path.rglob("*.json")] == []


def test_nor_one_beside_it(whole: dict[str, bytes], tmp_path: Path) -> None:
    zipped(tmp_path / "made.zip", "usage.json", whole["json"])
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped(tmp_path / "made.zip", "usage.json", whole["json"])
    said = refusal(tmp_path / "calls.zip", content, tmp_path / "b")
    assert said == f"2 members in the ZIP file: use 'usage.json' alone; {REMEDY}"


def test_another_method_than_deflate_is_refused(whole: dict[str, bytes], tmp_path: Path) -> None:
    content = zipped(tmp_path / "made.zip", "usage.json", whole["json"], zipfile.ZIP_LZMA)
    said = refusal(tmp_path / "calls.zip", content, tmp_path / "b")
    assert said == f"'usage.json' is compressed by method 14: use deflate; {REMEDY}"


def test_an_encrypted_member_is_refused(whole: dict[str, bytes], tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "made.zip", "usage.json", whole["json"]))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    said = refusal(tmp_path / "calls.zip", bytes(content), tmp_path / "b")
    assert said == f"'usage.json' is encrypted: compress it without a password; {REMEDY}"


def test_a_damaged_member_is_refused(whole: dict[str, bytes], tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "made.zip", "usage.json", whole["json"]))
    content[14] ^= 1  # of the checksum, there and in the directory
    content[content.index(b"PK\x01\x02") + 16] ^= 1
    said = refusal(tmp_path / "calls.zip", bytes(content), tmp_path / "b")
    assert said == f"the ZIP file is damaged (Bad CRC-32 for file 'usage.json'); {COPY}"


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (b" " * 50_000_000, "line 1: more than 1 MiB of white space"),
        (b'{"calls": [' + b" " * 50_000_000, "line 1: more than 1 MiB of white space"),
        (b'{"calls": [{' + b" " * 50_000_000, "line 1: an element of more than 64 KiB"),
        (b'{"kind": "' + b"a" * 50_000_000, "line 1: an element of more than 64 KiB"),
        (b'{"calls": ' + b"1" * 50_000_000, "line 1: an element of more than 64 KiB"),
    ],
)
def test_a_bomb_does_not_go_off(tmp_path: Path, bomb: bytes, reason: str) -> None:
    content = zipped(tmp_path / "made.zip", "usage.json", bomb)
    assert refusal(tmp_path / "calls.zip", content, tmp_path / "b") == f"{reason}; {REMEDY}"


@pytest.mark.parametrize("suffix", READABLE)
def test_what_is_cut_off_anywhere_imports_nothing(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    path, there = tmp_path / f"calls.{suffix}", tmp_path / "b"
    # The last line's end may be missing: the document is whole without it.
    for length in range(len(whole[suffix].rstrip())):
        path.write_bytes(whole[suffix][:length])
        with pytest.raises(BrokenFileError):
            imported(path, there)
    assert not there.exists()


@pytest.mark.parametrize("suffix", READABLE)
def test_damage_is_seen_or_does_no_harm(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"calls.{suffix}"
    chosen = random.Random(7)
    ends = {"imported": 0, "refused": 0}
    for number in range(150):
        content = bytearray(whole[suffix])
        for _ in range(chosen.choice((1, 1, 3))):
            content[chosen.randrange(len(content))] = chosen.randrange(256)
        path.write_bytes(content)
        there = tmp_path / str(number % 5)
        before = len(calls_in(there)) if there.exists() else 0
        try:
            result = imported(path, there)
        except (BrokenFileError, ImportRefusedError):
            ends["refused"] += 1
            assert (len(calls_in(there)) if there.exists() else 0) == before
        else:
            ends["imported"] += 1
            assert result.calls + result.known == 2
    assert ends["refused"] > 50


def test_a_call_that_is_there_twice_is_refused(whole: dict[str, bytes], tmp_path: Path) -> None:
    lines = whole["json"].splitlines()
    content = b"\n".join([*lines[:2], *lines[1:]]).replace(b'"calls": 2', b'"calls": 3')
    said = refusal(tmp_path / "calls.json", content, tmp_path / "b")
    assert said == "line 3: the file has a call with this time and id already: correct it"


def test_a_call_that_the_ledger_has_otherwise_is_refused(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    write(tmp_path / "b", CALLS[0]._replace(usage=TokenUsage(7)))
    said = refusal(tmp_path / "calls.json", whole["json"], tmp_path / "b")
    assert said == (
        "line 2: this ledger has another call with the same time and id: correct the file, or "
        "replace what is here (merge=False, --replace)"
    )


def test_counters_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"history\.om is openmetrics: import json, csv, zip"):
        ArchiveImport(tmp_path / "history.om", Format.OPENMETRICS)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        imported(tmp_path / "calls.json", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_table_may_have_a_mark_and_other_line_ends_and_columns(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    rows = whole["csv"].decode().splitlines()
    turned = [",".join(reversed(row.split(","))) for row in rows]
    for number, content in enumerate(("\ufeff" + "\n".join(rows), "\r\n".join(turned))):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(content.encode())
        assert imported(path, tmp_path / str(number)) == ImportResult(calls=2)
    assert calls_in(tmp_path / "0") == calls_in(tmp_path / "1")


def test_a_failed_export_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "calls.json"
    path.write_text("before")
    with pytest.raises(Exception, match="there is no ledger at"):
        exported(tmp_path / "none", path, EVER)
    assert (path.read_text(), [each.name for each in tmp_path.iterdir()]) == (
        "before",
        ["calls.json"],
    )


class _Full(io.BytesIO):
    """A disk that is full after some writes."""

    def write(self, content: Any, /) -> int:
        if self.tell() > 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


@pytest.mark.parametrize("form", [Format.JSON, Format.CSV])
def test_a_disk_that_fills_up_leaves_nothing_open(tmp_path: Path, form: Format) -> None:
    write(tmp_path, *[record(n, time_ns=NOON + n) for n in range(2000)])
    reader = LedgerReader(Location.in_directory(tmp_path))
    with closing(reader), pytest.raises(OSError, match="No space left"):
        export_to(_Full(), reader, EVER, form, now_ns=NOON)
    # What was still open would complain now, and a warning fails a test.
    gc.collect()
