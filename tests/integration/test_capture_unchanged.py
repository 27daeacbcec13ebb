"""What the caller of OpenAI's client sees is the same with capture and without it, of all calls."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.applications.unchanged import KINDS
from tests.integration.processes import ahead, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

MODES = ("sync", "async")
WITHOUT, ASKING, ASKED_BY_NOBODY, UNKNOWN, UNKNOWN_WITHOUT = (
    "without",
    "with",
    "with, and no question for usage",
    "with, at a host that nobody knows",
    "without, at a host that nobody knows",
)
OTHERS = ("first chunk", "collected")


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: tmp_path_factory.mktemp("ledger") for name in (ASKING, ASKED_BY_NOBODY, UNKNOWN)}


@pytest.fixture(scope="module")
def answers(ledgers: dict[str, Path]) -> Iterator[Answers]:
    def ask(name: str, at: str, stream_usage: str = "auto") -> partial[dict[str, Any]]:
        question = {"instrumentation": None, "at": at}
        if name in ledgers:
            question |= {"instrumentation": "wire", "data_dir": str(ledgers[name])}
        return partial(run, "unchanged", question, env={"TOKEN_STREAM_USAGE": stream_usage})

    asked = {
        WITHOUT: ask(WITHOUT, "openai"),
        ASKING: ask(ASKING, "openai"),
        ASKED_BY_NOBODY: ask(ASKED_BY_NOBODY, "openai", "off"),
        UNKNOWN_WITHOUT: ask(UNKNOWN_WITHOUT, "unknown"),
        UNKNOWN: ask(UNKNOWN, "unknown", "on"),
    }
    with ahead(asked) as told:
        yield told


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_the_caller_sees_what_is_seen_without_capture(
    answers: Answers, kind: str, mode: str
) -> None:
    expected = answers(WITHOUT)[mode]["seen"][kind]

    assert answers(ASKING)[mode]["seen"][kind] == expected
    assert answers(ASKED_BY_NOBODY)[mode]["seen"][kind] == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_at_a_host_that_nobody_knows(answers: Answers, kind: str, mode: str) -> None:
    seen = answers(UNKNOWN)[mode]["seen"][kind]

    assert seen == answers(UNKNOWN_WITHOUT)[mode]["seen"][kind]


@pytest.mark.parametrize("mode", MODES)
def test_the_server_gets_as_many_requests(answers: Answers, mode: str) -> None:
    assert answers(ASKING)[mode]["requests"] == answers(WITHOUT)[mode]["requests"]


@pytest.mark.parametrize("mode", MODES)
def test_the_server_was_asked_for_usage_only_where_capture_asks(
    answers: Answers, mode: str
) -> None:
    own = answers(WITHOUT)[mode]["asks"]

    assert own == 2
    assert answers(ASKED_BY_NOBODY)[mode]["asks"] == own
    assert answers(ASKING)[mode]["asks"] > own
    assert answers(UNKNOWN)[mode]["asks"] == answers(ASKING)[mode]["asks"]


@pytest.mark.parametrize("mode", MODES)
def test_the_first_chunk_comes_before_the_server_sends_the_second(
    answers: Answers, mode: str
) -> None:
    assert answers(ASKING)[mode]["seen"]["first chunk"]["waited"] is True


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_a_response_dies_as_soon_as_nobody_has_it(answers: Answers, kind: str, mode: str) -> None:
    assert answers(ASKING)[mode]["seen"]["collected"][kind] is True


@pytest.mark.parametrize("name", [ASKING, ASKED_BY_NOBODY, UNKNOWN])
def test_nothing_is_complained_of(answers: Answers, name: str) -> None:
    assert answers(name)["complaints"] == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [ASKING, ASKED_BY_NOBODY, UNKNOWN])
def test_each_call_is_one_record(
    answers: Answers, ledgers: dict[str, Path], name: str, mode: str
) -> None:
    answers(name)
    with sqlite3.connect(ledgers[name] / "usage.db") as ledger:
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
