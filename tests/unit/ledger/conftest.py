"""Fixtures of the ledger's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.ledger.database import Location
from tests.unit.ledger.books import Book

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["file", "memory"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    in_file = request.param == "file"
    made = Book(Location.in_directory(tmp_path) if in_file else Location.in_memory())
    yield made
    made.close()
