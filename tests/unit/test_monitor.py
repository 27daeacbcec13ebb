"""Tests of putting a monitor together."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import prometheus_client
import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_token_monitor
from otel_token_monitor import TokenMonitor, TokenMonitorConfig, project
from otel_token_monitor.usage import TokenUsage
from tests.loads import PARTS, SCOPE, call, tracer

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_registry_that_has_our_names_already_changes_nothing(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("llm_requests", "Somebody else's.", registry=registry)
    before = TracerProvider.get_tracer
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        otel_token_monitor.instrument(
            data_dir=tmp_path, registry=registry, serve=False, instrumentation="none"
        )
    assert TracerProvider.get_tracer is before


def test_calling_it_again_returns_the_same_monitor(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    try:
        first = otel_token_monitor.instrument(
            data_dir=tmp_path, registry=registry, serve=False, instrumentation="none"
        )
        assert otel_token_monitor.instrument(project="another") is first
    finally:
        otel_token_monitor.uninstrument()


def test_uninstrument_gives_the_registry_back(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    otel_token_monitor.instrument(
        data_dir=tmp_path, registry=registry, serve=False, instrumentation="none"
    )
    otel_token_monitor.uninstrument()
    assert list(registry.collect()) == []


# Logging by hand.

USED = TokenUsage(60, 30, 10, 30, 20)


def config_in(data_dir: Path, **more: str) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ={}, data_dir=str(data_dir), **more)


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[TokenMonitor]:
    made = TokenMonitor(config_in(tmp_path / "data", project="shop"))
    yield made
    made.stop()


def recorded(data_dir: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data_dir / "usage.db")) as ledger:
        return ledger.execute(
            "SELECT project, model, endpoint, source, input, input_cached, input_cache_write, "
            "output, output_reasoning FROM record JOIN label_set ON label_set.id = label_set_id"
        ).fetchall()


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_making_one_and_a_record_opens_nothing(tmp_path: Path) -> None:
    before = threads()
    monitor = TokenMonitor(config_in(tmp_path / "data"))
    monitor.create_usage_record("m", 1)
    assert not (tmp_path / "data").exists()
    assert threads() == before


def test_a_call_that_is_logged_is_counted_without_anything_else(
    monitor: TokenMonitor, tmp_path: Path
) -> None:
    record = monitor.create_usage_record(
        "gpt-5-mini",
        100,
        50,
        "chat_completion",
        "search",
        cached_tokens=30,
        cache_write_tokens=10,
        reasoning_tokens=20,
    )
    monitor.log_usage(record)
    monitor.log_usage(record)
    assert monitor.force_flush()
    assert recorded(tmp_path / "data") == [
        ("search", "gpt-5-mini", "chat/completions", "manual", *USED)
    ]


def test_the_project_is_the_contexts_where_none_is_named(monitor: TokenMonitor) -> None:
    with project("search"):
        within = monitor.create_usage_record("m", 1)
        named = monitor.create_usage_record("m", 1, project_id="other")
    without = monitor.create_usage_record("m", 1)
    assert [r.labels.project for r in (within, named, without)] == ["search", "other", "shop"]


def test_a_record_shows_as_one_whoever_named_its_project(monitor: TokenMonitor) -> None:
    record = monitor.create_usage_record("m", 1)
    assert repr(record).startswith("UsageRecord(time_ns=")
    assert type(record._replace(cost_nanousd=1)) is type(record)


@pytest.mark.parametrize("given", ["", "a\nb", "x" * 129])
def test_a_project_that_cannot_be_one_is_refused(monitor: TokenMonitor, given: str) -> None:
    with pytest.raises(ValueError, match="cannot name a project: use 1 to 128 printable"):
        monitor.create_usage_record("m", 1, project_id=given)


def test_what_is_no_record_cannot_be_logged(monitor: TokenMonitor) -> None:
    with pytest.raises(
        TypeError, match=r"\{\} cannot be logged: make a record with create_usage_record\(\)"
    ):
        monitor.log_usage({})  # type: ignore[arg-type]


@pytest.mark.logs_errors
def test_a_ledger_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    monitor = TokenMonitor(config_in(tmp_path / "data"))
    monitor.log_usage(monitor.create_usage_record("m", 1))
    assert not monitor.force_flush(0.2)
    (tmp_path / "data").unlink()
    monitor.stop()
    assert len(recorded(tmp_path / "data")) == 1


def watched_call() -> None:
    call(tracer())


def test_what_one_monitor_watches_and_another_logs_is_one_call(tmp_path: Path) -> None:
    watching = otel_token_monitor.instrument(
        config=config_in(tmp_path),
        registry=prometheus_client.CollectorRegistry(),
        serve=False,
        instrumentation="none",
    )
    try:
        by_hand = TokenMonitor(config_in(tmp_path / "elsewhere" / ".."))
        watched_call()
        by_hand.log_usage(
            by_hand.create_usage_record(
                "gpt-5-mini", PARTS.input_tokens, PARTS.output_tokens, project_id="search"
            )
        )
        assert watching.force_flush()
        by_hand.stop()
        watched_call()
    finally:
        otel_token_monitor.uninstrument()
    assert recorded(tmp_path) == [
        ("search", "gpt-5-mini", "chat/completions", SCOPE, *PARTS),
        ("default", "gpt-5-mini", "chat/completions", SCOPE, *PARTS),
    ]


def test_instrumenting_again_while_another_monitor_goes_on_counts_again(tmp_path: Path) -> None:
    by_hand = TokenMonitor(config_in(tmp_path, project="by hand"))
    for name in ("one", "two"):
        otel_token_monitor.instrument(
            config=config_in(tmp_path, project=name),
            registry=prometheus_client.CollectorRegistry(),
            serve=False,
            instrumentation="none",
        )
        watched_call()
        otel_token_monitor.uninstrument()
        watched_call()
    by_hand.stop()
    assert [row[0] for row in recorded(tmp_path)] == ["one", "two"]


def test_a_monitor_that_was_left_does_not_lend_its_settings(tmp_path: Path) -> None:
    gone = TokenMonitor(config_in(tmp_path, project="gone"))
    gone.log_usage(gone.create_usage_record("m", 1))
    pipeline = gone._pipeline
    del gone
    gc.collect()
    monitor = TokenMonitor(config_in(tmp_path))
    assert monitor._pipeline is not pipeline
    assert [row[0] for row in recorded(tmp_path)] == ["gone"]
    monitor.stop()


# The module's own.


def script(text: str, data_dir: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        env={"TOKEN_MONITOR_DATA_DIR": str(data_dir), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_what_loads_slowly_is_never_imported_by_the_thread_that_instruments(tmp_path: Path) -> None:
    said = script(
        """
        import sys, threading
        slow = {"requests", "starlette", "uvicorn", "genai_prices", "rich", "click"}
        class Watch:
            def find_spec(self, name, path=None, target=None):
                if name in slow and threading.current_thread() is threading.main_thread():
                    print(name)
        sys.meta_path.insert(0, Watch())
        import otel_token_monitor
        from opentelemetry import trace
        monitor = otel_token_monitor.instrument(
            config=otel_token_monitor.TokenMonitorConfig(
                port=0, instrumentation="none", webhook_url="http://127.0.0.1:1/", daily_limit=10**6
            ),
        )
        span = trace.get_tracer("opentelemetry.instrumentation.openai.v1").start_span("openai.chat")
        span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100})
        span.end()
        slow = set()
        otel_token_monitor.uninstrument()
        """,
        tmp_path / "data",
    )
    assert said == ""


def test_the_modules_monitor_is_made_when_it_is_used(tmp_path: Path) -> None:
    said = script(
        """
        import os
        os.environ["TOKEN_PROJECT"] = "too\\nearly"  # would be refused
        from otel_token_monitor import TokenMonitor, token_monitor
        assert isinstance(token_monitor, TokenMonitor)
        print(token_monitor)
        os.environ["TOKEN_PROJECT"] = "shop"
        for _ in range(3):
            token_monitor.log_usage(token_monitor.create_usage_record("m", 1))
        print(token_monitor.config.project)
        """,
        tmp_path / "data",
    )
    assert said == "<token_monitor: not used yet>\nshop\n"
    assert [row[0] for row in recorded(tmp_path / "data")] == ["shop"] * 3


def test_the_modules_monitor_is_instruments(tmp_path: Path) -> None:
    monitor = otel_token_monitor.instrument(
        config=config_in(tmp_path),
        registry=prometheus_client.CollectorRegistry(),
        serve=False,
        instrumentation="none",
    )
    try:
        assert otel_token_monitor.token_monitor.ledger_path == monitor.ledger_path
        assert otel_token_monitor.token_monitor.config is monitor.config
    finally:
        otel_token_monitor.uninstrument()


def test_the_package_has_no_other_names_than_its_own() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'token_monitors'"):
        otel_token_monitor.token_monitors  # noqa: B018


def test_children_write_what_they_logged_by_hand(tmp_path: Path) -> None:
    script(
        """
        import multiprocessing, os
        from otel_token_monitor import TokenMonitor, TokenMonitorConfig

        first = TokenMonitor(TokenMonitorConfig(project="first"))
        second = TokenMonitor(TokenMonitorConfig(project="second", data_dir=os.environ["OTHER"]))

        def log(number):
            for monitor in (first, second):
                for _ in range(number):
                    monitor.log_usage(monitor.create_usage_record("m", 1))

        if __name__ == "__main__":
            log(1)
            context = multiprocessing.get_context("fork")
            children = [context.Process(target=log, args=(10,)) for _ in range(3)]
            for child in children: child.start()
            for child in children: child.join()
            pid = os.fork()
            if pid == 0:
                log(100)
                first.force_flush(); second.force_flush()
                os._exit(0)
            os.waitpid(pid, 0)
            log(1000)
        """.replace('os.environ["OTHER"]', repr(str(tmp_path / "other"))),
        tmp_path / "data",
    )
    for name, data_dir in (("first", "data"), ("second", "other")):
        assert [row[0] for row in recorded(tmp_path / data_dir)] == [name] * 1131
