"""The command line, within this process."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from otel_token_monitor import cli as module
from otel_token_monitor.cli import cli
from otel_token_monitor.config import CONFIG_VARIABLE, VARIABLES
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from pathlib import Path

MINI = Labels("checkout", "openai", "gpt-5-mini", "chat/completions")
DAY_SECONDS = 86_400


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (CONFIG_VARIABLE, "DEMO_SECONDS", "OPENAI_API_KEY", *VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)


def invoke(*arguments: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(cli, arguments, prog_name="otel-token-monitor")


def today() -> int:
    """The start of the current UTC day; just before midnight, that of the next, once it came."""
    now = time.time()
    if DAY_SECONDS - now % DAY_SECONDS < 5:
        time.sleep(5)
    return int(time.time()) // DAY_SECONDS * DAY_SECONDS


def write(directory: Path, *usages: TokenUsage | None) -> str:
    """Write a ledger with calls of today; today's date."""
    at = today()
    records = [
        UsageRecord(
            time_ns=at * 1_000_000_000,
            nonce=nonce,
            labels=MINI,
            source="manual",
            usage=usage,
            unmetered=None if usage is not None else "no_usage",
            cost_nanousd=None if usage is None else 1_500_000,
        )
        for nonce, usage in enumerate(usages)
    ]
    writer = LedgerWriter(Location.in_directory(directory), max_label_sets=10)
    writer.write(Batch(records=records))
    writer.close()
    return time.strftime("%Y-%m-%d", time.gmtime(at))


USAGE = TokenUsage(input=1000, input_cached=512, output=40, output_reasoning=64)
TOTALS: dict[str, Any] = {
    "total_tokens": 1616,
    "input_tokens": 1512,
    "output_tokens": 104,
    "tokens": {
        "input": 1000,
        "input_cached": 512,
        "input_cache_write": 0,
        "output": 40,
        "output_reasoning": 64,
    },
    "estimated_tokens": 0,
    "requests": 2,
    "errors": 0,
    "unmetered_requests": 1,
    "unpriced_requests": 0,
    "cost_usd": 0.0015,
}


def test_status_prints_a_table(tmp_path: Path) -> None:
    date = write(tmp_path, USAGE, None)
    assert invoke("status", "--data-dir", str(tmp_path), COLUMNS="80").stdout == (
        f"Today  {date} UTC\n"
        "\n"
        "PROJECT, MODEL  TOKENS  INPUT  OUTPUT  REQUESTS  ERRORS  UNMETERED     COST\n"
        "───────────────────────────────────────────────────────────────────────────\n"
        "checkout         1,616  1,512     104         2       0          1  $0.0015\n"
        "  gpt-5-mini     1,616  1,512     104         2       0          1  $0.0015\n"
        "───────────────────────────────────────────────────────────────────────────\n"
        "total            1,616  1,512     104         2       0          1  $0.0015\n"
        "\n"
        "Not in TOKENS: 1 unmetered request.\n"
    )


def test_status_prints_json(tmp_path: Path) -> None:
    date = write(tmp_path, USAGE, None)
    result = invoke("status", "--json", "--data-dir", str(tmp_path))
    assert json.loads(result.stdout) == {
        "schema_version": 1,
        "date": date,
        "timezone": "UTC",
        "total": TOTALS,
        "usage": [{**MINI._asdict(), **TOTALS}],
    }


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--data-dir", "ledger"), {}),
        ((), {"TOKEN_MONITOR_DATA_DIR": "ledger"}),
        (("--config", "monitor.yaml"), {}),
        ((), {"TOKEN_MONITOR_CONFIG": "monitor.yaml"}),
    ],
)
def test_the_data_directory_comes_from(
    arguments: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path / "ledger", USAGE)
    (tmp_path / "monitor.yaml").write_text("data_dir: ledger\n")
    assert invoke("status", *arguments, **environ).exit_code == 0


def test_status_of_a_ledger_without_calls_is_no_error(tmp_path: Path) -> None:
    date = write(tmp_path)
    result = invoke("status", "--data-dir", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, f"No calls yet today ({date} UTC).\n")


def test_a_missing_ledger_is_named_with_the_remedy(tmp_path: Path) -> None:
    assert invoke("status").stderr == (
        f"Error: there is no ledger at {tmp_path}/data/token_usage/usage.db: name the data "
        "directory of the application with --data-dir or TOKEN_MONITOR_DATA_DIR\n"
    )


def test_a_missing_ledger_ends_with_3() -> None:
    assert invoke("status").exit_code == 3


def test_status_creates_nothing(tmp_path: Path) -> None:
    invoke("status", "--data-dir", "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_ledger_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "usage.db").write_bytes(b"no database " * 1000)
    result = invoke("status", "--data-dir", str(tmp_path))
    assert (result.exit_code, result.stderr) == (
        3,
        f"Error: the ledger {tmp_path}/usage.db is damaged (file is not a database)\n",
    )


def test_a_damaged_ledger_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "usage.db").write_bytes(b"no database " * 1000)
    invoke("status", "--data-dir", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["usage.db"]


@pytest.mark.parametrize("command", ["status", "serve"])
def test_a_ledger_in_memory_cannot_be_read_from_outside(command: str) -> None:
    result = invoke(command, TOKEN_MONITOR_DATA_DIR=":memory:")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            "Error: a ledger in memory (:memory:) can be read by its application only, at its "
            "/metrics: name a data directory with --data-dir or TOKEN_MONITOR_DATA_DIR\n"
        ),
    )


def test_every_fault_of_the_configuration_is_told() -> None:
    result = invoke("serve", OTEL_EXPORTER_PROMETHEUS_PORT="many", TOKEN_SERVE="perhaps")
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 3)


@pytest.mark.parametrize(
    "arguments", [("stats",), ("status", "--jsn"), ("serve", "--port", "65536"), ("--nothing",)]
)
def test_a_usage_error_ends_with_3(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 3


@pytest.mark.parametrize(
    "arguments", [("-h",), ("--help",), ("status", "-h"), ("serve", "-h"), ("demo", "-h")]
)
def test_help(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout[:25]) == (0, "Usage: otel-token-monitor")


def test_the_version() -> None:
    assert invoke("--version").stdout == "otel-token-monitor 0.1.0\n"


def test_the_demo_without_openai_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("otel_token_monitor.demo.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openai", None)
    result = invoke("demo")
    assert (result.exit_code, result.stderr) == (
        3,
        "Error: the demo needs the openai package: pip install 'otel-token-monitor[demo]'\n",
    )


def test_the_real_demo_needs_a_key() -> None:
    result = invoke("demo", "--real")
    assert (result.exit_code, result.stderr) == (
        3,
        "Error: --real needs your key of the OpenAI API: set OPENAI_API_KEY\n",
    )


def test_a_crash_is_not_taken_for_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(module, "LedgerReader", broken)
    assert isinstance(invoke("status").exception, RuntimeError)
