"""Faults of ours in the hooks: the application's calls end as they would without us."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import ahead, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

INSTRUMENTATIONS = ("traceloop", "official", "openinference")

# How many faults two calls bring to light. A queue that is full drops, and wakes only once.
ERRORS = {"policy": 2, "queue": 2, "full queue": 0, "waking": 1, "stamping": 2}


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with DemoServer() as demo:
        question = {"server": demo.base_url, "data_dir": ":memory:"}
        asked = {
            name: partial(run, "faults", question | {"instrumentation": name})
            for name in INSTRUMENTATIONS
        }
        with ahead(asked) as told:
            yield told


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_calls_do_not_notice_faulty_hooks(answers: Answers, instrumentation: str) -> None:
    answer = answers(instrumentation)

    outcomes = answer["answers"]
    assert outcomes["none"][0][0] == "ChatCompletion"
    assert outcomes["none"][1][0] == "RateLimitError"
    assert outcomes == dict.fromkeys(outcomes, outcomes["none"])
    assert answer["exported"] == dict.fromkeys(outcomes, 2)
    assert answer["errors"] == ERRORS
    # The first is logged, the others are counted.
    assert answer["logged"] == {name: min(errors, 1) for name, errors in ERRORS.items()}
