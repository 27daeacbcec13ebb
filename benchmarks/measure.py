"""What the benchmarks share: a row of the table, a script run in its own process."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Row", "machine", "print_table", "run_script"]


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `limit` is the largest ratio (or difference) that we allow ourselves."""

    what: str
    ours: str
    theirs: str
    result: str
    limit: str
    holds: bool


def run_script(module: str, *arguments: str, **environment: str) -> Any:
    """Run a module of this package in a fresh process; the JSON that it prints last."""
    completed = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        # An installed package is compiled already: so this one may be, too.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(completed.stdout.splitlines()[-1])


def machine() -> str:
    """What this was measured on."""
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"


def ratio_row(what: str, ours: list[float], theirs: list[float], unit: str, limit: float) -> Row:
    """A comparison by the ratio of two medians."""
    one, two = median(ours), median(theirs)
    return Row(
        what,
        f"{one:.3g} {unit}",
        f"{two:.3g} {unit}",
        f"{one / two:.3g}×",
        f"≤ {limit:.3g}×",
        one / two <= limit,
    )


def print_table(rows: list[Row]) -> None:
    """The rows as a Markdown table."""
    titles = ("what", "ours", "beside", "ratio", "limit", "")
    cells = [
        titles,
        *[(r.what, r.ours, r.theirs, r.result, r.limit, "✓" if r.holds else "✗") for r in rows],
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    for number, row in enumerate(cells):
        print(
            "| "
            + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            + " |"
        )
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
