"""Alerts where a process that watches has children: each of them alerts, and none twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.receiving import eventually, ledger, logged, receiver
from tests.integration.watching import LIMIT, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[[int], Watcher]

pytestmark = pytest.mark.integration

WARNING = ("ledger/tokens/day", "warning", "firing")
CRITICAL = ("ledger/tokens/day", "critical", "firing")


class Parent(Watcher):
    """One process that counts, watches, and has children."""

    application = "forking"

    def has(self, how: str, tokens: int) -> None:
        self.say([how, tokens])
        assert self.answer() == 0


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Callable[[int], Parent]]:
    """Starts a process, and waits until it watches; ends it in the end."""
    made: list[Parent] = []

    def make(port: int) -> Parent:
        made.append(Parent(tmp_path, port))
        assert made[-1].answer() == "ready"
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("how", ["os", "fork", "spawn"])
def test_a_child_looks_once_more_before_it_ends(
    parent: Callable[[int], Parent], how: str, tmp_path: Path
) -> None:
    with receiver() as hook:
        one = parent(hook.server_port)
        one.has("use", 1)
        one.has(how, LIMIT)
        # The parent looks in five minutes only: this was the child.
        assert hook.alerts() == [CRITICAL]
        assert logged(tmp_path) == [("ledger/tokens/day", "CRITICAL")]
        one.stop()
        assert hook.alerts() == [CRITICAL]


def test_what_a_parent_is_delivering_its_child_does_not(
    parent: Callable[[int], Parent], tmp_path: Path
) -> None:
    with receiver() as hook:
        one = parent(hook.server_port)
        hook.answering.clear()
        one.has("use", LIMIT * 8 // 10)
        eventually(hook.alerts)
        # The delivery is on its way: the child neither repeats it nor comes before it.
        one.has("os", LIMIT // 10)
        assert hook.alerts() == [WARNING]
        hook.answering.set()
        eventually(lambda: len(hook.alerts()) == 2)
        one.stop()
        assert hook.alerts() == [WARNING, CRITICAL]
    assert ledger(tmp_path, "SELECT count(*) FROM delivery") == [(0,)]
