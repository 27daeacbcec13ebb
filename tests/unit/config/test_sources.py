"""Where each setting comes from, and which source goes first."""

from __future__ import annotations

import copy
import os
import pickle
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.config import (
    VARIABLES,
    ConfigError,
    LimitSetting,
    TokenMonitorConfig,
)
from tests.unit.config.loading import COUNT, FLAG, NAME, faults, load

if TYPE_CHECKING:
    from tests.unit.config.loading import Write


def test_nothing_given_means_defaults() -> None:
    assert load().document(secrets=True) == {
        "project": "default",
        "data_dir": "data/token_usage",
        "host": "localhost",
        "port": 9464,
        "serve": True,
        "instrumentation": "auto",
        "capture": True,
        "stream_usage": "auto",
        "max_label_sets": 1000,
        "histograms": True,
        "drain_interval": 0.25,
        "auto_monitor": None,
        "inbound_projects": [],
        "provider_hosts": {},
        "daily_limit": None,
        "monthly_limit": None,
        "per_minute_limit": None,
        "requests_per_minute_limit": None,
        "requests_per_day_limit": None,
        "requests_per_month_limit": None,
        "daily_cost_limit": None,
        "monthly_cost_limit": None,
        "projects": {},
        "models": {},
        "warning_threshold": 0.8,
        "alert_threshold": 0.9,
        "timezone": "UTC",
        "monitor_interval": 300.0,
        "auto_report": True,
        "report_threshold": 0.1,
        "webhook_url": [],
        "enable_file_logging": True,
        "log_level": "INFO",
        "alerts_token": None,
        "alerts_token_file": None,
        "retention_days": 90,
        "enable_compression": False,
        "global_daily_limit": None,
        "global_monthly_limit": None,
        "global_data_dir": "data/global_token_usage",
    }


def test_the_constructor_has_the_same_defaults() -> None:
    assert TokenMonitorConfig() == load()


def test_every_field_but_two_mappings_has_a_variable() -> None:
    fields = [
        name for name in TokenMonitorConfig.model_fields if name not in {"projects", "models"}
    ]
    assert list(VARIABLES) == fields


def test_every_field_says_what_it_takes() -> None:
    assert all(field.description for field in TokenMonitorConfig.model_fields.values())


def test_the_environment_gives_every_field() -> None:
    environ = {
        "TOKEN_PROJECT": "checkout",
        "TOKEN_MONITOR_DATA_DIR": ":memory:",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0",  # noqa: S104 - what containers set
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        "TOKEN_SERVE": "off",
        "TOKEN_INSTRUMENTATION": "traceloop",
        "TOKEN_CAPTURE": "false",
        "TOKEN_STREAM_USAGE": "off",
        "TOKEN_MAX_LABEL_SETS": "5",
        "TOKEN_HISTOGRAMS": "no",
        "TOKEN_DRAIN_INTERVAL": "0.5",
        "TOKEN_AUTO_MONITOR": "true",
        "TOKEN_INBOUND_PROJECTS": "search, checkout,",
        "TOKEN_PROVIDER_HOSTS": "gateway.corp=openai, 127.0.0.1:*=azure",
        "TOKEN_DAILY_LIMIT": "1",
        "TOKEN_MONTHLY_LIMIT": "2_000",
        "TOKEN_PER_MINUTE_LIMIT": "3",
        "REQUESTS_PER_MINUTE_LIMIT": "4",
        "REQUESTS_PER_DAY_LIMIT": "5",
        "REQUESTS_PER_MONTH_LIMIT": "6",
        "TOKEN_DAILY_COST_LIMIT": "7.25",
        "TOKEN_MONTHLY_COST_LIMIT": "8",
        "TOKEN_WARNING_THRESHOLD": "0.5",
        "TOKEN_ALERT_THRESHOLD": "0.75",
        "TOKEN_TIMEZONE": "Asia/Seoul",
        "TOKEN_MONITOR_INTERVAL": "60",
        "TOKEN_AUTO_REPORT": "false",
        "TOKEN_REPORT_THRESHOLD": "0.25",
        "TOKEN_WEBHOOK_URL": "https://a.example/x, http://b.example",
        "TOKEN_ENABLE_FILE_LOGGING": "false",
        "TOKEN_LOG_LEVEL": "warning",
        "TOKEN_ALERTS_TOKEN_FILE": "token",
        "TOKEN_RETENTION_DAYS": "30",
        "TOKEN_ENABLE_COMPRESSION": "true",
        "GLOBAL_TOKEN_DAILY_LIMIT": "9",
        "GLOBAL_TOKEN_MONTHLY_LIMIT": "10",
        "GLOBAL_TOKEN_DATA_DIR": "all",
    }
    assert environ.keys() | {"TOKEN_ALERTS_TOKEN"} == set(VARIABLES.values())
    assert load(environ) == TokenMonitorConfig(
        project="checkout",
        data_dir=":memory:",
        host="0.0.0.0",  # noqa: S104 - as above
        port=0,
        serve=False,
        instrumentation="traceloop",
        capture=False,
        stream_usage="off",
        max_label_sets=5,
        histograms=False,
        drain_interval=0.5,
        auto_monitor=True,
        inbound_projects=frozenset({"search", "checkout"}),
        provider_hosts={"gateway.corp": "openai", "127.0.0.1:*": "azure"},
        daily_limit=LimitSetting(limit=1),
        monthly_limit=LimitSetting(limit=2000),
        per_minute_limit=LimitSetting(limit=3),
        requests_per_minute_limit=LimitSetting(limit=4),
        requests_per_day_limit=LimitSetting(limit=5),
        requests_per_month_limit=LimitSetting(limit=6),
        daily_cost_limit=LimitSetting(limit=Decimal("7.25")),
        monthly_cost_limit=LimitSetting(limit=Decimal(8)),
        warning_threshold=0.5,
        alert_threshold=0.75,
        timezone="Asia/Seoul",
        monitor_interval=60,
        auto_report=False,
        report_threshold=0.25,
        webhook_url=["https://a.example/x", "http://b.example"],
        enable_file_logging=False,
        log_level="WARNING",
        alerts_token_file="token",
        retention_days=30,
        enable_compression=True,
        global_daily_limit=LimitSetting(limit=9),
        global_monthly_limit=LimitSetting(limit=10),
        global_data_dir="all",
    )


