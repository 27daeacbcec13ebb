"""An application that knows nothing of any monitor: started by `opentelemetry-instrument`."""

from __future__ import annotations

import json
import sys
import threading

from opentelemetry import trace

from tests.integration.applications.client import Client

MESSAGES = [{"role": "user", "content": "Hello there"}]


def main() -> None:
    """Make ten calls."""
    question = json.load(sys.stdin)
    client = Client(question["server"], asynchronous=False)
    for _ in range(10):
        client.api.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
    provider = type(trace.get_tracer_provider()).__name__
    thread = any(thread.name == "otel-token-monitor" for thread in threading.enumerate())
    print(json.dumps({"provider": provider, "thread": thread}))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
