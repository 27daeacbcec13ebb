"""Sums as a table: as many columns as the terminal has room for, the more telling ones first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

from otel_token_monitor.views.terminal.texts import cost_text, count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_token_monitor.usage import Totals

__all__ = ["COLUMNS", "GAP", "SumsRow", "SumsTable", "notes"]

GAP: Final = 2
"""Between two columns."""

COLUMNS: Final[dict[str, Callable[[Totals], str]]] = {
    "TOKENS": lambda totals: f"{totals.total_tokens:,}",
    "INPUT": lambda totals: f"{totals.input_tokens:,}",
    "CACHED": lambda totals: f"{totals.input_cached:,}",
    "OUTPUT": lambda totals: f"{totals.output_tokens:,}",
    "REASONING": lambda totals: f"{totals.output_reasoning:,}",
    "REQUESTS": lambda totals: f"{totals.requests:,}",
    "ERRORS": lambda totals: f"{totals.requests_error:,}",
    "UNMETERED": lambda totals: f"{totals.unmetered:,}",
    "COST": cost_text,
}
"""The columns of numbers, and their text."""

# What goes, one after the other, where the terminal is too narrow: details of other columns first.
_EXPENDABLE: Final = ("REASONING", "CACHED", "UNMETERED", "ERRORS", "OUTPUT", "INPUT", "REQUESTS")
_BAD: Final = frozenset({"ERRORS", "UNMETERED"})
# How wide a column of names gets: its share of the terminal, by how many such columns there are.
_NAME_SHARES: Final = {1: 0.375, 2: 0.25}
_MANY_NAMES_SHARE: Final = 0.2
_NAME_MOST: Final = 44
_NAME_LEAST: Final = 8


class SumsRow(NamedTuple):
    """What it is the sum of, a text for each column of names; `heads` those that follow."""

    names: tuple[str, ...]
    totals: Totals
    heads: bool = False


class SumsTable:
    """Rows under columns of names, and their total, in a terminal of a width."""

    def __init__(
        self, headers: Sequence[str], rows: Sequence[SumsRow], total: Totals, width: int
    ) -> None:
        self._headers = headers
        self._rows = rows
        self._total = total
        self._names = self._name_widths(width)
        self.columns = tuple(COLUMNS)
        for expendable in _EXPENDABLE:
            if self._width() <= width:
                break
            self.columns = tuple(column for column in self.columns if column != expendable)
        self._fit_names(width)

    @property
    def whole(self) -> bool:
        """Whether every column has room."""
        return len(self.columns) == len(COLUMNS)

    def table(self, most: int | None = None) -> Table:
        """The table, of not more than so many rows."""
        table = Table(
            *self._columns(),
            box=box.SIMPLE,
            show_edge=False,
            show_footer=True,
            pad_edge=False,
            padding=(0, GAP - 1, 0, 0),
            header_style="dim",
            footer_style="bold",
            border_style="dim",
        )
        shown = self._rows if most is None else self._rows[:most]
        for row in shown:
            table.add_row(*self._cells(row), style="bold" if row.heads else "")
        return table

    def _natural_widths(self) -> list[int]:
        """How wide the columns of names would be, the total's name among them."""
        texts = zip(self._headers, *(row.names for row in self._rows), strict=True)
        natural = [min(max(map(cell_len, column)), _NAME_MOST) for column in texts]
        natural[0] = max(natural[0], len("total"))
        return natural

    def _name_widths(self, width: int) -> list[int]:
        """How wide they get as long as there are numbers to be shown."""
        share = _NAME_SHARES.get(len(self._headers), _MANY_NAMES_SHARE)
        most = max(int(width * share), _NAME_LEAST)
        return [min(natural, most) for natural in self._natural_widths()]

    def _width(self) -> int:
        """The width of all columns, gaps included."""
        sums = [self._total, *(row.totals for row in self._rows)]
        numbers = [
            max(len(column), *(len(COLUMNS[column](totals)) for totals in sums))
            for column in self.columns
        ]
        widths = [*self._names, *numbers]
        return sum(widths) + GAP * (len(widths) - 1)

    def _fit_names(self, width: int) -> None:
        """Give the names what is left over, or take from the widest what is missing."""
        spare = width - self._width()
        for index, natural in enumerate(self._natural_widths()):
            grown = min(natural, self._names[index] + max(spare, 0))
            spare -= grown - self._names[index]
            self._names[index] = grown
        while spare < 0 and max(self._names) > _NAME_LEAST:
            self._names[self._names.index(max(self._names))] -= 1
            spare += 1

    def _columns(self) -> list[Column]:
        names = [
            Column(
                header,
                "" if index else "total",
                width=self._names[index],
                no_wrap=True,
                overflow="ellipsis",
            )
            for index, header in enumerate(self._headers)
        ]
        numbers = [
            Column(name, COLUMNS[name](self._total), justify="right", no_wrap=True)
            for name in self.columns
        ]
        return names + numbers

    def _cells(self, row: SumsRow) -> list[Text]:
        cells = [Text(name) for name in row.names]
        for column in self.columns:
            text = COLUMNS[column](row.totals)
            style = "dim" if text == "0" else "red" if column in _BAD else ""
            cells.append(Text(text, style))
        return cells


def notes(total: Totals, columns: Sequence[str] = ("ERRORS",)) -> list[str]:
    """What sums leave out, and errors if they are not among the columns, in words."""
    estimated = total.estimated_input + total.estimated_output
    missing = [
        count_text(number, what)
        for number, what in (
            (total.unmetered, "unmetered request"),
            (estimated, "estimated token"),
        )
        if number
    ]
    lines = [f"Not in TOKENS: {', '.join(missing)}."] if missing else []
    if total.unpriced:
        lines.append(f"Not in COST: {count_text(total.unpriced, 'request')} of unknown price.")
    if total.requests_error and "ERRORS" not in columns:
        lines.append(f"Among REQUESTS: {count_text(total.requests_error, 'error')}.")
    return lines
