"""What `from otel_token_monitor import …` gives, and what asking for it does not do."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import otel_token_monitor

if TYPE_CHECKING:
    from pathlib import Path

# In processes of their own: a name that a test has used is not new any more.
USE = """
import json, os, sys, threading
os.environ.update(TOKEN_DAILY_LIMIT="1000", TOKEN_MONITOR_INTERVAL="1")
from otel_token_monitor import auto_monitor, token_monitor
told = []
def tell(alert):
    told.append(alert.name)
assert auto_monitor.on_alert(tell) is tell
before = threading.active_count(), os.listdir()
for _ in range(2):
    auto_monitor.start_monitoring()
token_monitor.log_usage(token_monitor.create_usage_record("gpt-5-mini", 900, 50))
token_monitor.force_flush()
auto_monitor.stop_monitoring()
summary = token_monitor.get_usage_summary()
print(json.dumps([before, summary["daily"]["total_tokens"], summary["status"], told]))
"""
EVERY = """
import otel_token_monitor as package
assert all(getattr(package, name) is not None for name in package.__all__)
print(package.token_monitor.__class__.__name__, package.auto_monitor.__class__.__name__)
assert isinstance(package.token_monitor, package.TokenMonitor)
assert isinstance(package.auto_monitor, package.AutoTokenMonitor)
"""
FORBIDDEN = """
import os, sys
os.environ["TOKEN_DAILY_LIMIT"] = "no number"
import otel_token_monitor
from otel_token_monitor import auto_monitor, token_monitor
print(sorted({"requests", "uvicorn", "starlette", "genai_prices", "openai"} & set(sys.modules)))
"""


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_every_public_name_is_there(tmp_path: Path) -> None:
    assert run(EVERY, tmp_path) == "TokenMonitor AutoTokenMonitor\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = otel_token_monitor.nothing


def test_asking_for_them_creates_nothing_and_using_them_does(tmp_path: Path) -> None:
    before, tokens, status, told = json.loads(run(USE, tmp_path))
    assert before == [1, []]
    assert (tokens, status, told) == (950, "CRITICAL", ["ledger/tokens/day"])
    names = {file.name for file in (tmp_path / "data" / "token_usage").iterdir()}
    assert {"usage.db", "config.json", "logs"} <= names


def test_asking_for_them_reads_no_environment_and_imports_nothing_slow(tmp_path: Path) -> None:
    assert run(FORBIDDEN, tmp_path) == "[]\n"
