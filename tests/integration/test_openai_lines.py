"""The major versions of openai that the tests have, each with all else as it is installed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import OPENAI_LINES, ROOT, ahead, openai_line, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

VERSIONS = {1: "1.109.1", 2: "2.54.0", 3: "3.54.0"}
# openai 2 looks for httpx2 among the imported modules: it is half so while genai-prices imports it,
# in the background, once there is a call to price.
PRICED = [(2, "true"), (2, "false"), (3, "false")]
RECEIVED = {"chat": 13, "responses": 13, "azure": 2}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    with DemoServer() as server:

        def ask(line: int) -> dict[str, Any]:
            question = {"server": server.base_url}
            return run("openai_lines", question, env=openai_line(line))

        def ask_priced(line: int, capture: str) -> dict[str, Any]:
            data_dir = str(tmp_path_factory.mktemp("ledger"))
            question = {"server": server.base_url, "data_dir": data_dir}
            return run("first_priced", question, env={"TOKEN_CAPTURE": capture} | openai_line(line))

        asked = {str(line): partial(ask, line) for line in OPENAI_LINES}
        for line, capture in PRICED:
            asked[f"{line}, capture {capture}"] = partial(ask_priced, line, capture)
        with ahead(asked) as answered:
            yield answered


@pytest.mark.parametrize("line", OPENAI_LINES)
def test_its_version_is_pinned(answers: Answers, line: int) -> None:
    assert answers(str(line))["version"] == VERSIONS[line]


def test_versions_are_those_of_the_requirements() -> None:
    files = {line: f"requirements/openai-{line}.txt" for line in OPENAI_LINES}
    files[OPENAI_LINES[-1]] = "requirements/lock.txt"
    pinned = {
        line: (ROOT / path).read_text().split("\nopenai==")[-1] for line, path in files.items()
    }
    assert {
        line: text.removeprefix("openai==").split(" ", 1)[0] for line, text in pinned.items()
    } == VERSIONS


@pytest.mark.parametrize("line", OPENAI_LINES)
def test_it_speaks_through_its_own_http(answers: Answers, line: int) -> None:
    assert answers(str(line))["http"] == ("httpx2" if line == 3 else "httpx")


@pytest.mark.parametrize("line", OPENAI_LINES)
def test_pydantic_is_as_for_all(answers: Answers, line: int) -> None:
    assert answers(str(line))["pydantic"] == "2"


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_calls_come_through(answers: Answers, line: int, kind: str) -> None:
    assert answers(str(line))[kind] == RECEIVED


@pytest.mark.parametrize(("line", "capture"), PRICED)
def test_calls_go_on_while_the_first_is_priced(answers: Answers, line: int, capture: str) -> None:
    answer = answers(f"{line}, capture {capture}")

    assert answer["calls"] > 1
    assert answer["priced"] is True
