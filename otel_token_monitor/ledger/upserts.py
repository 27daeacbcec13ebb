"""Adding to sums in SQL: a row is made if there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["adding", "upsert"]


def upsert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """A statement that adds values to the columns of a row, which it makes if need be."""
    names = ", ".join((*key, *columns))
    marks = ", ".join("?" * (len(key) + len(columns)))
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) {adding(key, columns)}"  # noqa: S608 - all names are literals of this package


def adding(key: Iterable[str], columns: Iterable[str]) -> str:
    """The end of an INSERT that adds to the row of the same key, if there is one."""
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in columns)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"
