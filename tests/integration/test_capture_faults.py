"""What capture makes of answers that are not as they should be: gigantic, broken, coded, cut."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.applications.gigantic import MEGABYTE
from tests.integration.processes import ahead, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.integration.processes import Answers

    Records = dict[str, list[Any]]

pytestmark = pytest.mark.integration

EXACT = ("ok", None, 11, 7)
INVALID = ("ok", "invalid_usage", None, None)
NO_USAGE = ("ok", "no_usage", None, None)
NO_STREAM_USAGE = ("ok", "stream_without_usage", None, None)
NO_RESPONSE = ("error", "no_response", None, None)
REFUSED = ("error", None, None, None)


def left(output: int, status: str = "ok") -> tuple[object, ...]:
    """A call that ended before its usage came."""
    return status, "abandoned", 3, output


WHOLE = {
    "a list": NO_USAGE,
    "br in name only": EXACT,
    "closed at once": NO_RESPONSE,
    "cut": NO_RESPONSE,
    # The client's own decoder takes it for an empty body, or for a part of one.
    "cut gzip": NO_USAGE,
    "deflate": EXACT,
    "empty": NO_USAGE,
    "gzip": EXACT,
    "gzip in name only": NO_RESPONSE,
    "gzip twice": EXACT,
    "html": REFUSED,
    "html for an answer": NO_USAGE,
    "latin-1": EXACT,
    "long names": EXACT,
    "longer than it says": NO_RESPONSE,
    "made-up coding": EXACT,
    "malformed": NO_USAGE,
    "no content": NO_USAGE,
    "NUL": EXACT,
    "raw deflate": EXACT,
    "surrogates": EXACT,
    "usage: a list": INVALID,
    "usage: a number": INVALID,
    "usage: details": EXACT,
    "usage: empty": NO_USAGE,
    "usage: fractions": INVALID,
    "usage: huge": INVALID,
    "usage: lists": INVALID,
    "usage: NaN": INVALID,
    "usage: negative": INVALID,
    "usage: nested": INVALID,
    "usage: text": INVALID,
    "usage: texts": INVALID,
    "utf-16": NO_USAGE,
    "white space": EXACT,
    "without content type": EXACT,
    "without length": EXACT,
}
STREAMED = {
    "a BOM": EXACT,
    "an error in the stream": left(0, "error"),
    "br in name only": EXACT,
    "broken text in the stream": left(0, "error"),
    "closed at once": NO_RESPONSE,
    "comments": EXACT,
    "CR": EXACT,
    "CRLF": EXACT,
    "cut": left(3, "error"),
    "cut gzip": EXACT,
    "deflate": EXACT,
    "empty": NO_STREAM_USAGE,
    "gzip": EXACT,
    "gzip in name only": left(0),
    "gzip twice": EXACT,
    "html": REFUSED,
    "html for an answer": NO_STREAM_USAGE,
    "malformed": left(0, "error"),
    "many lines": EXACT,
    "raw deflate": EXACT,
    "usage: a list": INVALID,
    "usage: details": EXACT,
    "usage: empty": NO_USAGE,
    "usage: NaN": INVALID,
    "usage: text": INVALID,
    "without content type": EXACT,
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: tmp_path_factory.mktemp("ledger") for name in ("unchanged", "gigantic")}


@pytest.fixture(scope="module")
def answers(places: dict[str, Path]) -> Iterator[Answers]:
    def ask(name: str, **question: object) -> partial[dict[str, Any]]:
        return partial(run, name, {"data_dir": str(places[name]), **question})

    asked = {
        "gigantic": ask("gigantic"),
        "unchanged": ask("unchanged", instrumentation="wire", at="openai"),
    }
    with ahead(asked) as told:
        yield told


def records(place: Path) -> Records:
    """Each record of a ledger by its project: status, reason, input and output."""
    found: Records = {}
    ledger = sqlite3.connect(place / "usage.db")
    for project, *record in ledger.execute(
        "SELECT project, status, unmetered, input, output"
        " FROM record JOIN label_set ON label_set.id = label_set_id ORDER BY time_ns"
    ):
        found.setdefault(project, []).append(tuple(record))
    ledger.close()
    return found


@pytest.fixture(scope="module")
def told(answers: Answers, places: dict[str, Path]) -> Records:
    answers("unchanged")
    return records(places["unchanged"])


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("fault", WHOLE)
def test_a_whole_answer_is_recorded_as_what_it_tells(told: Records, fault: str, mode: str) -> None:
    assert told[f"{mode} whole: {fault}"] == [WHOLE[fault], EXACT]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("fault", STREAMED)
def test_a_stream_is_recorded_as_what_it_tells(told: Records, fault: str, mode: str) -> None:
    assert told[f"{mode} streamed: {fault}"] == [STREAMED[fault], EXACT]


def test_a_stream_of_100_mb_takes_no_memory(answers: Answers) -> None:
    assert answers("gigantic")["peaks"]["streamed"] < 30 * MEGABYTE


def test_a_stream_of_100_mb_is_held_a_few_events_at_a_time(answers: Answers) -> None:
    assert answers("gigantic")["peaks"]["streamed, traced"] < 4 * MEGABYTE


def test_gigantic_answers_are_recorded_as_what_they_tell(
    answers: Answers, places: dict[str, Path]
) -> None:
    answers("gigantic")

    assert records(places["gigantic"]) == {
        "small": [EXACT],
        "streamed": [EXACT, EXACT],
        "endless": [NO_STREAM_USAGE],
        "whole": [EXACT],
    }


def test_nothing_is_complained_of(answers: Answers) -> None:
    assert answers("gigantic")["complaints"] == []
