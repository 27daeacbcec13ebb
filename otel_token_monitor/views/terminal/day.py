"""What was spent today, by project and model, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from otel_token_monitor.views.sums import grouped, summed
from otel_token_monitor.views.terminal.sums import SumsRow, SumsTable, notes
from otel_token_monitor.views.terminal.texts import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from otel_token_monitor.usage import Labels, Totals

__all__ = ["day_table"]

_NAME: Final = "PROJECT, MODEL"


def day_table(
    by_labels: Mapping[Labels, Totals], day: str, width: int, *, rows: int | None = None
) -> RenderableType:
    """The table, its heading above and what its sums leave out below; at most `width` wide.

    `day` names the date and its time zone. With `rows` it has not more of them, and no notes.
    """
    if not by_labels:
        return Text(f"No calls yet today ({day}).")
    heading = Text.assemble(("Today", "bold"), f"  {day}")
    total = summed(by_labels.values())
    table = SumsTable((_NAME, "ENDPOINT"), list(_rows(by_labels, with_endpoint=True)), total, width)
    if not table.whole:
        table = SumsTable((_NAME,), list(_rows(by_labels, with_endpoint=False)), total, width)
    if rows is not None:
        return Group(heading, Text(""), table.table(rows))
    below = [Text(note) for note in notes(total, table.columns)]
    return Group(heading, Text(""), table.table(), *((Text(""), *below) if below else ()))


def _rows(by_labels: Mapping[Labels, Totals], *, with_endpoint: bool) -> Iterator[SumsRow]:
    """Each project, most tokens first, followed by its models."""
    several = len({labels.provider for labels in by_labels}) > 1

    def key(labels: Labels) -> tuple[str, str, str]:
        model = f"{labels.provider}/{labels.model}" if several else labels.model
        return labels.project, model, labels.endpoint if with_endpoint else ""

    details = grouped(by_labels, key)
    for project, totals in grouped(by_labels, lambda labels: labels.project).items():
        yield _row(project, "", totals, with_endpoint=with_endpoint, heads=True)
        for (owner, model, endpoint), part in details.items():
            if owner == project:
                yield _row(f"  {model}", endpoint, part, with_endpoint=with_endpoint, heads=False)


def _row(name: str, endpoint: str, totals: Totals, *, with_endpoint: bool, heads: bool) -> SumsRow:
    names = (printable(name), printable(endpoint)) if with_endpoint else (printable(name),)
    return SumsRow(names, totals, heads)
