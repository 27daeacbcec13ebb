"""Hold the ledger against recorded traffic: `replay_cassettes.py DIRECTORY [--async]`.

Each response in the VCR cassettes (YAML) of a directory and those below is replayed through the
real openai client, with capture alone, into a ledger that is thrown away: one a cassette, for ids
may come again in another. What it has of each request, in all five parts, must be what the recorded
response says as plain JSON. Exits with 0 if it is, 1 if not, 2 if there is nothing to replay.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cassettes.recordings import Recording, recordings_in
from cassettes.replaying import replay
from cassettes.usage import PARTS, Tokens, expected
from prometheus_client import CollectorRegistry

import otel_token_monitor
from otel_token_monitor.archives.rows import Call
from otel_token_monitor.config import TokenMonitorConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOTHING: Final = Tokens(0, 0, 0, 0, 0)
_END_OF_TIME: Final = 2**62
_COLUMNS: Final = (
    *("requests", "errors", "unmetered"),
    *("input", "cached", "written", "output", "reasoning"),
)


def main() -> int:
    """Replay what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--async", action="store_true", dest="asynchronous")
    options = parser.parse_args()
    try:
        recordings = list(recordings_in(options.directory))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if not recordings:
        print(f"no cassettes in {options.directory}", file=sys.stderr)
        return 2
    recorded: dict[str, Tokens] = {}
    calls: dict[str, list[Call]] = {}
    sums = _NOTHING
    for _, found in groupby(recordings, lambda recording: recording.cassette):
        of_cassette = list(found)
        recorded |= expected(of_cassette)
        more, added = _counted(of_cassette, asynchronous=options.asynchronous)
        calls |= more
        sums = _sum((sums, added))
    _print_table(recordings, recorded, calls)
    faults = _faults(recordings, recorded, calls)
    if sums != _sum(recorded.values()):
        faults.append(f"all: the ledger's sums are {sums}, recorded {_sum(recorded.values())}")
    for fault in faults:
        print(fault)
    print("the ledger differs" if faults else "the ledger equals what was recorded")
    return 1 if faults else 0


def _counted(
    recordings: Iterable[Recording], *, asynchronous: bool
) -> tuple[Mapping[str, list[Call]], Tokens]:
    """What the ledger has once all is replayed: calls by recording, and its sums."""
    with tempfile.TemporaryDirectory() as directory:
        config = TokenMonitorConfig(
            data_dir=directory, serve=False, instrumentation="wire", auto_monitor=False
        )
        monitor = otel_token_monitor.instrument(config=config, registry=CollectorRegistry())
        try:
            replay(recordings, asynchronous=asynchronous)
            monitor.force_flush()
            rows = monitor.ledger.ask(lambda reader: list(reader.calls(0, _END_OF_TIME)))
            totals = monitor.ledger.ask(lambda reader: reader.totals(0, _END_OF_TIME))
        finally:
            otel_token_monitor.uninstrument()
    calls: dict[str, list[Call]] = defaultdict(list)
    for row in rows:
        calls[row[2]].append(Call(*row))
    return calls, _sum(Tokens(*(getattr(t, part) for part in PARTS)) for t in totals.values())


def _faults(
    recordings: Iterable[Recording],
    recorded: Mapping[str, Tokens],
    calls: Mapping[str, list[Call]],
) -> list[str]:
    faults = []
    for recording in recordings:
        name = recording.name
        found, wanted = calls.get(name, []), recorded.get(name, _NOTHING)
        if len(found) > 1 or (name in recorded and not found):
            faults.append(f"{name}: {len(found)} calls in the ledger")
        elif _metered(found) != wanted:
            faults.append(f"{name}: the ledger has {_metered(found)}, recorded {wanted}")
    return faults


def _metered(calls: Iterable[Call]) -> Tokens:
    """The sums of calls whose usage is known."""
    known = (call for call in calls if not call.estimated)
    return _sum(Tokens(*(getattr(call, part) or 0 for part in PARTS)) for call in known)


def _sum(all_tokens: Iterable[Tokens]) -> Tokens:
    return Tokens(*map(sum, zip(_NOTHING, *all_tokens, strict=True)))


def _print_table(
    recordings: Iterable[Recording],
    recorded: Mapping[str, Tokens],
    calls: Mapping[str, list[Call]],
) -> None:
    """A line a kind of request: how many, what is recorded of them and what the ledger has."""
    lines: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        lines[_kind(recording)].append(recording)
    width = max(map(len, lines))
    print(f"{'':{width}}", *(f"{name:>9}" for name in _COLUMNS))
    for kind, of_kind in sorted(lines.items()):
        counted = [call for recording in of_kind for call in calls.get(recording.name, [])]
        errors = sum(call.status == "error" for call in counted)
        unmetered = sum(call.status == "ok" and call.input is None for call in counted)
        wanted = _sum(recorded.get(recording.name, _NOTHING) for recording in of_kind)
        found = _metered(counted)
        print(f"{kind:{width}}", *(f"{n:9}" for n in (len(counted), errors, unmetered, *wanted)))
        if found != wanted:
            print(f"{'  in the ledger:':{width + 30}}", *(f"{n:9}" for n in found))


def _kind(recording: Recording) -> str:
    """The method and the path, without what differs from request to request."""
    segments = urlsplit(recording.path).path.strip("/").split("/")
    named = ["…" if any(map(str.isdigit, part)) and len(part) > 8 else part for part in segments]  # noqa: PLR2004
    stream = " stream" if recording.streams else ""
    return f"{recording.method} {'/'.join(named)}{stream}"


if __name__ == "__main__":
    sys.exit(main())
