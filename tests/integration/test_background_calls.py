"""A response, or a batch, begun in one process, and fetched many times in others: one call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.demo.server import DemoServer
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from tests.integration.processes import run

if TYPE_CHECKING:
    from pathlib import Path

    from otel_token_monitor.usage import Labels, Sums

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Fetched:
    """What the ledger said after the call was begun, and at the end; what the fetchers received."""

    kind: str
    begun: dict[Labels, Sums]
    ended: dict[Labels, Sums]
    answers: list[dict[str, Any]]


def shown(directory: Path) -> dict[Labels, Sums]:
    reader = LedgerReader(Location.in_directory(directory))
    try:
        return reader.exposition().series
    finally:
        reader.close()


BY = [
    *((name, "responses") for name in ("wire", "traceloop", "official", "openinference")),
    *((name, "batches") for name in ("wire", "traceloop", "official", "openinference")),
]


@pytest.fixture(scope="module", params=BY, ids="-".join)
def fetched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    directory = tmp_path_factory.mktemp("ledger")
    instrumentation, kind = request.param
    with DemoServer() as server:
        question = {
            "server": server.base_url,
            "data_dir": str(directory),
            "instrumentation": instrumentation,
            "kind": kind,
        }
        first = run("background", {**question, "project": "jobs", "id": None})
        begun = shown(directory)
        fetching = {**question, "project": "watchers", "id": first["id"]}
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: run("background", fetching), range(2)))
    return Fetched(kind, begun, shown(directory), [first, *answers])


def test_nobody_complains(fetched: Fetched) -> None:
    assert [answer["complaints"] for answer in fetched.answers] == [[], [], []]


def test_it_is_a_request_before_it_is_fetched(fetched: Fetched) -> None:
    assert [sums.totals.requests for sums in fetched.begun.values()] == [1]


def test_it_is_not_unmetered_before_it_is_fetched(fetched: Fetched) -> None:
    assert [sums.unmetered for sums in fetched.begun.values()] == [{}]


def test_it_is_one_request_at_the_end(fetched: Fetched) -> None:
    assert [sums.totals.requests for sums in fetched.ended.values()] == [1]


def test_its_usage_counts_once(fetched: Fetched) -> None:
    (sums,) = fetched.ended.values()
    assert [sums.totals.input_tokens, sums.totals.output_tokens] == fetched.answers[-1]["usage"]


def test_it_is_the_beginners_project(fetched: Fetched) -> None:
    assert [labels.project for labels in fetched.ended] == ["jobs"]


def test_it_is_the_model_that_was_asked_for(fetched: Fetched) -> None:
    # Which models a batch asks for is in its file.
    model = {"responses": "gpt-5-mini", "batches": "unknown"}[fetched.kind]
    assert [labels.model for labels in fetched.ended] == [model]


def test_it_costs_what_its_model_costs(fetched: Fetched) -> None:
    (sums,) = fetched.ended.values()
    usage = sums.totals
    nanodollars = usage.input_tokens * 250 + usage.output_tokens * 2000
    assert usage.cost_nanousd == nanodollars // (2 if fetched.kind == "batches" else 1)
