"""A configuration, and the limits that a ledger keeps, as people read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from otel_token_monitor.budgets.limits import Limit, Unit
from otel_token_monitor.views.terminal.budgets import scope_text
from otel_token_monitor.views.terminal.texts import count_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from otel_token_monitor.budgets.policy import Policy

__all__ = ["KeptLimits", "Setting", "checked_text", "settings_view"]

_NOTHING_SET = "Nothing is set: the defaults hold."


class Setting(NamedTuple):
    """A field of the configuration, its value as JSON has it, and where that comes from."""

    name: str
    value: object
    origin: str


class KeptLimits(NamedTuple):
    """What a ledger goes by; `differ`: not what the configuration says."""

    ledger: str
    policy: Policy
    differ: bool


def settings_view(given: Sequence[Setting], kept: KeptLimits | None, width: int) -> RenderableType:
    """The settings; below them the limits that a ledger keeps, if they are others."""
    del width  # long values are folded
    parts: list[RenderableType] = [_settings(given) if given else Text(_NOTHING_SET)]
    if kept is not None and kept.differ:
        about = f"Other limits hold for what is counted in {printable(kept.ledger)}:"
        parts += [Text(""), Text(about), Text(""), _limits(kept.policy)]
        parts += [Text(f"Days end in {kept.policy.timezone}.")]
    return Group(*parts)


def checked_text(given: Iterable[Setting], policy: Policy, file: str | None) -> str:
    """That a configuration can be used, what it limits, and what was read."""
    sources: dict[str, list[str]] = {} if file is None else {file: []}
    for name, _, origin in given:
        sources.setdefault(origin.rpartition(": ")[0] or origin, []).append(name)
    limits = count_text(len(policy.limits), "limit")
    lines = [f"The configuration can be used: {limits}, days end in {policy.timezone}."]
    if not sources:
        lines.append(_NOTHING_SET)
    lines += [
        printable(f"{source}: {', '.join(names) or 'sets nothing'}")
        for source, names in sources.items()
    ]
    return "\n".join(lines)


def _settings(given: Iterable[Setting]) -> Table:
    table = _table("SETTING", Column("VALUE", overflow="fold"), Column("FROM", overflow="fold"))
    for name, value, origin in given:
        style = "dim" if origin == "default" else ""
        table.add_row(name, Text(_value_text(value)), Text(printable(origin)), style=style)
    return table


def _limits(policy: Policy) -> Table:
    table = _table(
        "LIMIT OF",
        Column("AMOUNT", justify="right"),
        "PER",
        Column("WARNING", justify="right"),
        Column("CRITICAL", justify="right"),
    )
    for limit in policy.limits:
        table.add_row(
            Text(scope_text(limit.scope)),
            _amount_text(limit),
            str(limit.window),
            f"{limit.warning * 100:g}%",
            f"{limit.critical * 100:g}%",
        )
    return table


def _table(*columns: Column | str) -> Table:
    return Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def _value_text(value: object) -> str:
    if isinstance(value, str):
        return printable(value)
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _amount_text(limit: Limit) -> str:
    if limit.unit is Unit.USD:
        return f"${limit.unit.shown(limit.amount):,.2f}"
    return f"{limit.amount:,} {limit.unit}"
