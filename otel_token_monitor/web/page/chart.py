"""Today by hour: bars of an inline drawing, their labels around it, and the same as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.web.page.wording import NANO, cost_text, count_text, html, moment

if TYPE_CHECKING:
    from otel_token_monitor.usage import Totals
    from otel_token_monitor.views.report import Report

__all__ = ["hours_section"]

_HOUR_NS: Final = 3600 * NANO
# The drawing's own units, stretched to the width of the page: an hour, of which the bar takes part.
_STEP: Final = 10
_BAR: Final = 7
_HEIGHT: Final = 100
_LABEL_EVERY: Final = 6
# Labels within so many bars of `now` would run into it.
_NEAR: Final = 2
_ROUND_STEPS: Final = (1, 2, 2.5, 3, 4, 5, 6, 8, 10)


def hours_section(report: Report) -> str:
    """Tokens by hour; nothing if the report has no hours."""
    hours = report.hours
    if not hours:
        return ""
    top = _scale(max(totals.total_tokens for totals in hours.values()))
    bars = "".join(
        _bar(report, index, hour, totals, top) for index, (hour, totals) in enumerate(hours.items())
    )
    width = len(hours) * _STEP
    return (
        '<section class="card" aria-labelledby="hours">\n<h2 id="hours">Today by hour</h2>\n'
        f'<div class="chart">\n<div class="scale"><span>{_short(top)}</span>'
        f"<span>{_short(top / 2)}</span><span>0</span></div>\n"
        f'<svg viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html(_told(report))}">\n{_grid(width)}{bars}</svg>\n'
        f'<div class="hours" aria-hidden="true">{_labels(report)}</div>\n</div>\n'
        f"{_table(report)}</section>\n"
    )


def _bar(report: Report, index: int, hour: int, totals: Totals, top: float) -> str:
    height = totals.total_tokens / top * _HEIGHT
    if totals.total_tokens:
        height = max(height, 1.5)
    now = ' class="now"' if _is_now(report, hour) else ""
    left = index * _STEP + (_STEP - _BAR) / 2
    title = (
        f"{_from_to(report, hour)}: {count_text(totals.total_tokens, 'token')}, "
        f"{count_text(totals.requests, 'request')}"
    )
    # The frame takes the pointer over the whole height.
    return (
        f"<g{now}><title>{html(title)}</title>"
        f'<rect class="frame" x="{index * _STEP}" width="{_STEP}" height="{_HEIGHT}"/>'
        f'<rect x="{left:g}" y="{_HEIGHT - height:.3f}" width="{_BAR}" height="{height:.3f}"/>'
        "</g>\n"
    )


def _grid(width: int) -> str:
    lines = "".join(f"M0 {y}H{width}" for y in (0, _HEIGHT // 2, _HEIGHT))
    return f'<path class="grid" d="{lines}"/>\n'


def _labels(report: Report) -> str:
    """The hour at every sixth bar, and where now is."""
    count = len(report.hours)
    now = next((at for at, hour in enumerate(report.hours) if _is_now(report, hour)), -_LABEL_EVERY)
    labels = []
    for index, hour in enumerate(report.hours):
        left = f'style="left:{(index + 0.5) / count * 100:.3f}%"'
        if index == now:
            labels.append(f"<b {left}>now</b>")
        elif index % _LABEL_EVERY == 0 and abs(index - now) > _NEAR:
            labels.append(f"<span {left}>{_clock(report, hour)}</span>")
    return "".join(labels)


def _table(report: Report) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html(_from_to(report, hour))}</th>'
        f"<td>{totals.total_tokens:,}</td><td>{totals.requests:,}</td>"
        f"<td>{html(cost_text(totals))}</td></tr>\n"
        for hour, totals in report.hours.items()
        if totals.requests
    )
    if not rows:
        return '<p class="soft">No calls yet today.</p>\n'
    return (
        "<details>\n<summary>As a table</summary>\n"
        '<table class="plain">\n<thead><tr><th scope="col">Hour</th><th scope="col">Tokens</th>'
        '<th scope="col">Requests</th><th scope="col">Cost</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n</details>\n"
    )


def _told(report: Report) -> str:
    """The drawing in words."""
    busiest = max(report.hours, key=lambda hour: report.hours[hour].total_tokens)
    most = report.hours[busiest].total_tokens
    if not most:
        return "Tokens by hour today: none yet."
    return (
        f"Tokens by hour today: most from {_from_to(report, busiest)}, {count_text(most, 'token')}."
    )


def _is_now(report: Report, hour: int) -> bool:
    return hour <= report.now_ns < hour + _HOUR_NS


def _clock(report: Report, time_ns: int) -> str:
    return f"{moment(time_ns, report.policy.zone):%H:%M}"


def _from_to(report: Report, hour: int) -> str:
    return f"{_clock(report, hour)}\N{EN DASH}{_clock(report, hour + _HOUR_NS)}"


def _scale(most: int) -> float:
    """The least round number, from 10 up, that has room for the highest bar."""
    most = max(most, 10)
    power: int = 10 ** (len(str(most)) - 1)
    return next(step * power for step in _ROUND_STEPS if step * power >= most)


def _short(amount: float) -> str:
    """A round number in few letters: `2.5M`."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if amount >= size:
            return f"{amount / size:g}{letter}"
    return f"{amount:g}"
