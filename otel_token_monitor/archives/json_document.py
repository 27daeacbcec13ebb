"""The JSON document: one call a line, and valid as a whole."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from otel_token_monitor.archives.contents import Written
from otel_token_monitor.archives.json_stream import ARRAY, JsonStream
from otel_token_monitor.archives.rows import KIND, SCHEMA_VERSION, Call, Head, Sum, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_token_monitor.archives.contents import Contents
    from otel_token_monitor.archives.intake import Intake, Source

__all__ = ["read_json", "write_json"]

T = TypeVar("T", Call, Sum)

_ENCODER: Final = msgspec.json.Encoder()
_CALLS: Final = msgspec.json.Decoder(list[Call])
_SUMS: Final = msgspec.json.Decoder(list[Sum])
_ARRAYS: Final = ("calls", "sums")
_KNOWN: Final = {field.encode_name for field in msgspec.structs.fields(Head)} | {*_ARRAYS}


def write_json(file: IO[bytes], contents: Contents) -> Written:
    """Write the document."""
    start, end = contents.bounds
    head = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "ledger": contents.ledger,
        "timezone": contents.days.zone.key,
        "start": str(contents.days.first),
        "end": str(contents.days.last),
        "from": start,
        "to": end,
    }
    text = json.dumps(head, ensure_ascii=False).removesuffix("}")
    file.write(f'{text}, "calls": [\n'.encode())
    calls = _write_lines(file, map(_calls, contents.batches_of_calls()))
    file.write(b'], "sums": [\n')
    sums = _write_lines(file, ([Sum(*row) for row in b] for b in contents.batches_of_sums()))
    file.write(f'], "count": {{"calls": {calls}, "sums": {sums}}}}}\n'.encode())
    return Written(calls, sums)


def _calls(batch: list[tuple[Any, ...]]) -> list[Call]:
    calls = [Call(*row) for row in batch]
    for call in calls:
        if call.estimated:
            call.estimated = True  # SQLite has 1
    return calls


def _write_lines(file: IO[bytes], batches: Iterable[list[T]]) -> int:
    """Write the elements of an array, a line each; how many those were."""
    number = 0
    for batch in batches:
        # No string has a line's end in it: JSON escapes them.
        lines = _ENCODER.encode_lines(batch).replace(b"}\n", b"},\n")
        file.write(b",\n" if number else b"")
        file.write(memoryview(lines)[:-2])
        number += len(batch)
    file.write(b"\n" if number else b"")
    return number


def read_json(file: IO[bytes], intake: Intake) -> Source:
    """Read a document of any layout. Raises BrokenFileError."""
    stream = JsonStream(file, intake.broken)
    head: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for name, value in stream.members():
        if name in lines:
            raise intake.broken(stream.line, f"{name!r} is there twice")
        if name not in _KNOWN:
            raise intake.broken(stream.line, f"unknown field {name!r}")
        if (value is ARRAY) != (name in _ARRAYS):
            wanted = "an array" if name in _ARRAYS else "no array"
            raise intake.broken(stream.line, f"{name!r} must be {wanted}")
        lines[name] = stream.line
        if value is ARRAY:
            _read_array(name, stream, intake)
        else:
            head[name] = value
            _check_version(head, stream.line, intake)
    last = stream.line
    stream.end()
    for name in _ARRAYS:
        if name not in lines:
            raise intake.broken(last, f"{name!r} is missing")
    return intake.finish(_head(head, lines, last, intake), lines)


def _read_array(name: str, stream: JsonStream, intake: Intake) -> None:
    if name == "calls":
        for calls in stream.batches(_CALLS):
            intake.add_calls(calls.rows, calls.lines, printable=calls.printable)
    else:
        for sums in stream.batches(_SUMS):
            intake.add_sums(sums.rows, sums.lines)


def _check_version(head: dict[str, Any], line: int, intake: Intake) -> None:
    """As soon as it is known: a newer release's document may be anything."""
    version, kind = head.get("schema_version", SCHEMA_VERSION), head.get("kind", KIND)
    if isinstance(version, int) and isinstance(kind, str):
        intake.check_version(version, kind, line)


def _head(head: dict[str, Any], lines: dict[str, int], last: int, intake: Intake) -> Head:
    try:
        return msgspec.convert(head, Head)
    except msgspec.ValidationError as error:
        reason = reason_of(error)
        line = lines.get(reason.partition(":")[0].partition(".")[0], last)
        raise intake.broken(line, reason) from error
