"""The page as a whole."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.web.page.budgets import (
    budgets_section,
    by_urgency,
    scope_html,
    statuses_text,
)
from otel_token_monitor.web.page.chart import hours_section
from otel_token_monitor.web.page.spenders import spenders_section
from otel_token_monitor.web.page.wording import (
    cost_text,
    count_text,
    html,
    moment,
    percent_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_token_monitor.views.report import Report
    from otel_token_monitor.web.sources import ServerStatus

__all__ = ["REFRESH_SECONDS", "landing_page"]

REFRESH_SECONDS: Final = 30
"""How long the page stays before it loads anew."""

_LINKS: Final = {
    "metrics": "Metrics",
    "token-usage": "Usage (JSON)",
    "token-status": "Status (JSON)",
    "healthz": "Health",
}
_CONTESTED: Final = (
    "applications that write this ledger disagree about its limits. Those of the one that started "
    "last hold; give all of them the same configuration."
)


def landing_page(
    status: ServerStatus,
    report: Report | None,
    troubles: Sequence[str] = (),
    *,
    base: str = "",
    refresh: bool = True,
) -> str:
    """The page; `report` is None, and `troubles` tell why, where the ledger cannot be read.

    `base` stands before its links; with `refresh`, it loads anew from time to time.
    """
    word = "UNKNOWN" if report is None else report.status.name
    reload = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">\n' if refresh else ""
    banners = "".join(_banner("critical", "Ledger trouble", trouble) for trouble in troubles)
    if report is not None and report.contested:
        banners += _banner("warning", "Contested limits", _CONTESTED)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{reload}<title>{word} · OTel Token Monitor</title>\n"
        f"<style>\n{_style()}</style>\n</head>\n<body>\n"
        f"{_header(status, report)}<main>\n{banners}{_body(report)}</main>\n"
        f"{_footer(status, report, base=base, refresh=refresh)}</body>\n</html>\n"
    )


@cache
def _style() -> str:
    return files(__package__).joinpath("style.css").read_text(encoding="utf-8")


def _header(status: ServerStatus, report: Report | None) -> str:
    when = ""
    if report is not None:
        now = moment(report.now_ns, report.policy.zone)
        when = (
            f'<p class="soft"><time datetime="{now.isoformat()}">{now:%a} {now.day} '
            f"{now:%b %Y, %H:%M:%S}</time> {html(report.policy.timezone)}</p>\n"
        )
    return (
        f"<header>\n<h1>OTel Token Monitor <small>{html(status.version)}</small></h1>\n"
        f"{when}</header>\n"
    )


def _footer(status: ServerStatus, report: Report | None, *, base: str, refresh: bool) -> str:
    links = " ".join(f'<a href="{html(base + path)}">{text}</a>' for path, text in _LINKS.items())
    here = html(base) or "./"
    if refresh:
        reload = (
            f'Loads anew every {REFRESH_SECONDS} s. <a href="{here}?refresh=off">Stand still</a>'
        )
    else:
        reload = f'Stands still. <a href="{here}">Load anew every {REFRESH_SECONDS} s</a>'
    ledger = f"Ledger <code>{html(status.ledger)}</code>"
    if report is not None:
        ledger += f" <code>{html(report.ledger_id)}</code>"
    return f"<footer>\n<nav>{links}</nav>\n<p>{ledger}</p>\n<p>{reload}</p>\n</footer>\n"


def _banner(kind: str, title: str, text: str) -> str:
    return f'<p class="banner {kind}" role="alert"><b>{title}:</b> {html(text)}</p>\n'


def _body(report: Report | None) -> str:
    if report is None:
        return (
            '<section class="card hero unknown">\n<p class="status">UNKNOWN</p>\n'
            "<p>Nothing can be said about usage and budgets until the ledger can be read.</p>\n"
            "</section>\n"
        )
    return (
        f'{_hero(report)}{_tiles(report)}<div class="columns">\n'
        f'<div class="column">\n{budgets_section(report.budgets, report.policy.zone)}</div>\n'
        f'<div class="column">\n{hours_section(report)}{spenders_section(report)}</div>\n</div>\n'
    )


def _hero(report: Report) -> str:
    name = report.status.name
    if not report.budgets:
        said = "No limit is set, so nothing can be exceeded."
    elif not report.status:
        said = f"All {count_text(len(report.budgets), 'budget')} are below their thresholds."
        if len(report.budgets) == 1:
            said = "The budget is below its thresholds."
    else:
        first = by_urgency(report.budgets)[0]
        share = percent_text(first.used, first.limit.amount)
        said = (
            f"{count_text(len(report.budgets), 'budget')}: {statuses_text(report.budgets)}. "
            f"Most urgent: <strong>{scope_html(first.limit.scope)}</strong>, {share} of its "
            f"{first.limit.unit.value.replace('usd', 'cost')} per {first.limit.window} used."
        )
    return (
        f'<section class="card hero {name.lower()}" aria-label="Status">\n'
        f'<p class="status">{name}</p>\n<p>{said}</p>\n</section>\n'
    )


def _tiles(report: Report) -> str:
    day, month = report.total(Window.DAY), report.total(Window.MONTH)
    errors = count_text(day.requests_error, "error") if day.requests_error else "no errors"
    tiles = (
        (
            "Tokens today",
            f"{day.total_tokens:,}",
            f"{day.input_tokens:,} in, {day.output_tokens:,} out",
        ),
        ("Requests today", f"{day.requests:,}", errors),
        ("Cost today", cost_text(day), f"{cost_text(month)} this month"),
        (
            "Tokens this month",
            f"{month.total_tokens:,}",
            count_text(month.requests, "request"),
        ),
    )
    items = "".join(
        f"<div><dt>{title}</dt><dd>{html(figure)}</dd><dd>{html(more)}</dd></div>\n"
        for title, figure, more in tiles
    )
    return f'<dl class="tiles">\n{items}</dl>\n'
