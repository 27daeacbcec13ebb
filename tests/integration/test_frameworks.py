"""LangChain over the client, and crowds of calls that are all alike: each call counts once."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import Counted, ahead, counted, run, samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

CLIENTS = ("traceloop", "official", "openinference")
FRAMEWORKS = ("langchain", "openinference-langchain")

COMBINATIONS = {
    "+".join(names): names
    for names in (
        *((framework, client) for framework in FRAMEWORKS for client in CLIENTS),
        ("traceloop", "openinference-langchain"),
        FRAMEWORKS,
        (*reversed(CLIENTS), *reversed(FRAMEWORKS)),
    )
}

# Calls of LangChain, and how many calls of a model each is.
CALLS = {
    "invoke": 1,
    "stream": 1,
    "batch": 3,
    "chain": 1,
    "structured": 1,
    "tools": 1,
    "responses": 1,
    "ainvoke": 1,
    "astream": 1,
    "abatch": 3,
    "achain": 1,
}
REFUSED = ("error", "aerror")

# Instrumentations, the kinds of calls they see, and the one response id that all calls get.
CROWDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]] = {
    "one": (("official",), ("chat",), None),
    "two, one id for all": (("traceloop", "official"), ("chat",), "chatcmpl-same"),
    "two, without ids": (("official", "openinference"), ("embeddings",), None),
    "two, in traces of their own": (("openinference", "traceloop"), ("responses",), None),
}
TOTAL = {"chat": 1500, "embeddings": 700, "responses": 1500}


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with DemoServer() as demo:
        question: dict[str, object] = {"server": demo.base_url, "data_dir": ":memory:"}
        asked = {
            name: partial(run, "frameworks", question | {"instrumentations": names})
            for name, names in COMBINATIONS.items()
        }
        for name, (names, kinds, response_id) in CROWDS.items():
            crowd = {"instrumentations": names, "kinds": kinds, "response_id": response_id}
            asked[name] = partial(run, "crowd", question | crowd)
        with ahead(asked) as told:
            yield told


def result(answers: Answers, name: str) -> dict[str, Counted]:
    answer = answers(name)
    assert answer["complaints"] == []
    [errors] = samples(answer["metrics"], "otel_token_monitor_hook_errors_total")
    assert errors.value == 0
    return counted(answer["metrics"])


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_call_of_a_framework_counts_once(answers: Answers, name: str) -> None:
    projects = result(answers, name)

    for call, number in CALLS.items():
        told = projects.pop(call)
        assert (call, told.requests) == (call, Counter(ok=number))
        assert not told.unmetered
        tokens = told.tokens
        assert tokens["input"] + tokens["input_cached"] == 1000 * number
        assert tokens["input_cached"] == 200 * number
        assert tokens["output"] + tokens["output_reasoning"] == 500 * number
        assert len(told.where) == 1
    for call in REFUSED:
        told = projects.pop(call)
        assert (call, told.requests, told.unmetered) == (call, Counter(error=1), Counter())
    assert projects.pop("stream_without_usage").requests == Counter(ok=1)
    left = projects.pop("stream_left")
    assert (left.requests.total(), left.unmetered) == (1, Counter(abandoned=1))
    if set(COMBINATIONS[name]) & set(CLIENTS):
        # LangChain has no callbacks, and so no spans, for embeddings; the client has.
        assert projects.pop("embeddings").tokens == Counter(input=700)
    assert projects == {}


@pytest.mark.parametrize("name", CROWDS)
def test_calls_that_are_all_alike_are_neither_lost_nor_doubled(answers: Answers, name: str) -> None:
    projects = result(answers, name)

    _, kinds, _ = CROWDS[name]
    assert {project: told.requests for project, told in projects.items()} == {
        f"{kind} {who}": Counter(ok=number)
        for kind in kinds
        for who, number in [
            *((f"thread {thread}", 50) for thread in range(8)),
            *((f"tasks {half}", 25) for half in range(2)),
        ]
    }
    for project, told in projects.items():
        kind = project.partition(" ")[0]
        assert told.tokens.total() == TOTAL[kind] * told.requests["ok"]
        assert not told.unmetered
