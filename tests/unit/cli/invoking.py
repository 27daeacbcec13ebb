"""Commands, run at a moment that is set, on a ledger that was written before it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from click.testing import CliRunner, Result

from otel_token_monitor.budgets.keeper import PolicyKeeper
from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.cli import cli
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from tests.unit.ledger.books import Book, record

NANO: Final = 1_000_000_000
HOUR: Final = 3600 * NANO
# 16:48 in Seoul, where 7 h 12 min are left of the day.
NOW: Final = round(datetime.fromisoformat("2026-11-24T07:48:00+00:00").timestamp()) * NANO
CHAT: Final = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")
SUPPORT: Final = CHAT._replace(project="support")
SEARCH: Final = Labels("search", "openai", "text-embedding-3-small", "embeddings")

POLICY: Final = Policy(
    timezone="Asia/Seoul",
    limits=(
        Limit(Scope("checkout"), Unit.TOKENS, Window.DAY, 1_000_000),
        Limit(Scope("search"), Unit.TOKENS, Window.DAY, 2_000_000),
        Limit(Scope("support"), Unit.TOKENS, Window.DAY, 400_000),
    ),
)
# Of today, all more than an hour ago but one; and of yesterday, in Seoul.
RECORDS: Final = (
    record(1, SUPPORT, time_ns=NOW - 2 * HOUR, usage=TokenUsage(400_000, 0, 0, 12_000, 0)),
    record(2, CHAT, time_ns=NOW - 2 * HOUR, usage=TokenUsage(700_000, 0, 0, 42_000, 0)),
    record(3, CHAT, time_ns=NOW - NANO, usage=TokenUsage(output=100_000), cost_nanousd=20 * NANO),
    record(4, SEARCH, time_ns=NOW - 2 * HOUR, usage=TokenUsage(input=860_000), cost_nanousd=NANO),
    record(5, SEARCH, time_ns=NOW - 17 * HOUR, usage=TokenUsage(input=7), status="error"),
)


def invoke(*arguments: str, **environ: str) -> Result:
    """Run a command; its ledger is in ./data, if the arguments name no other."""
    environ.setdefault("TOKEN_MONITOR_DATA_DIR", "data")
    runner = CliRunner(env={"COLUMNS": "80", **environ})
    return runner.invoke(cli, arguments, prog_name="otel-token-monitor", obj=lambda: NOW)


def write(*records: UsageRecord, policy: Policy | None = None, directory: str = "data") -> None:
    """Write a ledger; it is ten days old, so that the pace is that of an hour."""
    book = Book.at(Path(directory))
    book.clock.now = NOW - 240 * HOUR
    book.write()
    book.clock.now = NOW
    if policy is not None:
        book.writer.chore = PolicyKeeper(policy)
    book.write(*records)
    book.close()
