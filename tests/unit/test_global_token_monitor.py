"""The global ledger, shown and watched: what many projects use together, and its limits."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from otel_token_monitor.global_token_monitor import GlobalTokenMonitor
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.errors import LedgerVersionError
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.token_sync_service import TokenSyncService
from tests.unit.ledger.books import CHAT, DAY, Book, project, record

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "tokens": {
        "input": 0,
        "input_cached": 0,
        "input_cache_write": 0,
        "output": 0,
        "output_reasoning": 0,
    },
    "estimated_tokens": 0,
    "estimated_input_tokens": 0,
    "estimated_output_tokens": 0,
    "requests": 0,
    "errors": 0,
    "unmetered_requests": 0,
    "unpriced_requests": 0,
    "cost_usd": 0.0,
    "cost_nanousd": 0,
}


def config(directory: Path, **settings: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ={}, global_data_dir=str(directory / "global"), **settings)


def made(directory: Path, **settings: Any) -> GlobalTokenMonitor:
    return GlobalTokenMonitor(config(directory, **settings))


def synchronised(monitor: GlobalTokenMonitor, directory: Path, *names: str) -> None:
    projects = {name: directory / name for name in names}
    TokenSyncService(projects, 300, monitor).sync()


def used(directory: Path, name: str, *, days_ago: int = 0) -> None:
    """Have a project make a call of 20 tokens."""
    book = Book.at(directory / name)
    book.write(record(days_ago, project(name), time_ns=time.time_ns() - days_ago * DAY))
    book.close()


def gauges(metrics: str, name: str) -> list[str]:
    return [line for line in metrics.splitlines() if line.startswith(f"{name}{{")]


def test_making_it_opens_nothing(tmp_path: Path) -> None:
    monitor = made(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert monitor.ledger_path == tmp_path / "global" / "usage.db"


def test_it_switches_on_nothing_and_leaves_the_default_registry_alone(tmp_path: Path) -> None:
    # In a process of its own: who else has used the default registry here?
    script = f"""
        import prometheus_client
        from otel_token_monitor import GlobalTokenMonitor, TokenMonitorConfig
        from opentelemetry.sdk.trace import TracerProvider
        before = set(prometheus_client.REGISTRY._names_to_collectors)
        get_tracer = TracerProvider.get_tracer
        config = TokenMonitorConfig(environ={{}}, global_data_dir={str(tmp_path / "global")!r})
        monitor = GlobalTokenMonitor(config)
        monitor.start_monitoring()
        monitor.get_global_summary()
        monitor.stop_monitoring()
        assert set(prometheus_client.REGISTRY._names_to_collectors) == before
        assert TracerProvider.get_tracer is get_tracer
        import sys
        assert "opentelemetry.instrumentation.openai" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=50)


def test_without_any_synchronisation_all_is_zero(tmp_path: Path) -> None:
    summary = made(tmp_path, global_daily_limit=100).get_global_summary()
    assert summary["sources"] == []
    assert (summary["projects"], summary["models"], summary["usage"]) == ({}, {}, [])
    assert summary["status"] == "NORMAL"
    assert "per_minute" not in summary
    assert NOTHING.items() <= summary["daily"].items()
    assert NOTHING.items() <= summary["monthly"].items()
    assert (summary["daily"]["limit"], summary["daily"]["limit_usage_percent"]) == (100, 0.0)
    assert summary["monthly"]["limit"] is None


def test_the_summary_has_what_all_use_and_each(tmp_path: Path) -> None:
    used(tmp_path, "shop")
    used(tmp_path, "search")
    used(tmp_path, "search", days_ago=70)
    monitor = made(tmp_path, global_daily_limit=50, global_monthly_limit=1000)
    synchronised(monitor, tmp_path, "shop", "search", "later")
    summary = monitor.get_global_summary()
    assert summary["daily"]["total_tokens"] == 40
    assert summary["daily"]["limit_usage_percent"] == 80.0
    assert summary["monthly"]["limit_usage_percent"] == 4.0
    assert summary["status"] == "WARNING"
    assert [(budget["budget"], budget["scope"]) for budget in summary["budgets"]] == [
        ("global/tokens/day", "global"),
        ("global/tokens/month", "global"),
    ]
    assert {
        name: {window: of["total_tokens"] for window, of in sums.items()}
        for name, sums in summary["projects"].items()
    } == {"search": {"daily": 20, "monthly": 20}, "shop": {"daily": 20, "monthly": 20}}
    assert summary["models"].keys() == {CHAT.model}
    assert summary["models"][CHAT.model].keys() == {"daily", "monthly"}


