"""Budgets as a table, the most urgent first, and each as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

from otel_token_monitor.budgets.limits import Unit
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.views.terminal.bars import STYLES, bar
from otel_token_monitor.views.terminal.texts import (
    NOTHING,
    amount_text,
    percent_text,
    printable,
    span_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_token_monitor.budgets.evaluation import Budget
    from otel_token_monitor.budgets.limits import Scope

__all__ = ["budget_line", "budget_table", "scope_text", "urgent_first"]

_AND: Final = " · "
_GAP: Final = 2
_NAME_LEAST: Final = 12
_NAME_MOST: Final = 36
_PROJECT_LEAST: Final = 3
_BAR_LEAST: Final = 6
_BAR_MOST: Final = 20
_PER: Final = {Window.MINUTE: "min", Window.DAY: "day", Window.MONTH: "month"}
# What goes, one after the other, where the terminal is too narrow.
_EXPENDABLE: Final = ("PROJ.", "RESETS", "RUNS OUT", "USED/LIMIT")
_RIGHT: Final = frozenset({"USED/LIMIT", "USED", "PROJ.", "RESETS"})


def urgent_first(budgets: Iterable[Budget]) -> list[Budget]:
    """The worst status first; then what runs out soonest; then what is used up most."""

    def urgency(budget: Budget) -> tuple[float, float, float]:
        runs_out = budget.runs_out_ns
        return -budget.status, float("inf") if runs_out is None else runs_out, -budget.ratio

    return sorted(budgets, key=urgency)


def scope_text(scope: Scope) -> str:
    """Whose calls count.

    `checkout`, `checkout · gpt-5*`, `all · gpt-5*`, `all projects`, `all ledgers`.
    """
    if scope.is_whole:
        return "all ledgers" if scope.over_ledgers else "all projects"
    project = "all" if scope.project is None else scope.project
    return printable(project if scope.model is None else f"{project}{_AND}{scope.model}")


def budget_line(budget: Budget) -> str:
    """A budget in a sentence.

    `CRITICAL  support: 412k of 400k tokens/day (103%), exhausted, resets in 7h 12m`
    """
    limit = budget.limit
    used, amount = amount_text(budget.used, limit.unit), amount_text(limit.amount, limit.unit)
    noun = "" if limit.unit is Unit.USD else f" {limit.unit}"
    runs_out = _runs_out(budget)
    return (
        f"{budget.status.name:8}  {scope_text(limit.scope)}: "
        f"{used} of {amount}{noun}/{limit.window} ({percent_text(budget.used, limit.amount)})"
        f"{f', runs out {runs_out}' if runs_out.startswith('in') else ''}"
        f"{', exhausted' if not budget.remaining else ''}"
        f", resets in {span_text(budget.reset_ns - budget.now_ns)}"
    )


def budget_table(budgets: Iterable[Budget], width: int, *, rows: int | None = None) -> Table:
    """The table, at most `width` wide, of the most urgent budgets (`rows` of them)."""
    layout = _fitting([_cells(budget) for budget in urgent_first(budgets)[:rows]], width)
    table = Table(
        *(
            Column(
                "" if header == _BAR else header,
                justify="right" if header in _RIGHT else "left",
                no_wrap=True,
                overflow="ellipsis",
                width=layout.widths[header],
            )
            for header in layout.headers
        ),
        box=None,
        pad_edge=False,
        padding=(0, _GAP, 0, 0),
        header_style="dim",
    )
    for line in layout.lines:
        table.add_row(*(_cell(line, header, layout) for header in layout.headers))
    return table


_NAME: Final = "BUDGET"
_BAR: Final = "BAR"


class _Line(NamedTuple):
    """A budget and its texts, by column."""

    budget: Budget
    texts: dict[str, str]


class _Layout(NamedTuple):
    """The columns that fit, and how wide each is."""

    lines: Sequence[_Line]
    headers: tuple[str, ...]
    widths: dict[str, int]


def _cells(budget: Budget) -> _Line:
    limit, projected = budget.limit, budget.projected
    used, amount = (amount_text(number, limit.unit) for number in (budget.used, limit.amount))
    texts = {
        _NAME: scope_text(limit.scope),
        "PER": f"{'req/' if limit.unit is Unit.REQUESTS else ''}{_PER[limit.window]}",
        "STATUS": budget.status.name,
        "USED/LIMIT": f"{used}/{amount}",
        _BAR: "",
        "USED": percent_text(budget.used, limit.amount),
        "PROJ.": NOTHING if projected is None else percent_text(projected, limit.amount),
        "RUNS OUT": _runs_out(budget),
        "RESETS": span_text(budget.reset_ns - budget.now_ns),
    }
    return _Line(budget, texts)


def _runs_out(budget: Budget) -> str:
    if not budget.remaining:
        return "exhausted"
    runs_out = budget.runs_out_ns
    return NOTHING if runs_out is None else f"in {span_text(runs_out - budget.now_ns)}"


def _fitting(lines: Sequence[_Line], width: int) -> _Layout:
    """As many columns as fit; what is left over goes to the names first, then to the bars."""
    headers = tuple(lines[0].texts)
    widths = {
        header: max(cell_len(header), *(cell_len(line.texts[header]) for line in lines))
        for header in headers
    }
    natural = min(widths[_NAME], _NAME_MOST)
    widths[_NAME], widths[_BAR] = min(natural, _NAME_LEAST), _BAR_LEAST
    for expendable in (*_EXPENDABLE, _BAR):
        if _spare(headers, widths, width) >= 0:
            break
        headers = tuple(header for header in headers if header != expendable)
    spare = _spare(headers, widths, width)
    grown = max(min(widths[_NAME] + spare, natural), min(widths[_NAME], len(_NAME)))
    widths[_BAR] = max(min(_BAR_LEAST + spare - (grown - widths[_NAME]), _BAR_MOST), _BAR_LEAST)
    widths[_NAME] = grown
    return _Layout(lines, headers, widths)


def _spare(headers: Sequence[str], widths: dict[str, int], width: int) -> int:
    return width - sum(widths[header] for header in headers) - _GAP * (len(headers) - 1)


def _cell(line: _Line, header: str, layout: _Layout) -> Text:
    if header == _BAR:
        return bar(line.budget, layout.widths[_BAR])
    if header == _NAME:
        return _name(line.budget.limit.scope, layout.widths[_NAME])
    text = line.texts[header]
    if header == "STATUS":
        return Text(text, STYLES[line.budget.status])
    if text == "exhausted":
        return Text(text, "red")
    return Text(text, "dim" if text == NOTHING else "")


def _name(scope: Scope, width: int) -> Text:
    """The scope's text, cut so that the models still tell it from others of its project."""
    text = Text(scope_text(scope))
    if text.cell_len > width and scope.project is not None and scope.model is not None:
        models = Text(printable(f"{_AND}{scope.model}"))
        if width - models.cell_len >= _PROJECT_LEAST:
            text = Text(printable(scope.project))
            text.truncate(width - models.cell_len, overflow="ellipsis")
            text.append_text(models)
    return text
