"""What tests of synchronising share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.syncing.scenes import Books

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """Makes the ledger of a project."""
    made = Books(tmp_path)
    yield made
    made.close()
