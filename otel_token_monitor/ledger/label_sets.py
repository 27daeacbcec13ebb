"""Where label sets count: in rows of their own, or beyond the cap in those of `other`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_token_monitor.usage import OTHER, Labels

if TYPE_CHECKING:
    import sqlite3

__all__ = ["IDLE_SECONDS", "LabelSets", "Place", "find_or_make"]

IDLE_SECONDS: Final = 30 * 86400
"""A label set that nothing was counted under for so long leaves the exposition."""

# How many label sets a writer remembers the place of, and how long it trusts its memory.
_REMEMBERED: Final = 4096
_TRUSTED_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Place:
    """Which rows a label set counts in: its own, and the cumulative ones (perhaps `other`'s)."""

    label_set_id: int
    series_id: int
    overflows: bool
    found_at: int


class LabelSets:
    """Finds the place of each label set, and remembers it for a while.

    `maximum` caps the label sets with cumulative rows of their own. In memory, sets beyond it have
    no rows at all.
    """

    def __init__(self, maximum: int, *, in_memory: bool) -> None:
        self._max = maximum
        self._in_memory = in_memory
        self._places: dict[Labels, Place] = {}

    def forget(self) -> None:
        """Ask the ledger again: it may be another one, or label sets may be gone."""
        self._places.clear()

    def place(self, connection: sqlite3.Connection, labels: Labels, now: int) -> Place:
        """Where a label set counts, remembered for a while."""
        place = self._places.get(labels)
        # Compared both ways: after the clock was set back, what was remembered says nothing.
        if place is not None and 0 <= now - place.found_at < _TRUSTED_SECONDS:
            return place
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        label_set_id, last_counted = find_or_make(connection, labels)
        series_id, overflows = label_set_id, False
        since = now - IDLE_SECONDS
        if labels != OTHER and (last_counted is None or last_counted < since):
            other_id, other_counted = find_or_make(connection, OTHER)
            overflows = self._is_full(connection, since, besides=other_id)
            if overflows:
                if self._in_memory and last_counted is None:
                    # Memory is bounded: there, reports have such sets as `other`, too.
                    connection.execute("DELETE FROM label_set WHERE id = ?", (label_set_id,))
                    label_set_id = other_id
                series_id, last_counted = other_id, other_counted
        if last_counted is None or last_counted < now:
            connection.execute(
                "UPDATE label_set SET last_counted = ? WHERE id = ?", (now, series_id)
            )
        place = self._places[labels] = Place(label_set_id, series_id, overflows, now)
        return place

    def _is_full(self, connection: sqlite3.Connection, since: int, *, besides: int) -> bool:
        """Whether no more label sets may have cumulative rows of their own."""
        (active,) = connection.execute(
            "SELECT count(*) FROM label_set WHERE last_counted >= ? AND id <> ?", (since, besides)
        ).fetchone()
        return bool(active >= self._max)


def find_or_make(connection: sqlite3.Connection, labels: Labels) -> tuple[int, int | None]:
    """The id of a label set, which is made if need be, and when it last counted."""
    row = connection.execute(
        "SELECT id, last_counted FROM label_set "
        "WHERE project = ? AND provider = ? AND model = ? AND endpoint = ?",
        labels,
    ).fetchone()
    if row is not None:
        return int(row[0]), row[1]
    cursor = connection.execute(
        "INSERT INTO label_set (project, provider, model, endpoint) VALUES (?, ?, ?, ?)", labels
    )
    return int(cursor.lastrowid or 0), None
