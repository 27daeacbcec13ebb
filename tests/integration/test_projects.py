"""Each call counts for the project in whose block it was made."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import ahead, counted, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

INSTRUMENTATIONS = ("traceloop", "official", "openinference")

EXPECTED = {
    # Outside of all blocks: twice around `nested`, once after the error, once in a bare thread,
    # once for the stranger whose baggage is not believed.
    "default": 5,
    "outer": 2,
    "inner": 1,
    "stream": 1,
    "responses stream": 1,
    "threads": 1,
    "function": 1,
    "function's caller": 1,
    "generator": 3,
    "generator's consumer": 2,
    "friend": 1,
    "own": 2,
    "task 0": 3,
    "task 1": 3,
    "task 2": 3,
    "background": 1,
    "coroutine": 2,
    "async generator": 2,
    "async generator's consumer": 2,
}


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with DemoServer() as demo:
        question = {"server": demo.base_url, "data_dir": ":memory:"}
        asked = {
            name: partial(run, "projects", question | {"instrumentation": name})
            for name in INSTRUMENTATIONS
        }
        with ahead(asked) as told:
            yield told


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_a_call_counts_for_the_project_it_was_made_in(
    answers: Answers, instrumentation: str
) -> None:
    answer = answers(instrumentation)

    assert answer["complaints"] == []
    assert answer["outbound"] == [None, "sent", None]
    told = counted(answer["metrics"])
    assert told.pop("failing").requests == Counter(error=1)
    assert {name: project.requests for name, project in told.items()} == {
        name: Counter(ok=number) for name, number in EXPECTED.items()
    }
    assert all(project.tokens and not project.unmetered for project in told.values())
