"""`make bench`: run every comparison, print one table."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib import import_module

from benchmarks.measure import Row, machine, print_table

PARTS = (
    "coverage",
    "on_end",
    "cpu",
    "wire",
    "startup",
    "totals",
    "scrape",
    "history",
    "archives",
    "directories",
)
# `delivery` takes minutes of waiting, and Debian's Prometheus: it runs only when it is named.


def main() -> int:
    """Run the parts named on the command line, or all; 1 if a limit is broken."""
    rows: list[Row] = []
    for part in sys.argv[1:] or PARTS:
        print(f"measuring {part} …", file=sys.stderr, flush=True)
        rows += import_module(f"benchmarks.{part}").run()
    print(f"{datetime.now(UTC).date()}, {machine()}\n")
    print_table(rows)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
