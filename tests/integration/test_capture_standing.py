"""Where capture stands in OpenAI's client, whatever else is done to it: each call is one record."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.applications.standing import APPLICATIONS, SUBCLASSES
from tests.integration.processes import ahead, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.processes import Answers

    Records = Callable[[str], dict[str, list[str]]]

pytestmark = pytest.mark.integration

EXACT, REFUSED, UNASKED = "wire ok 11", "wire error 0", "wire ok stream_without_usage"
KINDS = ("plain", "custom", *(kind.__name__ for kind in SUBCLASSES))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: tmp_path_factory.mktemp("ledger") for name in APPLICATIONS}


@pytest.fixture(scope="module")
def answers(places: dict[str, Path]) -> Iterator[Answers]:
    def ask(name: str) -> partial[dict[str, object]]:
        instrumentation = "traceloop" if name == "unknown" else "wire"
        question = {"data_dir": str(places[name]), "instrumentation": instrumentation}
        return partial(run, "standing", {"application": name, **question})

    with ahead({name: ask(name) for name in APPLICATIONS}) as told:
        yield told


@pytest.fixture
def records(answers: Answers, places: dict[str, Path]) -> Records:
    """Each record of an application by its project: who told of it, its status and its input."""

    def of(name: str) -> dict[str, list[str]]:
        answers(name)
        found: dict[str, list[str]] = {}
        ledger = sqlite3.connect(places[name] / "usage.db")
        for project, record in ledger.execute(
            "SELECT project, source || ' ' || status || ' ' || coalesce(unmetered, input, 0)"
            " FROM record JOIN label_set ON label_set.id = label_set_id ORDER BY time_ns"
        ):
            found.setdefault(project, []).append(record)
        ledger.close()
        return found

    return of


def test_a_client_that_is_built_otherwise_brings_one_clear_warning(answers: Answers) -> None:
    (warning,) = answers("unknown")["complaints"]

    assert warning.startswith("otel_token_monitor does not know how the client of openai ")
    assert warning.endswith(
        " is built, so usage that no span carries is not captured: "
        "use a version from 1.0 to 3.x, or upgrade otel-token-monitor"
    )


def test_a_client_that_is_built_otherwise_works(answers: Answers) -> None:
    assert answers("unknown")["answer"] == {"tokens": 18}


def test_a_client_that_is_built_otherwise_is_counted_by_its_spans(records: Records) -> None:
    assert records("unknown") == {"call": ["opentelemetry.instrumentation.openai.v1 ok 11"]}


@pytest.mark.parametrize("name", [name for name in APPLICATIONS if name != "unknown"])
def test_nothing_is_complained_of(answers: Answers, name: str) -> None:
    assert answers(name)["complaints"] == []


def test_it_counts_while_it_is_on(records: Records) -> None:
    assert records("again") == {"on 1": [EXACT], "on 2": [EXACT]}


def test_beside_an_instrumentation_that_came_before_and_goes_before(records: Records) -> None:
    assert records("others_before") == {
        "beside": [EXACT],
        "refused": [REFUSED],
        "alone": [EXACT],
        # The other took our wrapper along: the request goes by unseen, and its response does not.
        "streamed": [UNASKED],
    }


def test_beside_an_instrumentation_that_came_after(records: Records) -> None:
    assert records("others_after") == {
        "beside": [EXACT],
        "refused": [REFUSED],
        "alone": [EXACT],
        "again": [EXACT],
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("age", ["early", "late"])
def test_clients_of_all_kinds_made_before_and_after(records: Records, age: str, kind: str) -> None:
    found = records("clients")
    name = f"{age} {kind}"
    # One tries again by itself; another gives what it has, which was refused at first.
    refused = EXACT if kind == "Persisting" else REFUSED
    streamed = None if kind == "Remembering" else [UNASKED]

    assert found.get(f"{name} refused") == [refused]
    assert found.get(name) == [EXACT]
    assert found.get(f"{name} streamed") == streamed


def test_a_class_of_clients_made_after(records: Records) -> None:
    found = records("clients")

    assert found["late Later"] == [EXACT]
    assert found["late Later refused"] == [REFUSED]
    assert found["late Later streamed"] == [UNASKED]


def test_many_threads_lose_nothing_and_count_nothing_twice(records: Records) -> None:
    assert {name: sorted(found) for name, found in records("threads").items()} == {
        f"thread {number}": [EXACT] * 20 + [UNASKED] * 20 for number in range(8)
    }


def test_a_stream_that_was_open_at_a_fork_is_the_parents(records: Records) -> None:
    assert records("fork") == {"the parent's": [EXACT], "the child's": [EXACT]}
