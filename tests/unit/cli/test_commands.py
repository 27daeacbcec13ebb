"""What holds for every command: help, errors, the ledger that is read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from otel_token_monitor.cli import cli
from otel_token_monitor.cli import options as module
from tests.unit.cli.invoking import RECORDS, invoke, write

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*path, name))


COMMANDS = dict(commands())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(path: tuple[str, ...], option: str) -> None:
    result = invoke(*path, option)
    begin = " ".join(("Usage: otel-token-monitor", *path))
    assert (result.exit_code, result.stdout[: len(begin)]) == (0, begin)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_documented(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    if isinstance(command, click.Group):
        return
    _, _, after = PAGE.read_text().partition(f"\n## {' '.join(path)}\n")
    section, _, _ = after.partition("\n## ")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert f"  {parameter.opts[0]}" in section
            assert parameter.help
    assert "Usage: otel-token-monitor" in section


def test_the_version() -> None:
    assert invoke("--version").stdout == "otel-token-monitor 0.1.0\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats",),
        ("status", "--jsn"),
        ("check", "--fail-on", "normal"),
        ("serve", "--port", "65536"),
        ("top", "--interval", "0"),
        ("config", "chek"),
        ("config", "check", "nowhere.yaml"),
        ("--nothing",),
    ],
)
def test_a_usage_error_ends_with_3(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stderr[:6]) == (3, "Usage:")


@pytest.mark.parametrize(
    ("arguments", "meant"), [(("stauts",), "status"), (("status", "--jsn"), "--json")]
)
def test_a_slip_is_recognised(arguments: tuple[str, ...], meant: str) -> None:
    assert f"Did you mean '{meant}'?" in invoke(*arguments).stderr


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("--data-dir", "ledger"), {}),
        ((), {"TOKEN_MONITOR_DATA_DIR": "ledger"}),
        (("--config", "monitor.yaml"), {}),
        ((), {"TOKEN_MONITOR_CONFIG": "monitor.yaml"}),
    ],
)
@pytest.mark.parametrize("command", ["status", "check", "usage", "top"])
def test_the_data_directory_comes_from(
    command: str, arguments: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    write(*RECORDS, directory="ledger")
    (tmp_path / "monitor.yaml").write_text("data_dir: ledger\n")
    environ = {"TOKEN_MONITOR_DATA_DIR": "", **environ}
    assert invoke(command, *arguments, **environ).exit_code == 0


@pytest.mark.parametrize("command", ["status", "check", "usage", "top", "serve"])
def test_a_ledger_in_memory_cannot_be_read_from_outside(command: str) -> None:
    result = invoke(command, TOKEN_MONITOR_DATA_DIR=":memory:")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            "Error: a ledger in memory (:memory:) can be read by its application only, at its "
            "/metrics: name a data directory with --data-dir or TOKEN_MONITOR_DATA_DIR\n"
        ),
    )


def test_a_damaged_ledger_is_trouble_and_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "usage.db").write_bytes(b"no database " * 1000)
    result = invoke("status", "--data-dir", str(tmp_path))
    assert (result.exit_code, result.stderr) == (
        3,
        f"Error: the ledger {tmp_path}/usage.db is damaged (file is not a database)\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["usage.db"]


@pytest.mark.parametrize("command", ["status", "check", "usage", "top", "serve"])
def test_every_fault_of_the_configuration_is_told(command: str) -> None:
    result = invoke(command, OTEL_EXPORTER_PROMETHEUS_PORT="many", TOKEN_SERVE="perhaps")
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 3)


def test_a_crash_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(module, "LedgerReader", broken)
    result = invoke("check")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (3, "RuntimeError: a bug")


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


def test_top_shows_all_once_where_its_output_is_no_terminal() -> None:
    write(*RECORDS)
    result = invoke("top")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        0,
        "NORMAL  2026-11-24 07:48:00 UTC  1,666.7 tokens/s  1 request/min",
    )