def test_the_sources_are_as_the_service_left_them(tmp_path: Path) -> None:
    used(tmp_path, "shop")
    before = int(time.time())
    monitor = made(tmp_path, timezone="Asia/Seoul")
    synchronised(monitor, tmp_path, "shop", "later")
    # In another process it would be another monitor.
    sources = {source["name"]: source for source in monitor.get_global_summary()["sources"]}
    shop, later = sources["shop"], sources["later"]
    at = datetime.fromisoformat(shop.pop("synchronised"))
    assert before <= at.timestamp() <= time.time()
    assert at.utcoffset() == datetime.fromisoformat("2026-01-01T00:00:00+09:00").utcoffset()
    sums = {**NOTHING, "total_tokens": 20, "input_tokens": 15, "output_tokens": 5, "requests": 1}
    sums |= {"unpriced_requests": 1, "cost_usd": None}
    sums["tokens"] = {
        "input": 10,
        "input_cached": 5,
        "input_cache_write": 0,
        "output": 3,
        "output_reasoning": 2,
    }
    book = Book.at(tmp_path / "shop")
    assert shop == {
        "name": "shop",
        "path": str(tmp_path / "shop"),
        "ledger": book.reader.ledger_id(),
        "source": "ledger",
        "problem": None,
        "daily": sums,
        "monthly": sums,
    }
    book.close()
    assert later["problem"].startswith(f"the data directory {tmp_path}/later cannot be read")
    assert {key: later[key] for key in later if key != "problem"} == {
        "name": "later",
        "path": str(tmp_path / "later"),
        "ledger": None,
        "source": None,
        "synchronised": None,
        "daily": NOTHING,
        "monthly": NOTHING,
    }


def test_a_source_keeps_when_it_was_in_last(tmp_path: Path) -> None:
    used(tmp_path, "shop")
    monitor = made(tmp_path)
    synchronised(monitor, tmp_path, "shop")
    (before,) = monitor.get_global_summary()["sources"]
    (tmp_path / "shop").rename(tmp_path / "away")
    synchronised(monitor, tmp_path, "shop")
    (after,) = monitor.get_global_summary()["sources"]
    assert after.pop("problem") is not None
    assert before.pop("problem") is None
    assert after == before


def test_sources_that_a_newer_release_wrote(tmp_path: Path) -> None:
    monitor = made(tmp_path)
    monitor.get_global_summary()
    guest = LedgerGuest(Location.in_directory(tmp_path / "global"))
    guest.change(lambda c: c.execute("INSERT INTO ledger VALUES ('sources', '[]')"))
    guest.close()
    with pytest.raises(LedgerVersionError) as caught:
        monitor.get_global_summary()
    assert "a newer release wrote it perhaps; upgrade otel-token-monitor" in str(caught.value)


def test_the_limits_of_a_single_ledger_do_not_hold(tmp_path: Path) -> None:
    monitor = made(
        tmp_path,
        daily_limit=1,
        daily_cost_limit=1,
        projects={"shop": {"daily_limit": 1}},
        models={"gpt*": {"daily_limit": 1}},
        global_monthly_limit=7,
    )
    names = [budget["budget"] for budget in monitor.get_global_summary()["budgets"]]
    assert names == ["global/tokens/month"]
    assert monitor.config.daily_limit is not None


def test_it_is_not_kept_in_memory() -> None:
    with pytest.raises(ConfigError) as caught:
        GlobalTokenMonitor(TokenMonitorConfig(environ={}, global_data_dir=":memory:"))
    assert caught.value.faults == (
        (
            "argument global_data_dir: the global ledger cannot be kept in memory: "
            "give it a directory of its own"
        ),
    )


def test_an_application_that_exposes_it_shows_its_budgets(tmp_path: Path) -> None:
    used(tmp_path, "shop")
    monitor = made(tmp_path, global_daily_limit=25)
    synchronised(monitor, tmp_path, "shop")
    app = Starlette()
    assert monitor.expose(app) is monitor
    with TestClient(app) as client:
        metrics = client.get("/metrics").text
        usage = client.get("/token-usage").json()
    book = LedgerGuest(Location.in_directory(tmp_path / "global"))
    ledger_id = book.ask(lambda reader: reader.ledger_id())
    book.close()
    assert gauges(metrics, "llm_budget_used") == [
        (
            f'llm_budget_used{{budget="global/tokens/day",ledger="{ledger_id}",model="",'
            f'project="",scope="global",unit="tokens",window="day"}} 20.0'
        )
    ]
    assert gauges(metrics, "llm_tokens_total") == []
    assert usage["daily"]["total_tokens"] == 20
    assert usage["daily"]["limit_usage_percent"] == 80.0


def test_a_registry_that_was_given_shows_it_while_it_is_watched(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    monitor = GlobalTokenMonitor(config(tmp_path, global_daily_limit=5), registry=registry)
    assert generate_latest(registry) == b""
    monitor.start_monitoring()
    monitor.start_monitoring()
    assert len(gauges(generate_latest(registry).decode(), "llm_budget_limit")) == 1
    monitor.stop_monitoring()
    monitor.stop_monitoring()
    assert generate_latest(registry) == b""


def test_a_registry_that_has_our_names_already(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    prometheus_client.Counter("llm_requests", "Somebody else's.", registry=registry)
    monitor = GlobalTokenMonitor(config(tmp_path), registry=registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        monitor.start_monitoring()
    assert not monitor.running
