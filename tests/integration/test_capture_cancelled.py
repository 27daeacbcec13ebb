"""A call that is cancelled, wherever it waits: it ends as without capture, and is one record."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.applications.cancelling import CALLS
from tests.integration.processes import ahead, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

STEPWISE = [
    f"stepwise {name} {how}"
    for name, how in (
        ("whole", "cancel"),
        ("whole", "close"),
        ("stream", "cancel"),
        ("stream", "close"),
        ("left", "cancel"),
        ("left", "close"),
        ("opened", "cancel"),
        ("opened", "close"),
    )
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture(scope="module")
def answers(data_dir: Path) -> Iterator[Answers]:
    asked = {
        name: partial(run, "cancelling", {"data_dir": given})
        for name, given in (("with", str(data_dir)), ("without", None))
    }
    with ahead(asked) as told:
        yield told


def outcomes(answer: dict[str, Any], which: str) -> dict[str, Any]:
    return {name: end for name, end in answer["outcomes"].items() if name.startswith(which)}


@pytest.mark.parametrize("which", STEPWISE)
def test_it_ends_at_each_step_as_without_capture(answers: Answers, which: str) -> None:
    seen = outcomes(answers("with"), which)

    assert len(seen) > 3
    assert seen == outcomes(answers("without"), which)


@pytest.mark.parametrize("name", CALLS)
def test_over_a_network_it_is_cancelled_or_gives_what_it_would(answers: Answers, name: str) -> None:
    *cancelled, last = outcomes(answers("with"), f"server {name} ").values()

    assert {end["type"] for end in cancelled} == {"<class 'asyncio.exceptions.CancelledError'>"}
    assert last == [*outcomes(answers("without"), f"server {name} ").values()][-1]


def test_each_call_is_one_record(answers: Answers, data_dir: Path) -> None:
    made = answers("with")["outcomes"]
    with sqlite3.connect(data_dir / "usage.db") as ledger:
        records = dict(
            ledger.execute(
                "SELECT project, count(*) FROM record JOIN label_set ON label_set.id = label_set_id"
                " GROUP BY project"
            )
        )
    ledger.close()

    # Two more warm each of the clients up.
    assert records == dict.fromkeys(made, 1) | {"warm": 2}


def test_nothing_is_complained_of(answers: Answers) -> None:
    assert answers("with")["complaints"] == []
