"""A diagnosis as people read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from otel_token_monitor.deployment.doctor.findings import State
from otel_token_monitor.views.terminal.texts import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from otel_token_monitor.deployment.doctor.findings import Diagnosis, Link

__all__ = ["diagnosis_view"]

_STYLES: Final = {
    State.OK: "green",
    State.SKIPPED: "dim",
    State.WARNING: "yellow",
    State.BROKEN: "bold red",
}
_LAST: Final = {
    State.OK: "Everything works. To see an alert come through, add --test-alert.",
    State.SKIPPED: "What could be looked at works.",
    State.WARNING: "Alerts come through, as far as can be seen: --test-alert shows it.",
    State.BROKEN: "Mend what is broken, from the top; then run this again.",
}
_NOT_SENT: Final = "No test alert is sent: mend what is broken, from the top."


def diagnosis_view(diagnosis: Diagnosis, width: int, *, test_alert: bool = False) -> RenderableType:
    """The links in their order: how each stands, what was seen, and after → what to do.

    `test_alert`: one is to be sent, if nothing is broken.
    """
    del width  # long lines are folded
    now = datetime.fromtimestamp(diagnosis.now_ns // 1_000_000_000, UTC)
    headline = Text()
    headline.append(diagnosis.state.upper(), _STYLES[diagnosis.state])
    headline.append(f"  {now:%Y-%m-%d %H:%M} UTC")
    table = Table(
        Column(no_wrap=True),
        Column(no_wrap=True),
        Column(overflow="fold"),
        box=None,
        show_header=False,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    for link in diagnosis.links:
        table.add_row(link.name, Text(link.state, _STYLES[link.state]), _findings(link))
    parts: list[RenderableType] = [headline, Text(""), table]
    if not test_alert:
        parts += [Text(""), Text(_LAST[diagnosis.state])]
    elif diagnosis.is_broken:
        parts += [Text(""), Text(_NOT_SENT)]
    return Group(*parts)


def _findings(link: Link) -> Text:
    """What was seen, the worst first, a line each."""
    order = list(State)
    lines = []
    for finding in sorted(link.findings, key=lambda one: order.index(one.state), reverse=True):
        lines.append(Text(printable(finding.text)))
        if finding.remedy:
            lines.append(Text(f"→ {printable(finding.remedy)}", "bold"))
    return Text("\n").join(lines)
