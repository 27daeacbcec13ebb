"""A breakdown as a table."""

from __future__ import annotations

from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from otel_token_monitor.views.breakdown import By
from otel_token_monitor.views.terminal.sums import SumsRow, SumsTable, notes
from otel_token_monitor.views.terminal.texts import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rich.console import RenderableType

    from otel_token_monitor.views.breakdown import Breakdown

__all__ = ["breakdown_view"]


def breakdown_view(breakdown: Breakdown, width: int) -> RenderableType:
    """The table, which time it is of above, and what its sums leave out below."""
    asked = breakdown.question
    days = f"{asked.since}" if asked.since == asked.until else f"{asked.since} to {asked.until}"
    heading = f"{days} {breakdown.timezone or '(days of several time zones)'}"
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
    shown = {By.HOUR: _hours(breakdown), By.DIRECTORY: _directories(breakdown)}
    for key, totals in breakdown.parts:
        texts = tuple(
            printable(shown.get(by, {}).get(name, name))
            for by, name in zip(breakdown.question.by, key, strict=True)
        )
        same = 0
        while same < len(texts) - 1 and texts[: same + 1] == before[: same + 1]:
            same += 1
        yield SumsRow(("",) * same + texts[same:], totals)
        before = texts


def _hours(breakdown: Breakdown) -> dict[str, str]:
    """The hours, with their offset only where clocks show them twice."""
    names = _names(breakdown, By.HOUR)
    walls = Counter(map(_wall, names))
    return {
        name: name.replace("T", " ") if walls[_wall(name)] > 1 else _wall(name) for name in names
    }


def _wall(name: str) -> str:
    return name[: len("2026-11-01T00:00")].replace("T", " ")


def _directories(breakdown: Breakdown) -> dict[str, str]:
    """Paths without what all of them begin and end with: that tells none from another."""
    paths = {name: name.split("/") for name in _names(breakdown, By.DIRECTORY)}
    before = _common(paths.values())
    rests = {name: parts[before:] for name, parts in paths.items()}
    after = _common([parts[::-1] for parts in rests.values()])
    return {name: "/".join(parts[: len(parts) - after]) for name, parts in rests.items()}


def _common(paths: Collection[Sequence[str]]) -> int:
    """How many parts all paths begin with; at least one is left of each."""
    if len(paths) < 2:  # noqa: PLR2004 - one has nothing in common with others
        return 0
    columns = zip(*(path[:-1] for path in paths), strict=False)
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, columns))


def _names(breakdown: Breakdown, by: By) -> set[str]:
    """All names of one thing."""
    if by not in breakdown.question.by:
        return set()
    index = breakdown.question.by.index(by)
    return {key[index] for key, _ in breakdown.parts}
