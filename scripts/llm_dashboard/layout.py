"""Rows of panels on Grafana's grid, which is 24 wide; a step down is 30 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grafana_foundation_sdk.cog.builder import Builder

__all__ = ["Card", "Row", "place"]

_GRID: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A panel, and how much room it takes."""

    panel: Builder[dashboard.Panel]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Row:
    """Panels from left to right, below one another where a line is full; a title above, if any."""

    title: str
    cards: Sequence[Card]


def place(rows: Sequence[Row], into: builders.Dashboard) -> None:
    """Put rows below one another, with an id for each panel, which the SDK leaves to us."""
    top, number = 0, 0
    for row in rows:
        if row.title:
            number += 1
            spot = dashboard.GridPos(x=0, y=top, w=_GRID, h=1)
            header = builders.Row(row.title).id(number).collapsed(False).grid_pos(spot)  # noqa: FBT003 - the SDK's
            header.build().panels = []
            into.with_row(header)
            top += 1
        for line in _lines(row.cards):
            left = 0
            for card in line:
                number += 1
                panel = card.panel.build()
                panel.id_val = number
                panel.grid_pos = dashboard.GridPos(x=left, y=top, w=card.width, h=card.height)
                into.with_panel(card.panel)
                left += card.width
            top += max(card.height for card in line)


def _lines(cards: Sequence[Card]) -> Iterator[list[Card]]:
    line: list[Card] = []
    for card in cards:
        if sum(one.width for one in line) + card.width > _GRID:
            yield line
            line = []
        line.append(card)
    yield line