def test_an_argument_beats_the_environment() -> None:
    assert load({"TOKEN_PROJECT": "environment"}, project="argument").project == "argument"


def test_an_argument_of_none_gives_nothing() -> None:
    assert load({"TOKEN_PROJECT": "environment"}, project=None).project == "environment"


def test_an_argument_of_false_is_given() -> None:
    assert load({"TOKEN_SERVE": "true"}, serve=False).serve is False


def test_the_environment_beats_the_file(write: Write) -> None:
    file = write("c.json", '{"project": "file"}')
    assert load({"TOKEN_PROJECT": "environment"}, file=file).project == "environment"


def test_an_empty_variable_gives_nothing(write: Write) -> None:
    file = write("c.json", '{"project": "file"}')
    assert load({"TOKEN_PROJECT": ""}, file=file).project == "file"


def test_a_null_in_the_file_gives_nothing(write: Write) -> None:
    assert load(file=write("c.json", '{"project": null}')).project == "default"


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_PROJECT", "checkout")
    assert TokenMonitorConfig().project == "checkout"


def test_the_service_is_the_project_where_nothing_names_one() -> None:
    assert load({"OTEL_SERVICE_NAME": "shop"}).project == "shop"


def test_the_file_beats_the_service_name(write: Write) -> None:
    file = write("c.json", '{"project": "file"}')
    assert load({"OTEL_SERVICE_NAME": "shop"}, file=file).project == "file"


def test_a_service_name_that_cannot_name_a_project_is_a_fault() -> None:
    assert faults({"OTEL_SERVICE_NAME": " "}) == (f"OTEL_SERVICE_NAME: ' ' is not {NAME}",)


def test_a_service_name_that_does_not_come_into_effect_may_be_anything() -> None:
    assert load({"OTEL_SERVICE_NAME": " ", "TOKEN_PROJECT": "shop"}).project == "shop"


def test_an_unknown_argument_is_told_what_is_close() -> None:
    assert faults(histogram=False) == ("argument histogram is unknown; did you mean histograms?",)


# .env


def test_dotenv_gives_what_the_environment_does_not(write: Write) -> None:
    write(".env", "TOKEN_PROJECT=checkout\nTOKEN_DAILY_LIMIT='5'\nOTHER=x\n")
    config = TokenMonitorConfig()
    assert (config.project, config.daily_limit) == ("checkout", LimitSetting(limit=5))


