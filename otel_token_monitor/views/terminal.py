"""One day's sums as a table in a terminal, however wide that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from otel_token_monitor.views.summary import cost_usd, grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import RenderableType

    from otel_token_monitor.usage import Labels, Totals
    from otel_token_monitor.views.summary import DaySummary

__all__ = ["cost_text", "count_text", "day_table", "notes", "printable"]

_NAME: Final = "PROJECT, MODEL"
_ENDPOINT: Final = "ENDPOINT"
_NAME_WIDTH: Final = 44
_NAME_LEAST: Final = 12
_GAP: Final = 2
# From here on, fractions of a cent tell nobody anything.
_LARGE_USD: Final = 100

_CELLS: Final[dict[str, Callable[[Totals], str]]] = {
    "TOKENS": lambda totals: f"{totals.total_tokens:,}",
    "INPUT": lambda totals: f"{totals.input_tokens:,}",
    "CACHED": lambda totals: f"{totals.input_cached:,}",
    "OUTPUT": lambda totals: f"{totals.output_tokens:,}",
    "REASONING": lambda totals: f"{totals.output_reasoning:,}",
    "REQUESTS": lambda totals: f"{totals.requests:,}",
    "ERRORS": lambda totals: f"{totals.requests_error:,}",
    "UNMETERED": lambda totals: f"{totals.unmetered:,}",
    "COST": lambda totals: cost_text(totals),  # noqa: PLW0108 - it comes below
}
# What goes, one after the other, where the terminal is too narrow: details of other columns first.
_EXPENDABLE: Final = (
    _ENDPOINT,
    "REASONING",
    "CACHED",
    "UNMETERED",
    "ERRORS",
    "OUTPUT",
    "INPUT",
    "REQUESTS",
)
_BAD: Final = frozenset({"ERRORS", "UNMETERED"})


class _Row(NamedTuple):
    """A project, or what a project spent on one model (at one endpoint)."""

    name: str
    endpoint: str
    totals: Totals
    heads: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    """The rows and columns that fit a width; rows are merged where ENDPOINT is not shown."""

    rows: Sequence[_Row]
    total: Totals
    columns: tuple[str, ...]

    @property
    def with_endpoint(self) -> bool:
        return _ENDPOINT in self.columns

    @property
    def numbers(self) -> list[str]:
        return [column for column in self.columns if column in _CELLS]

    @property
    def name_width(self) -> int:
        names = (_NAME, *(row.name for row in self.rows))
        return min(max(map(cell_len, names)), _NAME_WIDTH)

    @property
    def other_width(self) -> int:
        """The width of all columns but the first, gaps included."""
        widths = [
            max(len(column), *(len(_CELLS[column](totals)) for totals in self._all_totals()))
            for column in self.numbers
        ]
        if self.with_endpoint:
            widths.append(max(len(_ENDPOINT), *(cell_len(row.endpoint) for row in self.rows)))
        return sum(widths) + _GAP * len(widths)

    def _all_totals(self) -> list[Totals]:
        return [*(row.totals for row in self.rows), self.total]


def day_table(summary: DaySummary, width: int) -> RenderableType:
    """The table, its heading above and what its sums leave out below; at most `width` wide."""
    if not summary.by_labels:
        return Text(f"No calls yet today ({summary.date} UTC).")
    heading = Text.assemble(("Today", "bold"), f"  {summary.date} UTC")
    layout = _fitting(summary, width)
    below = [Text(note) for note in notes(summary.total)]
    errors = summary.total.requests_error
    if errors and "ERRORS" not in layout.columns:
        below.append(Text(f"Among REQUESTS: {count_text(errors, 'error')}."))
    table = _table(layout, width)
    return Group(heading, Text(""), table, *((Text(""), *below) if below else ()))


def notes(total: Totals) -> list[str]:
    """What the sums leave out, in words."""
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
    return lines


def count_text(number: int, what: str) -> str:
    """A number and a noun, which takes an `s` unless it is one."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def cost_text(totals: Totals) -> str:
    """The cost in dollars; `unknown` if no call's price is known."""
    usd = cost_usd(totals)
    if usd is None:
        return "unknown"
    if usd >= _LARGE_USD:
        return f"${usd:,.2f}"
    return "<$0.0001" if 0 < usd < 0.0001 else f"${usd:.4f}"  # noqa: PLR2004 - as it is written


def printable(name: str) -> str:
    """The name without what would steer the terminal: names come from anywhere."""
    marker = "\N{REPLACEMENT CHARACTER}"
    return "".join(letter if letter.isprintable() else marker for letter in name)


def _fitting(summary: DaySummary, width: int) -> _Layout:
    """The layout with the most columns that fit."""
    columns = (_ENDPOINT, *_CELLS)
    for expendable in (None, *_EXPENDABLE):
        columns = tuple(column for column in columns if column != expendable)
        rows = list(_rows(summary, with_endpoint=_ENDPOINT in columns))
        layout = _Layout(rows, summary.total, columns)
        if layout.name_width + layout.other_width <= width:
            break
    return layout


def _rows(summary: DaySummary, *, with_endpoint: bool) -> Iterator[_Row]:
    """Each project, most tokens first, followed by its models."""
    several = len({labels.provider for labels in summary.by_labels}) > 1

    def key(labels: Labels) -> tuple[str, str, str]:
        model = f"{labels.provider}/{labels.model}" if several else labels.model
        return labels.project, model, labels.endpoint if with_endpoint else ""

    details = grouped(summary.by_labels, key)
    for project, totals in grouped(summary.by_labels, lambda labels: labels.project).items():
        yield _Row(printable(project), "", totals, heads=True)
        for (owner, model, endpoint), part in details.items():
            if owner == project:
                yield _Row(f"  {printable(model)}", printable(endpoint), part, heads=False)


def _table(layout: _Layout, width: int) -> Table:
    name_width = max(min(layout.name_width, width - layout.other_width), _NAME_LEAST)
    headers = [Column(_NAME, "total", width=name_width, no_wrap=True, overflow="ellipsis")]
    if layout.with_endpoint:
        headers.append(Column(_ENDPOINT, no_wrap=True, style="dim"))
    headers += [
        Column(name, _CELLS[name](layout.total), justify="right", no_wrap=True)
        for name in layout.numbers
    ]
    table = Table(
        *headers,
        box=box.SIMPLE,
        show_edge=False,
        show_footer=True,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        header_style="dim",
        footer_style="bold",
        border_style="dim",
    )
    for row in layout.rows:
        table.add_row(*_cells(row, layout), style="bold" if row.heads else "")
    return table


def _cells(row: _Row, layout: _Layout) -> list[Text]:
    cells = [Text(row.name)]
    if layout.with_endpoint:
        cells.append(Text(row.endpoint))
    for name in layout.numbers:
        text = _CELLS[name](row.totals)
        style = "dim" if text == "0" else "red" if name in _BAD else ""
        cells.append(Text(text, style))
    return cells
