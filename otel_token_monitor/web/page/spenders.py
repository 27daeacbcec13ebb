"""Who spends: each project and its models, most tokens first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.views.sums import grouped, summed
from otel_token_monitor.web.page.wording import cost_text, count_text, html, percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_token_monitor.usage import Labels, Totals
    from otel_token_monitor.views.report import Report

__all__ = ["notes", "spenders_section"]

# So many projects, and models of each, stand open; the others are folded, or added up.
_SHOWN: Final = 8
_MODELS: Final = 5

_Part = tuple[str, "Totals", "Mapping[str, Totals]"]
"""A project, its sums, those of its models."""


def spenders_section(report: Report) -> str:
    """Today's projects, and this month's folded; notes on what the sums leave out."""
    today, month = (_parts(report.totals[window]) for window in (Window.DAY, Window.MONTH))
    body = _tables(today) if today else '<p class="soft">No calls yet today.</p>\n'
    left_out = "".join(
        f'<p class="note">{html(note)}</p>\n' for note in notes(report.total(Window.DAY))
    )
    folded = ""
    if month:
        opened = "" if today else " open"
        folded = f"<details{opened}>\n<summary>This month</summary>\n{_tables(month)}</details>\n"
    return (
        '<section class="card" aria-labelledby="spenders">\n<h2 id="spenders">Who spends</h2>\n'
        f"{body}{left_out}{folded}</section>\n"
    )


def notes(total: Totals) -> list[str]:
    """What the sums leave out, in words."""
    said = []
    if total.unmetered:
        said.append(
            f"{count_text(total.unmetered, 'request')} of which nobody sent the usage: unmetered, "
            f"not in the tokens."
        )
    estimated = total.estimated_input + total.estimated_output
    if estimated:
        said.append(
            f"{count_text(estimated, 'token')} estimated: not in the tokens here, but in the "
            f"budgets."
        )
    if total.unpriced:
        said.append(
            f"{count_text(total.unpriced, 'request')} of unknown price: unpriced, not in the cost."
        )
    return said


def _parts(by_labels: Mapping[Labels, Totals]) -> list[_Part]:
    models = grouped(by_labels, lambda labels: (labels.project, labels.model))
    return [
        (
            project,
            totals,
            {model: sums for (owner, model), sums in models.items() if owner == project},
        )
        for project, totals in grouped(by_labels, lambda labels: labels.project).items()
    ]


def _tables(parts: Sequence[_Part]) -> str:
    """Two tables of the same columns: the second, if there is one, is folded."""
    whole = summed(totals for _, totals, _ in parts).total_tokens
    shown, others = parts[:_SHOWN], parts[_SHOWN:]
    text = _table(shown, whole)
    if others:
        rest = summed(totals for _, totals, _ in others)
        summary = (
            f"{count_text(len(others), 'more project')}: "
            f"{count_text(rest.total_tokens, 'token')}, {cost_text(rest)}"
        )
        text += (
            f"<details>\n<summary>{html(summary)}</summary>\n{_table(others, whole)}</details>\n"
        )
    return text


def _table(parts: Sequence[_Part], whole: int) -> str:
    bodies = "".join(_project(part, whole) for part in parts)
    return (
        '<table class="spenders">\n<thead><tr><th scope="col">Project, model</th>'
        '<th scope="col">Tokens</th><th scope="col">Share</th><th scope="col">Requests</th>'
        f'<th scope="col">Cost</th></tr></thead>\n{bodies}</table>\n'
    )


def _project(part: _Part, whole: int) -> str:
    project, totals, models = part
    shown = dict(list(models.items())[:_MODELS])
    others = [sums for model, sums in models.items() if model not in shown]
    rows = "".join(
        _row("", f"<bdi>{html(model)}</bdi>", sums, whole) for model, sums in shown.items()
    )
    if others:
        name = count_text(len(others), "more model")
        rows += _row("", f"<i>{name}</i>", summed(others), whole)
    head = _row("project", f"<bdi>{html(project)}</bdi>", totals, whole)
    return f"<tbody>\n{head}{rows}</tbody>\n"


def _row(kind: str, name: str, totals: Totals, whole: int) -> str:
    share = min(totals.total_tokens / whole, 1) if whole else 0
    bar = f'<span class="share" style="width:{share * 100:.4g}%"></span>' if kind else ""
    return (
        f'<tr class="{kind or "model"}"><th scope="row">{name}{bar}</th>'
        f"<td>{totals.total_tokens:,}</td>"
        f"<td>{percent_text(totals.total_tokens, whole)}</td>"
        f"<td>{totals.requests:,}{_errors(totals)}</td>"
        f"<td>{html(cost_text(totals))}</td></tr>\n"
    )


def _errors(totals: Totals) -> str:
    if not totals.requests_error:
        return ""
    return f' <span class="errors">{count_text(totals.requests_error, "error")}</span>'