def test_the_environment_beats_dotenv(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(".env", "TOKEN_PROJECT=dotenv")
    monkeypatch.setenv("TOKEN_PROJECT", "environment")
    assert TokenMonitorConfig().project == "environment"


def test_an_empty_variable_hides_that_of_dotenv(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".env", "TOKEN_PROJECT=dotenv")
    monkeypatch.setenv("TOKEN_PROJECT", "")
    assert TokenMonitorConfig().project == "default"


def test_dotenv_beats_the_file_and_may_name_it(write: Write) -> None:
    write("c.yaml", "project: file\nport: 1")
    write(".env", "TOKEN_MONITOR_CONFIG=c.yaml\nTOKEN_PROJECT=dotenv")
    config = TokenMonitorConfig()
    assert (config.project, config.port) == ("dotenv", 1)


def test_dotenv_may_name_the_service(write: Write) -> None:
    write(".env", "OTEL_SERVICE_NAME=shop")
    assert TokenMonitorConfig().project == "shop"


def test_dotenv_leaves_the_environment_as_it_is(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    write(".env", "TOKEN_PROJECT=$HOME-${HOME}")
    before = dict(os.environ)
    assert TokenMonitorConfig().project == "$HOME-${HOME}"
    assert dict(os.environ) == before


def test_dotenv_is_left_out_where_an_environment_is_given(write: Write) -> None:
    write(".env", "TOKEN_PROJECT=dotenv")
    assert load().project == "default"


def test_a_directory_of_that_name_is_no_dotenv(write: Write) -> None:
    write("c.yaml", "")
    Path(".env").mkdir()
    assert TokenMonitorConfig() == load()


def test_a_wrong_value_in_dotenv(write: Write) -> None:
    write(".env", "TOKEN_DAILY_LIMIT=0")
    with pytest.raises(ConfigError) as caught:
        TokenMonitorConfig()
    assert caught.value.faults == (f".env: TOKEN_DAILY_LIMIT: '0' is not {COUNT}",)


def test_a_dotenv_that_is_not_utf_8(write: Write) -> None:
    write(".env", "").write_bytes(b"A=\xff")
    with pytest.raises(ConfigError) as caught:
        TokenMonitorConfig()
    assert caught.value.faults == (".env: byte 2 is not UTF-8 text",)


def test_a_dotenv_that_cannot_be_read(write: Write) -> None:
    write("c.yaml", "")
    Path(".env").symlink_to("/proc/self/mem")
    with pytest.raises(ConfigError) as caught:
        TokenMonitorConfig()
    assert caught.value.faults == (".env: cannot be read: Input/output error",)


def test_the_dotenv_of_the_original_module(write: Write) -> None:
    write(
        ".env",
        "# 토큰 한도 설정 (gpt-5-mini 기준)\n"
        "OPENAI_API_KEY=your-openai-api-key-here\n"
        "TOKEN_MONITOR_DATA_DIR=data/token_usage\n"
        "TOKEN_DAILY_LIMIT=2000000\n"
        "TOKEN_MONTHLY_LIMIT=60000000\n"
        "TOKEN_PER_MINUTE_LIMIT=200000\n"
        "REQUESTS_PER_MINUTE_LIMIT=500\n"
        "TOKEN_WARNING_THRESHOLD=0.8\n"
        "TOKEN_ALERT_THRESHOLD=0.9\n"
        "TOKEN_AUTO_MONITOR=true\n"
        "TOKEN_MONITOR_INTERVAL=300\n"
        "TOKEN_AUTO_REPORT=true\n"
        "TOKEN_REPORT_THRESHOLD=0.1\n"
        "TOKEN_WEBHOOK_URL=https://hooks.slack.com/your-webhook-url\n"
        "TOKEN_ENABLE_FILE_LOGGING=true\n"
        "TOKEN_LOG_LEVEL=INFO\n"
        "TOKEN_RETENTION_DAYS=90\n"
        "TOKEN_ENABLE_COMPRESSION=false\n"
        "GLOBAL_TOKEN_DAILY_LIMIT=10000000\n"
        "GLOBAL_TOKEN_MONTHLY_LIMIT=300000000\n",
    )
    assert TokenMonitorConfig() == load(
        daily_limit=2_000_000,
        monthly_limit=60_000_000,
        per_minute_limit=200_000,
        requests_per_minute_limit=500,
        auto_monitor=True,
        webhook_url="https://hooks.slack.com/your-webhook-url",
        global_daily_limit=10_000_000,
        global_monthly_limit=300_000_000,
    )


# Changes


def test_an_update_takes_every_variable_that_is_set() -> None:
    config = load(port=1, project="checkout")
    config.update_from_env({"OTEL_EXPORTER_PROMETHEUS_PORT": "2", "TOKEN_DAILY_LIMIT": "3"})
    assert config == load(port=2, project="checkout", daily_limit=3)


def test_an_update_takes_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(project="checkout")
    monkeypatch.setenv("TOKEN_PROJECT", "search")
    config.update_from_env()
    assert config.project == "search"


def test_a_faulty_update_names_every_fault() -> None:
    with pytest.raises(ConfigError) as caught:
        load().update_from_env({"TOKEN_SERVE": "x", "TOKEN_DAILY_LIMIT": "-1"})
    assert caught.value.faults == (
        f"TOKEN_SERVE: 'x' is not {FLAG}",
        f"TOKEN_DAILY_LIMIT: '-1' is not {COUNT}",
    )


def test_a_faulty_update_changes_nothing() -> None:
    config = load(port=1)
    with pytest.raises(ConfigError):
        config.update_from_env({"OTEL_EXPORTER_PROMETHEUS_PORT": "2", "TOKEN_SERVE": "x"})
    assert (config, config.origin("port")) == (load(port=1), "argument port")


def test_an_assignment_takes_effect() -> None:
    config = load()
    config.port = 9000
    assert config == load(port=9000)


def test_a_faulty_assignment_changes_nothing() -> None:
    config = load(port=1)
    with pytest.raises(ConfigError) as caught:
        config.port = 65536
    assert caught.value.faults == (
        "assignment to port: 65536 is not a whole number from 0 to 65535",
    )
    assert config == load(port=1)


def test_an_assignment_of_none_removes_a_limit() -> None:
    config = load(daily_limit=5)
    config.daily_limit = None
    assert config.daily_limit is None


def test_an_assignment_to_an_unknown_field() -> None:
    with pytest.raises(ConfigError) as caught:
        load().timezon = "UTC"
    assert caught.value.faults == ("assignment to timezon is unknown; did you mean timezone?",)


def test_a_replaced_configuration_is_another() -> None:
    config = load(port=1, project="checkout")
    other = config.replaced(port=2, project=None)
    assert (config.port, other) == (1, load(port=2, project="checkout"))


def test_a_replaced_configuration_shares_nothing() -> None:
    config = load(provider_hosts="a=openai")
    config.replaced(port=2).provider_hosts["b"] = "openai"
    assert config.provider_hosts == {"a": "openai"}


def test_a_replacement_is_checked() -> None:
    with pytest.raises(ConfigError) as caught:
        load().replaced(prot=2)
    assert caught.value.faults == (
        "argument prot is unknown; did you mean port or project or projects?",
    )


def test_a_copy_shares_no_change() -> None:
    config = load(port=1)
    other = copy.deepcopy(config)
    other.port = 2
    assert (config.port, other.port) == (1, 2)


def test_a_configuration_survives_pickling() -> None:
    config = load(daily_limit=5, projects={"a": {"models": {"o3": {"monthly_limit": 7}}}})
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own


# Origins


def test_the_origin_of_each_value(write: Write) -> None:
    write(".env", "TOKEN_PROJECT=checkout")
    write("c.yaml", "port: 1\nserve: no")
    config = TokenMonitorConfig(file="c.yaml", daily_limit=5)
    config.update_from_env({"TOKEN_SERVE": "yes"})
    config.timezone = "Asia/Seoul"
    names = ["host", "project", "port", "daily_limit", "serve", "timezone"]
    assert [config.origin(name) for name in names] == [
        "default",
        ".env: TOKEN_PROJECT",
        "c.yaml: port",
        "argument daily_limit",
        "TOKEN_SERVE",
        "assignment to timezone",
    ]


def test_equal_values_of_other_origins_are_equal() -> None:
    assert load({"TOKEN_PROJECT": "a"}) == load(project="a")


def test_other_values_are_unequal() -> None:
    assert load(project="a") != load(project="b")
