"""A ledger, and the data files that are written from it into its directory."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.snapshots.data_files import DataFiles, Written
from otel_token_monitor.usage import TokenUsage
from tests.unit.alerts.scenes import Holder
from tests.unit.ledger.books import Book, Clock, project, record

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NOTHING", "SEOUL", "Desk", "at"]

SEOUL: Final = Policy(timezone="Asia/Seoul")
NOTHING: Final = Written()

_NUMBERS = count(1)


def at(text: str) -> int:
    """An instant, in ISO format with its offset (UTC ns)."""
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000_000


class Desk:
    """One process that writes the data files of a ledger; `now_ns` is set by hand."""

    def __init__(
        self, directory: Path, *, policy: Policy = SEOUL, retention_days: int = 90
    ) -> None:
        self.directory = directory
        self.now_ns = at("2026-11-24T16:48:00+09:00")
        self.book = Book.at(directory, clock=Clock(self.now_ns))
        self.book.writer.open()
        self.access = Holder(self.book)
        self.files = DataFiles(self.access, directory, policy, retention_days=retention_days)

    def use(self, tokens: int, when: str, name: str = "shop", **given: Any) -> None:
        """Have a call of a project use so many tokens at an instant."""
        given = {"usage": TokenUsage(input=tokens), **given}
        labels = project(name)
        self.book.write(record(next(_NUMBERS), labels, time_ns=at(when), **given))

    def write(self, **how: Any) -> Written | None:
        return self.files.write(self.now_ns, **how)

    def names(self) -> set[str]:
        """The data files that are there."""
        return {
            path.name
            for path in self.directory.iterdir()
            if path.suffix != ".lock" and not path.name.startswith(("usage.db", "."))
        }

    def read(self, name: str) -> Any:
        return json.loads((self.directory / name).read_text(encoding="utf-8"))

    def tokens(self, name: str) -> int:
        """All tokens that a file tells of."""
        total: int = self.read(name)["total"]["total_tokens"]
        return total

    def close(self) -> None:
        self.book.close()
