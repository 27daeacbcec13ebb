"""An application that counts calls, watches its budgets and serves, as its standard input says.

The first line has its configuration; then each line has tokens to use, answered with the instant
(UTC nanoseconds) at which the call is in the ledger. It ends as a program ends, when its standard
input does.
"""

from __future__ import annotations

import json
import sys
import time

from otel_token_monitor import TokenMonitorConfig, instrument


def main() -> None:
    """Do what is asked."""
    config = TokenMonitorConfig(environ={}, **json.loads(sys.stdin.readline()))
    monitor = instrument(config=config, instrumentation="none")
    while monitor.address is None:
        time.sleep(0.01)
    print(json.dumps("ready"), flush=True)  # noqa: T201 - the answer
    for line in sys.stdin:
        monitor.log_usage(monitor.create_usage_record("gpt-5-mini", json.loads(line), 0))
        written = time.time_ns() if monitor.force_flush() else None
        print(json.dumps(written), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
