"""What the caller of OpenAI's client sees is the same with capture and without it, of all calls.

So it is under each major version of openai that the tests have.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.applications.unchanged import KINDS
from tests.integration.processes import OPENAI_LINES, ahead, openai_line, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

MODES = ("sync", "async")
WITHOUT, ASKING, ASKED_BY_NOBODY, UNKNOWN = (
    "without",
    "with",
    "with, and no question for usage",
    "with, at a host that nobody knows",
)
CAPTURING = (ASKING, ASKED_BY_NOBODY, UNKNOWN)
OTHERS = ("first chunk", "collected")

# What differs from the last openai with capture and without: HTTP's own error comes through from a
# stream …
RAISED_BEFORE = {
    "stream_left_closed_and_read: silent after three": "ReadError",
    "stream_timeout": "ReadTimeout",
    "streamed: cut": "RemoteProtocolError",
    "streamed: gzip in name only": "DecodingError",
    "streamed: longer than it says": "RemoteProtocolError",
}
# … and a response of httpx is in a cycle with its stream, of which httpx2's is not.
DIES_AT_ONCE = {1: False, 2: False, 3: True}


def key(line: int, name: str) -> str:
    """The name of one run of the application."""
    return f"{name}, under openai {line}"


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        key(line, name): tmp_path_factory.mktemp("ledger")
        for line in OPENAI_LINES
        for name in CAPTURING
    }


@pytest.fixture(scope="module")
def answers(ledgers: dict[str, Path]) -> Iterator[Answers]:
    def ask(line: int, name: str, at: str, stream_usage: str = "auto") -> None:
        question = {"instrumentation": None, "at": at}
        if name in CAPTURING:
            data_dir = str(ledgers[key(line, name)])
            question |= {"instrumentation": "wire", "data_dir": data_dir}
        env = {"TOKEN_STREAM_USAGE": stream_usage} | openai_line(line)
        asked[key(line, name)] = partial(run, "unchanged", question, env=env)

    asked: dict[str, partial[dict[str, Any]]] = {}
    for line in OPENAI_LINES:
        ask(line, WITHOUT, "openai")
        ask(line, ASKING, "openai")
        ask(line, ASKED_BY_NOBODY, "openai", "off")
        ask(line, UNKNOWN, "unknown", "on")
    with ahead(asked) as told:
        yield told


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_the_caller_sees_what_is_seen_without_capture(
    answers: Answers, kind: str, mode: str, line: int
) -> None:
    expected = answers(key(line, WITHOUT))[mode]["seen"][kind]

    assert answers(key(line, ASKING))[mode]["seen"][kind] == expected
    assert answers(key(line, ASKED_BY_NOBODY))[mode]["seen"][kind] == expected


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_at_a_host_that_nobody_knows(
    answers: Answers, kind: str, mode: str, line: int
) -> None:
    seen = answers(key(line, UNKNOWN))[mode]["seen"][kind]

    # Without capture, no host is known.
    assert seen == answers(key(line, WITHOUT))[mode]["seen"][kind]


def raised(answer: dict[str, Any]) -> dict[str, str]:
    """The types of the errors in which calls ended, by kind."""
    return {
        kind: told["got"]["type"].removesuffix("'>").rpartition(".")[2]
        for kind, told in answer["seen"].items()
        if isinstance(told.get("got"), dict) and "cause" in told["got"]
    }


@pytest.mark.parametrize("line", OPENAI_LINES[:-1])
@pytest.mark.parametrize("mode", MODES)
def test_calls_fail_as_under_the_last_openai_but_for_the_table(
    answers: Answers, mode: str, line: int
) -> None:
    last = raised(answers(key(OPENAI_LINES[-1], WITHOUT))[mode])
    before = raised(answers(key(line, WITHOUT))[mode])

    assert before == last | RAISED_BEFORE
    assert {kind for kind in last if before[kind] != last[kind]} == set(RAISED_BEFORE)


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", MODES)
def test_the_server_gets_as_many_requests(answers: Answers, mode: str, line: int) -> None:
    without = answers(key(line, WITHOUT))[mode]["requests"]

    assert answers(key(line, ASKING))[mode]["requests"] == without


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", MODES)
def test_the_server_was_asked_for_usage_only_where_capture_asks(
    answers: Answers, mode: str, line: int
) -> None:
    asks = {
        name: answers(key(line, name))[mode]["asks"]
        for name in (WITHOUT, ASKING, ASKED_BY_NOBODY, UNKNOWN)
    }

    assert asks[WITHOUT] == 2
    assert asks[ASKED_BY_NOBODY] == asks[WITHOUT]
    assert asks[ASKING] > asks[WITHOUT]
    assert asks[UNKNOWN] == asks[ASKING]


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", MODES)
def test_the_first_chunk_comes_before_the_server_sends_the_second(
    answers: Answers, mode: str, line: int
) -> None:
    assert answers(key(line, ASKING))[mode]["seen"]["first chunk"]["waited"] is True


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_a_response_dies_as_soon_as_nobody_has_it(
    answers: Answers, kind: str, mode: str, line: int
) -> None:
    dead = answers(key(line, ASKING))[mode]["seen"]["collected"]

    assert dead[kind] is DIES_AT_ONCE[line]


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("name", CAPTURING)
def test_nothing_is_complained_of(answers: Answers, name: str, line: int) -> None:
    assert answers(key(line, name))["complaints"] == []


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CAPTURING)
def test_each_call_is_one_record(
    answers: Answers, ledgers: dict[str, Path], name: str, mode: str, line: int
) -> None:
    answers(key(line, name))
    with sqlite3.connect(ledgers[key(line, name)] / "usage.db") as ledger:
        records = dict(
            ledger.execute(
                "SELECT project, count(*) FROM record JOIN label_set ON label_set.id = label_set_id"
                " WHERE project LIKE ? GROUP BY project",
                (f"{mode} %",),
            )
        )
    ledger.close()

    # Each kind makes its call, and then a plain one.
    assert records == {f"{mode} {kind}": 2 for kind in KINDS} | {f"{mode} others": 5}
