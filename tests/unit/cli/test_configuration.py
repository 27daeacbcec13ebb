"""`config init`, `config check` and `config show`."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.config import TokenMonitorConfig
from tests.unit.cli.invoking import NANO, invoke, write

if TYPE_CHECKING:
    from pathlib import Path

KEPT = Policy(
    timezone="Asia/Seoul",
    limits=(
        Limit(Scope(), Unit.TOKENS, Window.DAY, 2_000_000),
        Limit(Scope("checkout", "gpt-5*"), Unit.USD, Window.MONTH, 12 * NANO, 0.5, 0.625),
    ),
)


def test_init_writes_the_usual_limits_of_a_model(tmp_path: Path) -> None:
    result = invoke("config", "init", "--model", "gpt-5-mini")
    config = TokenMonitorConfig.load_from_file(tmp_path / "token-monitor.yaml")
    assert (result.exit_code, result.stdout) == (
        0,
        (
            "token-monitor.yaml is written. "
            "The application reads it where TOKEN_MONITOR_CONFIG=token-monitor.yaml\n"
        ),
    )
    limits = [
        (str(limit.unit), str(limit.window), limit.amount) for limit in Policy.of(config).limits
    ]
    assert limits == [
        ("tokens", "minute", 200_000),
        ("tokens", "day", 2_000_000),
        ("tokens", "month", 60_000_000),
        ("requests", "minute", 500),
    ]


@pytest.mark.parametrize("name", ["new/monitor.yml", "monitor.json"])
def test_what_init_writes_without_a_model_sets_no_limit(name: str, tmp_path: Path) -> None:
    assert invoke("config", "init", "--output", name).exit_code == 0
    assert Policy.of(TokenMonitorConfig.load_from_file(tmp_path / name)) == Policy()


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    invoke("config", "init")
    assert stat.S_IMODE((tmp_path / "token-monitor.yaml").stat().st_mode) == 0o600


def test_init_replaces_no_file(tmp_path: Path) -> None:
    (tmp_path / "token-monitor.yaml").write_text("project: mine\n")
    result = invoke("config", "init")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            "Error: token-monitor.yaml is there already: --force replaces it, --output names "
            "another file\n"
        ),
    )
    assert (tmp_path / "token-monitor.yaml").read_text() == "project: mine\n"


def test_init_replaces_a_file_if_it_must(tmp_path: Path) -> None:
    (tmp_path / "token-monitor.yaml").write_text("project: mine\n" * 1000)
    assert invoke("config", "init", "--force").exit_code == 0
    assert "mine" not in (tmp_path / "token-monitor.yaml").read_text()


def test_init_prints_what_it_would_write(tmp_path: Path) -> None:
    invoke("config", "init")
    printed = invoke("config", "init", "--output", "-").stdout
    assert printed == (tmp_path / "token-monitor.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--output", "monitor.toml"), "'.toml' is none of .yaml, .yml, .json\n"),
        (
            ("--output", "file/monitor.yaml"),
            "file/monitor.yaml cannot be written: Not a directory\n",
        ),
        (("--model", "gpt-6"), "Invalid value for '--model': 'gpt-6' is not 'gpt-5-mini'.\n"),
    ],
)
def test_init_says_what_cannot_be(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke("config", "init", *arguments)
    assert (result.exit_code, result.stderr.endswith(said)) == (3, True)


def test_check_tells_every_fault(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text("daily_limit: none\nproject: ''\nprt: 1\n")
    result = invoke("config", "check", "monitor.yaml", TOKEN_TIMEZONE="Seoul")
    assert (result.exit_code, result.stdout) == (3, "")
    assert sorted(line.split(":")[0] for line in result.stderr.splitlines()) == [
        "Error",
        "TOKEN_TIMEZONE",
        "monitor.yaml",
        "monitor.yaml",
        "monitor.yaml",
    ]


def test_check_tells_what_was_read_and_how_much_is_limited(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text("daily_limit: 5\nmodels: {gpt-5: {daily_limit: 4}}\n")
    (tmp_path / ".env").write_text("TOKEN_PROJECT=shop\n")
    result = invoke("config", "check", "monitor.yaml", TOKEN_TIMEZONE="Asia/Seoul")
    assert (result.exit_code, sorted(result.stdout.splitlines())) == (
        0,
        [
            ".env: project",
            "TOKEN_MONITOR_DATA_DIR: data_dir",
            "TOKEN_TIMEZONE: timezone",
            "The configuration can be used: 2 limits, days end in Asia/Seoul.",
            "monitor.yaml: daily_limit, models",
        ],
    )


def test_check_names_a_file_that_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").touch()
    assert invoke("config", "check", "monitor.yaml", TOKEN_MONITOR_DATA_DIR="").stdout == (
        "The configuration can be used: 0 limits, days end in UTC.\nmonitor.yaml: sets nothing\n"
    )


def test_checks_json() -> None:
    assert json.loads(invoke("config", "check", "--json", TOKEN_DAILY_LIMIT="5").stdout) == {
        "schema_version": 1,
        "usable": True,
        "faults": [],
        "settings": {
            "data_dir": {"value": "data", "from": "TOKEN_MONITOR_DATA_DIR"},
            "daily_limit": {"value": 5, "from": "TOKEN_DAILY_LIMIT"},
        },
    }


def test_checks_json_of_faults() -> None:
    result = invoke("config", "check", "--json", TOKEN_HISTOGRAMS="perhaps")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["usable"], len(document["faults"])) == (3, False, 1)


def test_show_tells_where_each_value_comes_from() -> None:
    result = invoke("config", "show", TOKEN_DAILY_LIMIT="5")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["SETTING", "VALUE", "FROM"],
        ["data_dir", "data", "TOKEN_MONITOR_DATA_DIR"],
        ["daily_limit", "5", "TOKEN_DAILY_LIMIT"],
    ]


def test_show_has_no_secret() -> None:
    secret = "https://hooks.slack.com/services/T0/B0/secret"
    for arguments in ((), ("--all",), ("--json",)):
        result = invoke(
            "config", "show", *arguments, TOKEN_WEBHOOK_URL=secret, TOKEN_ALERTS_TOKEN="secret" * 4
        )
        assert ("secret" in result.stdout, "webhook_url" in result.stdout) == (False, True)


def test_show_all_has_every_setting() -> None:
    lines = invoke("config", "show", "--all").stdout.splitlines()
    shown = {line.split()[0] for line in lines[1:] if not line.startswith(" ")}
    assert shown == set(TokenMonitorConfig.model_fields)


def test_show_where_nothing_is_set() -> None:
    result = invoke("config", "show", TOKEN_MONITOR_DATA_DIR="")
    assert result.stdout == "Nothing is set: the defaults hold.\n"


def test_show_has_the_ledgers_limits_if_they_differ(tmp_path: Path) -> None:
    write(policy=KEPT)
    lines = invoke("config", "show", COLUMNS="300").stdout.splitlines()
    assert lines[2:] == [
        "",
        f"Other limits hold for what is counted in {tmp_path}/data/usage.db:",
        "",
        "LIMIT OF                     AMOUNT  PER    WARNING  CRITICAL",
        "all projects       2,000,000 tokens  day        80%       90%",
        "checkout · gpt-5*            $12.00  month      50%     62.5%",
        "Days end in Asia/Seoul.",
    ]


def test_show_does_not_repeat_limits_that_are_the_same() -> None:
    write(policy=Policy(limits=(Limit(Scope(), Unit.TOKENS, Window.DAY, 5),)))
    assert "usage.db" not in invoke("config", "show", TOKEN_DAILY_LIMIT="5").stdout


def test_shows_json(tmp_path: Path) -> None:
    write(policy=KEPT)
    assert json.loads(invoke("config", "show", "--json").stdout) == {
        "schema_version": 1,
        "settings": {"data_dir": {"value": "data", "from": "TOKEN_MONITOR_DATA_DIR"}},
        "ledger": {
            "file": f"{tmp_path}/data/usage.db",
            "differs": True,
            "timezone": "Asia/Seoul",
            "warning_threshold": 0.8,
            "alert_threshold": 0.9,
            "limits": [limit.document() for limit in KEPT.limits],
        },
    }


def test_show_creates_nothing(tmp_path: Path) -> None:
    assert invoke("config", "show", TOKEN_DAILY_LIMIT="5").exit_code == 0
    assert list(tmp_path.iterdir()) == []
