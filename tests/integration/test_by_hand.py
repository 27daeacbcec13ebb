"""Calls that the application logs by hand, and that are watched, are counted once, to the token."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import ahead, counted, run, samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

INSTRUMENTATIONS = ("traceloop", "official", "none")

PARTS = Counter(input=60, input_cached=30, input_cache_write=10, output=30, output_reasoning=20)

LOGGED = {
    "loop": 20,
    "every other": 10,
    "first id": 1,
    "second id": 1,
    **{f"thread {number}": 50 for number in range(8)},
    "stream, from within": 3,
    "stream, afterwards": 3,
    "counted by the application": 1,
    "no span": 5,
    **{f"task {number}": 10 for number in range(5)},
    "gathered": 20,
    "another task": 1,
}
"""How many calls are logged for each project, all with the same usage."""

WATCHED = {"context": 2, "not logged": 10}
"""Those of which the spans know the project."""
UNWATCHED = {"context": 1, "by hand": 1}
"""Where there are no spans, the same calls are of the projects of where they were logged."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    def data_dir(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    with DemoServer() as demo:
        asked = {
            name: partial(
                run,
                "by_hand",
                {"server": demo.base_url, "instrumentation": name, "data_dir": str(data_dir(name))},
                # One of them is a stream whose usage nobody knows.
                env={"TOKEN_STREAM_USAGE": "off"},
            )
            for name in INSTRUMENTATIONS
        }
        with ahead(asked) as told:
            yield told


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_each_call_counts_once_for_the_project_it_was_logged_for(
    answers: Answers, instrumentation: str
) -> None:
    found = counted(answers(instrumentation)["metrics"])
    wanted = LOGGED | (UNWATCHED if instrumentation == "none" else WATCHED)
    wanted |= {"refused": 1, "estimated": 1, "my_project": 1}
    assert {name: one.requests.total() for name, one in found.items()} == wanted


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_all_five_parts_are_those_that_were_used(answers: Answers, instrumentation: str) -> None:
    found = counted(answers(instrumentation)["metrics"])
    wanted = {
        project: Counter({part: number * calls for part, number in PARTS.items()})
        for project, calls in LOGGED.items()
    }
    assert {project: found[project].tokens for project in LOGGED} == wanted


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_what_is_no_exact_usage_stays_so(answers: Answers, instrumentation: str) -> None:
    metrics = answers(instrumentation)["metrics"]
    found = counted(metrics)
    assert found["refused"].requests == {"error": 1}
    assert (found["refused"].unmetered, found["refused"].tokens) == ({}, {})
    assert (found["estimated"].unmetered, found["estimated"].tokens) == ({}, {})
    estimates = {
        (s.labels["project"], s.labels["direction"]): s.value
        for s in samples(metrics, "llm_estimated_tokens_total")
        if s.value
    }
    assert estimates == {("estimated", "input"): 100, ("estimated", "output"): 50}


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_the_originals_own_sample_counts(answers: Answers, instrumentation: str) -> None:
    answer = answers(instrumentation)
    tokens = counted(answer["metrics"])["my_project"].tokens
    assert tokens.total() == answer["sample"] > 0


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_nothing_is_complained_of(answers: Answers, instrumentation: str) -> None:
    assert answers(instrumentation)["complaints"] == []
