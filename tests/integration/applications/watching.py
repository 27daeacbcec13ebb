"""An application that logs calls and watches its budgets, as its standard input says.

The first line has its configuration; then each line has tokens to use, answered when the call is
in the ledger. It ends as a program ends, when its standard input does.
"""

from __future__ import annotations

import json
import sys

from prometheus_client import CollectorRegistry

from otel_token_monitor import TokenMonitor, TokenMonitorConfig
from otel_token_monitor.auto_token_monitor import AutoTokenMonitor


def main() -> None:
    """Do what is asked."""
    config = TokenMonitorConfig(environ={}, serve=False, **json.loads(sys.stdin.readline()))
    monitor = TokenMonitor(config, registry=CollectorRegistry())
    auto = AutoTokenMonitor(monitor)
    auto.start_monitoring()
    print(json.dumps("ready"), flush=True)  # noqa: T201 - the answer
    for line in sys.stdin:
        monitor.log_usage(monitor.create_usage_record("gpt-5-mini", json.loads(line), 0))
        written = monitor.force_flush()
        print(json.dumps(written), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
