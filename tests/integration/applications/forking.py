"""An application that watches its budgets and has children that use tokens, as it is told.

The first line of its standard input has its configuration; then each line has how, and how many
tokens: `use` them itself, `fork`, or have a child of multiprocessing's use them, by its start
method. It is answered when that child has ended, with its exit code.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from prometheus_client import CollectorRegistry

from otel_token_monitor import AutoTokenMonitor, TokenMonitor, TokenMonitorConfig


def watch(settings: dict[str, Any]) -> AutoTokenMonitor:
    """Count and watch from now on."""
    config = TokenMonitorConfig(environ={}, serve=False, **settings)
    auto = AutoTokenMonitor(TokenMonitor(config, registry=CollectorRegistry()))
    auto.start_monitoring()
    return auto


def use(auto: AutoTokenMonitor, tokens: int) -> int:
    """Use tokens; 0 if they are in the ledger."""
    monitor = auto.token_monitor
    monitor.log_usage(monitor.create_usage_record("gpt-5-mini", tokens, 0))
    return 0 if monitor.force_flush() else 1


def child(auto: AutoTokenMonitor | dict[str, Any], tokens: int) -> None:
    """What a child of multiprocessing does: it ends as soon as the tokens are in the ledger."""
    sys.exit(use(watch(auto) if isinstance(auto, dict) else auto, tokens))


def told(settings: dict[str, Any], auto: AutoTokenMonitor, how: str, tokens: int) -> int | None:
    """Do it; the exit code."""
    if how == "use":
        return use(auto, tokens)
    if how == "os":
        forked = os.fork()
        if forked == 0:
            # It ends as a program ends.
            sys.exit(use(auto, tokens))
        return os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])
    # As most applications have it: imported when the watch runs already.
    import multiprocessing  # noqa: PLC0415

    context: Any = multiprocessing.get_context(how)
    process = context.Process(target=child, args=(auto if how == "fork" else settings, tokens))
    process.start()
    process.join()
    code: int | None = process.exitcode
    return code


def main() -> None:
    """Do what is asked."""
    settings = json.loads(sys.stdin.readline())
    auto = watch(settings)
    print(json.dumps("ready"), flush=True)  # noqa: T201 - the answer
    while line := sys.stdin.readline():
        print(json.dumps(told(settings, auto, *json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
