"""Type-checked under `mypy --strict`, never run: what users may write."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

import otel_token_monitor
from otel_token_monitor import (
    ConfigError,
    InstrumentationError,
    TokenMonitor,
    TokenMonitorConfig,
    TokenUsage,
    UsageRecord,
    instrument,
    project,
    uninstrument,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

assert_type(instrument(), TokenMonitor)
assert_type(
    otel_token_monitor.instrument(
        project="checkout",
        data_dir=Path("data"),
        config="monitor.yaml",
        host="localhost",
        port=9464,
        serve=True,
        registry=CollectorRegistry(),
        tracer_provider=TracerProvider(),
        instrumentation="auto",
    ),
    TokenMonitor,
)
instrument(config=TokenMonitorConfig(), data_dir=":memory:")
instrument(config=Path("monitor.json"))
instrument("checkout")  # type: ignore[call-arg]
instrument(port="9464")  # type: ignore[arg-type]
uninstrument()

monitor = instrument()
assert_type(monitor.force_flush(), bool)
assert_type(monitor.force_flush(timeout=1.5), bool)
assert_type(monitor.address, tuple[str, int] | None)
assert_type(monitor.ledger_path, Path | None)
assert_type(monitor.config, TokenMonitorConfig)

with project("search") as entered:
    assert_type(entered, project)
with project("search", baggage=True):
    pass
project(7)  # type: ignore[arg-type]


@project("search")
def function(number: int, *, text: str = "") -> str:
    """Keep its signature."""
    return text * number


assert_type(function(1, text="a"), str)
function("1")  # type: ignore[arg-type]


@project("search")
async def coroutine(number: int) -> str:
    """Stay a coroutine function."""
    return str(number)


@project("search")
def generator() -> Iterator[int]:
    """Stay a generator function."""
    yield 1


@project("search")
async def async_generator() -> AsyncIterator[int]:
    """Stay an async generator function."""
    yield 1


async def use() -> None:
    """Use what was decorated."""
    assert_type(await coroutine(1), str)
    assert_type(next(iter(generator())), int)
    async for number in async_generator():
        assert_type(number, int)


def read(record: UsageRecord) -> int:
    """Read a record."""
    assert_type(record.labels.project, str)
    assert_type(record.usage, TokenUsage | None)
    assert_type(record.cost_nanousd, int | None)
    return 0 if record.usage is None else record.usage.total_tokens


assert_type(TokenUsage(input=1, output_reasoning=2).output_tokens, int)
assert_type(otel_token_monitor.token_monitor, TokenMonitor)
assert_type(TokenMonitor(), TokenMonitor)
by_hand = TokenMonitor(config=TokenMonitorConfig())
usage_record = by_hand.create_usage_record(
    "gpt-5-mini", 12, 7, "chat_completion", "checkout", cached_tokens=3, cost_usd=Decimal("0.1")
)
assert_type(usage_record, UsageRecord)
by_hand.create_usage_record("gpt-5-mini", None, None, time=datetime.now(UTC), status="error")
by_hand.create_usage_record("gpt-5-mini", status="fine")  # type: ignore[arg-type]
by_hand.log_usage(usage_record)
by_hand.log_usage({})  # type: ignore[arg-type]
errors: tuple[type[Exception], ...] = (ConfigError, InstrumentationError)
