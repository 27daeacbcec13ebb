"""Count a call, see what was used of which limit, take the data along.

    python examples/quick_start.py

With OPENAI_API_KEY set it makes one small call to the real API (OPENAI_MODEL, gpt-5-mini), without
it calls a bundled server on this machine, which answers as OpenAI does.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import openai

from otel_token_monitor import TokenDataExporter, instrument
from otel_token_monitor.demo.server import DemoServer

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Make a call, and show what the monitor knows of it."""
    # Once, at start. Limits, project and data directory come from the environment or ./.env:
    # TOKEN_DAILY_LIMIT=2000000, TOKEN_PROJECT=my_project, …
    monitor = instrument(serve=False)

    with client() as openai_client:
        reply = openai_client.chat.completions.create(
            model=os.environ.get("OPENAI_MODEL", "gpt-5-mini"),
            messages=[{"role": "user", "content": "안녕하세요!"}],
            max_completion_tokens=500,
        )
    print(f"the reply says {reply.usage.total_tokens if reply.usage else 'nothing of'} tokens")

    # As of now, to the token: all calls that have ended are in it.
    summary = monitor.get_usage_summary()
    print(f"today: {summary['daily']['total_tokens']:,} tokens")
    print(f"status: {summary['status']}")
    for budget in summary["budgets"]:
        print(f"  {budget['budget']}: {budget['used']:,} of {budget['limit']:,} {budget['unit']}")

    day = summary["daily"]["date"]
    exported = TokenDataExporter(monitor).export_to_json(day, day, "usage_report.json")
    print(f"calls of {day} in {exported.path}: {exported.calls}")


@contextmanager
def client() -> Iterator[openai.OpenAI]:
    """The real API's client where there is a key, else that of a bundled server."""
    if os.environ.get("OPENAI_API_KEY"):
        yield openai.OpenAI()
        return
    with DemoServer() as server:
        yield openai.OpenAI(api_key="none", base_url=server.base_url)


if __name__ == "__main__":
    main()
