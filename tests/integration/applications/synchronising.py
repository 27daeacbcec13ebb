"""A process that brings projects together, as its standard input says.

The first line has the arguments; then each line asks for a round, answered with what became of each
project: name, quarter-hours and problem. It ends when its standard input does.
"""

from __future__ import annotations

import json
import sys
from dataclasses import astuple

from otel_token_monitor import TokenMonitorConfig, TokenSyncService


def main() -> None:
    """Do what is asked."""
    asked = json.loads(sys.stdin.readline())
    config = TokenMonitorConfig(environ={}, **asked["config"])
    service = TokenSyncService(asked["projects"], global_monitor=False, config=config)
    print(json.dumps("ready"), flush=True)  # noqa: T201 - the answer
    for _ in sys.stdin:
        print(json.dumps([astuple(one) for one in service.sync()]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
