"""What one directory has of the days that are asked for, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from otel_token_monitor.usage import Totals
from otel_token_monitor.views.breakdown import By, Cell
from otel_token_monitor.views.sums import summed, totals_document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_token_monitor.aggregation.directories import Directory
    from otel_token_monitor.views.breakdown import Question

__all__ = ["UNNAMED_PROJECT", "NotCountedError", "Share", "labelled"]

UNNAMED_PROJECT: Final = "default"
"""Where calls count whose project nobody named."""


class NotCountedError(Exception):
    """Nothing of a directory is counted; the message names it, the reason and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one directory contributes: `cells`, in its own days as `question` has them.

    `origins`: the ids of other ledgers whose calls are among them. `ledger_ids`: its own.
    """

    directory: Directory
    source: Literal["ledger", "files"]
    question: Question
    cells: tuple[Cell, ...]
    ledger_ids: tuple[str, ...]
    origins: frozenset[str] = frozenset()

    @property
    def total(self) -> Totals:
        """The sum of what is asked for."""
        return summed(totals for _, labels, totals in self.cells if self.question.asks_for(labels))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "path": str(self.directory),
            "source": self.source,
            "ledger": self.ledger_ids[0],
            "timezone": self.question.zone.key,
            **totals_document(self.total),
        }


def nothing_of(directory: Directory) -> dict[str, Any]:
    """As JSON, a directory that is not counted: its sums are null, for they are not known."""
    unknown = dict.fromkeys(totals_document(Totals()))
    return {
        "path": str(directory),
        "source": None,
        "ledger": None,
        "timezone": None,
        **unknown,
    }


def labelled(directory: Directory, cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells with their directory; under its name, if it was given one, what had no project."""
    name = {By.DIRECTORY: directory.name}
    project = directory.name if directory.given else UNNAMED_PROJECT
    return tuple(
        Cell(
            {**names, **name},
            labels._replace(project=project) if labels.project == UNNAMED_PROJECT else labels,
            totals,
        )
        for names, labels, totals in cells
    )
