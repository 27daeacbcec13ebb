"""A breakdown as a table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from otel_token_monitor.views.breakdown import By
from otel_token_monitor.views.terminal.sums import SumsRow, SumsTable, notes
from otel_token_monitor.views.terminal.texts import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from otel_token_monitor.views.breakdown import Breakdown

__all__ = ["breakdown_view"]


def breakdown_view(breakdown: Breakdown, width: int) -> RenderableType:
    """The table, which time it is of above, and what its sums leave out below."""
    asked = breakdown.question
    days = f"{asked.since}" if asked.since == asked.until else f"{asked.since} to {asked.until}"
    heading = f"{days} {asked.zone.key}"
    only = [printable(name) for name in (asked.project, asked.model) if name is not None]
    if only:
        heading += f", {', '.join(only)} only"
    if not breakdown.parts:
        return Text(f"No calls ({heading}).")
    headers = [by.upper() for by in asked.by]
    total = breakdown.total
    table = SumsTable(headers, list(_rows(breakdown)), total, width)
    below = [Text(note) for note in notes(total, table.columns)]
    return Group(
        Text.assemble(("Usage", "bold"), f"  {heading}"),
        Text(""),
        table.table(),
        *((Text(""), *below) if below else ()),
    )


def _rows(breakdown: Breakdown) -> Iterator[SumsRow]:
    """A row for each part; what is as in the row above is not said again."""
    before: tuple[str, ...] = ()
    ambiguous = _twice(breakdown)
    for key, totals in breakdown.parts:
        texts = tuple(
            _hour(name, ambiguous) if by is By.HOUR else printable(name)
            for by, name in zip(breakdown.question.by, key, strict=True)
        )
        same = 0
        while same < len(texts) - 1 and texts[: same + 1] == before[: same + 1]:
            same += 1
        yield SumsRow(("",) * same + texts[same:], totals)
        before = texts


def _hour(name: str, ambiguous: frozenset[str]) -> str:
    """The hour, with its offset only where clocks show it twice."""
    shown = _wall(name)
    return name.replace("T", " ") if shown in ambiguous else shown


def _wall(name: str) -> str:
    return name[: len("2026-11-01T00:00")].replace("T", " ")


def _twice(breakdown: Breakdown) -> frozenset[str]:
    """The hours that clocks show twice."""
    if By.HOUR not in breakdown.question.by:
        return frozenset()
    index = breakdown.question.by.index(By.HOUR)
    hours = {key[index] for key, _ in breakdown.parts}
    walls = Counter(map(_wall, hours))
    return frozenset(wall for wall, count in walls.items() if count > 1)
