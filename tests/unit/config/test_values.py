"""Which values each setting takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.config import ConfigError, TokenMonitorConfig
from tests.unit.config.loading import FLAG, NAME, SHARE, faults, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.config.loading import Write


INSTRUMENTATION = "one of auto, traceloop, official, openinference, wire, none"
PROJECTS = "project names, comma-separated or as a list, each of 1 to 128 printable characters"
HOSTS = (
    "a mapping of host[:port] patterns to providers, such as gateway.corp=openai,127.0.0.1:*=openai"
)


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "On", " true\n"])
def test_what_means_true(text: str) -> None:
    assert load({"TOKEN_AUTO_MONITOR": text}).auto_monitor is True


@pytest.mark.parametrize("text", ["false", "False", "0", "NO", "off"])
def test_what_means_false(text: str) -> None:
    assert load({"TOKEN_AUTO_MONITOR": text}).auto_monitor is False


@pytest.mark.parametrize("text", ["t", "y", "2", "enabled", " "])
def test_what_is_no_boolean(text: str) -> None:
    assert faults({"TOKEN_SERVE": text}) == (f"TOKEN_SERVE: {text!r} is not {FLAG}",)


@pytest.mark.parametrize("port", [0, 65535])
def test_ports_at_the_bounds(port: int) -> None:
    assert load({"OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}).port == port


@pytest.mark.parametrize("port", [-1, 65536, True, 1.5, "http"])
def test_what_is_no_port(port: object) -> None:
    assert faults(port=port) == (f"argument port: {port!r} is not a whole number from 0 to 65535",)


@pytest.mark.parametrize("seconds", [0.005, 5])
def test_drain_intervals_at_the_bounds(seconds: float) -> None:
    assert load(drain_interval=seconds).drain_interval == seconds


@pytest.mark.parametrize("text", ["0.0049", "5.1", "nan", "inf", "fast"])
def test_what_is_no_drain_interval(text: str) -> None:
    assert faults({"TOKEN_DRAIN_INTERVAL": text}) == (
        f"TOKEN_DRAIN_INTERVAL: {text!r} is not a number of seconds from 0.005 to 5",
    )


def test_a_label_set_is_the_least() -> None:
    assert load(max_label_sets=1).max_label_sets == 1


def test_no_label_set_is_too_few() -> None:
    assert faults({"TOKEN_MAX_LABEL_SETS": "0"}) == (
        "TOKEN_MAX_LABEL_SETS: '0' is not a whole number from 1 up",
    )


def test_an_unknown_instrumentation() -> None:
    assert faults({"TOKEN_INSTRUMENTATION": "openai"}) == (
        f"TOKEN_INSTRUMENTATION: 'openai' is not {INSTRUMENTATION}",
    )


@pytest.mark.parametrize("name", ["x" * 128, "한국어 팀", "a b"])
def test_what_names_a_project(name: str) -> None:
    assert load({"TOKEN_PROJECT": name}).project == name


@pytest.mark.parametrize("name", [" ", "a\nb", 7])
def test_what_names_no_project(name: object) -> None:
    assert faults(project=name) == (f"argument project: {name!r} is not {NAME}",)


def test_a_long_value_is_shortened() -> None:
    start, end = "x" * 37, "x" * 38
    assert faults({"TOKEN_PROJECT": "x" * 129}) == (
        f"TOKEN_PROJECT: '{start}...{end}' is not {NAME}",
    )


def test_a_number_too_long_to_write_is_told_by_its_size() -> None:
    assert faults(port=1 << 20_000) == (
        "argument port: <a number of 20001 bits> is not a whole number from 0 to 65535",
    )


def test_a_data_directory_may_be_a_path() -> None:
    assert load(data_dir=Path("data") / "tokens").data_dir == "data/tokens"


@pytest.mark.parametrize("path", [" ", "a\0b"])
def test_what_is_no_data_directory(path: str) -> None:
    assert faults({"TOKEN_MONITOR_DATA_DIR": path}) == (
        f"TOKEN_MONITOR_DATA_DIR: {path!r} is not the path of a directory, or :memory:",
    )


@pytest.mark.parametrize("host", ["", "local host"])
def test_what_is_no_host(host: str) -> None:
    assert faults(host=host) == (f"argument host: {host!r} is not a host name or an address",)


def test_inbound_projects_as_a_list(write: Write) -> None:
    file = write("c.json", '{"inbound_projects": ["a,b", "c"]}')
    assert load(file=file).inbound_projects == {"a,b", "c"}


def test_one_wrong_inbound_project() -> None:
    assert faults({"TOKEN_INBOUND_PROJECTS": "a,b\tc"}) == (
        rf"TOKEN_INBOUND_PROJECTS: 'a,b\tc' is not {PROJECTS}",
    )


def test_provider_hosts_as_a_mapping(write: Write) -> None:
    file = write("c.yaml", "provider_hosts:\n  127.0.0.1:*: openai\n  '[::1]:80': azure\n")
    assert load(file=file).provider_hosts == {"127.0.0.1:*": "openai", "[::1]:80": "azure"}


def test_provider_hosts_keep_their_order() -> None:
    hosts = load({"TOKEN_PROVIDER_HOSTS": "b=x,a=y,*=z"}).provider_hosts
    assert list(hosts) == ["b", "a", "*"]


@pytest.mark.parametrize(
    "text", ["gateway", "gateway=", "=openai", "https://gateway/v1=openai", "a=b=c d", "a b=c"]
)
def test_what_names_no_provider_host(text: str) -> None:
    assert faults({"TOKEN_PROVIDER_HOSTS": text}) == (
        f"TOKEN_PROVIDER_HOSTS: {text!r} is not {HOSTS}",
    )


def test_two_configurations_share_no_hosts() -> None:
    TokenMonitorConfig().provider_hosts["gateway"] = "openai"
    assert TokenMonitorConfig().provider_hosts == {}


# Thresholds


@pytest.mark.parametrize("text", ["0", "-0.1", "1.01", "nan", "80%", "inf", "1e-9999"])
def test_what_is_no_threshold(text: str) -> None:
    assert faults({"TOKEN_ALERT_THRESHOLD": text}) == (
        f"TOKEN_ALERT_THRESHOLD: {text!r} is not {SHARE}",
    )


def test_thresholds_at_the_bounds() -> None:
    config = load(warning_threshold=0.0001, alert_threshold=1)
    assert (config.warning_threshold, config.alert_threshold) == (0.0001, 1.0)


def test_a_warning_that_comes_with_the_alert() -> None:
    assert faults({"TOKEN_WARNING_THRESHOLD": "0.9"}) == (
        (
            "warning_threshold 0.9 (TOKEN_WARNING_THRESHOLD) is not below alert_threshold 0.9 "
            "(default); lower the one or raise the other"
        ),
    )


def test_a_warning_that_comes_after_the_alert(write: Write) -> None:
    file = write("c.yaml", "alert_threshold: 0.5")
    assert faults(file=file, warning_threshold=0.75) == (
        (
            "warning_threshold 0.75 (argument warning_threshold) is not below alert_threshold 0.5 "
            "(c.yaml: alert_threshold); lower the one or raise the other"
        ),
    )


def test_a_wrong_threshold_is_not_compared() -> None:
    assert faults(warning_threshold=0.95, alert_threshold=2) == (
        f"argument alert_threshold: 2 is not {SHARE}",
    )


@pytest.mark.parametrize("value", [0.0099, 1.1, "x", True])
def test_what_is_no_step_of_reports(value: object) -> None:
    assert faults(report_threshold=value) == (
        f"argument report_threshold: {value!r} is not a share from 0.01 to 1, such as 0.1",
    )


# Time zones


@pytest.mark.parametrize(
    "name", ["UTC", "Asia/Seoul", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]
)
def test_what_names_a_time_zone(name: str) -> None:
    assert load({"TOKEN_TIMEZONE": name}).timezone == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Asia/Soul", "Asia/Seoul"),
        ("asia/seoul ", "Asia/Seoul"),
        ("New York", "America/New_York"),
    ],
)
def test_a_wrong_time_zone_is_told_what_is_close(name: str, meant: str) -> None:
    (fault,) = faults({"TOKEN_TIMEZONE": name})
    assert fault.startswith(
        f"TOKEN_TIMEZONE: {name!r} is not the IANA name of a time zone, such as Asia/Seoul; "
        f"did you mean {meant}"
    )


@pytest.mark.parametrize(
    "name",
    [
        "+09:00",
        " ",
        "/etc/localtime",
        "../UTC",
        "\0",
        "\ud800",
        "x" * 300,
        "right/UTC",
        "localtime",
    ],
)
def test_what_names_no_time_zone(name: str) -> None:
    (fault,) = faults({"TOKEN_TIMEZONE": name})
    assert "is not the IANA name of a time zone, such as Asia/Seoul" in fault


def test_a_directory_of_time_zones_is_none() -> None:
    (fault,) = faults(timezone="America")
    assert "'America' is not the IANA name of a time zone" in fault


def test_a_time_zone_of_another_type() -> None:
    assert faults(timezone=9) == (
        "argument timezone: 9 is not the IANA name of a time zone, such as Asia/Seoul",
    )


# Watching and keeping


@pytest.mark.parametrize("seconds", [0.99, 86401, "nan", True])
def test_what_is_no_monitor_interval(seconds: object) -> None:
    assert faults(monitor_interval=seconds) == (
        f"argument monitor_interval: {seconds!r} is not a number of seconds from 1 to 86400",
    )


@pytest.mark.parametrize("days", [0, 36501, 1.5])
def test_what_is_no_retention(days: object) -> None:
    assert faults(retention_days=days) == (
        f"argument retention_days: {days!r} is not a whole number of days from 1 to 36500",
    )


def test_a_level_in_small_letters() -> None:
    assert load({"TOKEN_LOG_LEVEL": " debug "}).log_level == "DEBUG"


def test_what_is_no_level() -> None:
    assert faults({"TOKEN_LOG_LEVEL": "TRACE"}) == (
        "TOKEN_LOG_LEVEL: 'TRACE' is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
    )


# Secrets


def urls(config: TokenMonitorConfig) -> list[str]:
    return [url.get_secret_value() for url in config.webhook_url]


def test_a_comma_within_an_address_separates_nothing() -> None:
    text = "https://a.example/?x=1,2 , https://b.example,"
    assert urls(load({"TOKEN_WEBHOOK_URL": text})) == [
        "https://a.example/?x=1,2",
        "https://b.example",
    ]


def test_addresses_as_a_list(write: Write) -> None:
    file = write("c.yaml", "webhook_url: ['https://a.example', 'https://[::1]:8080/x']")
    assert urls(load(file=file)) == ["https://a.example", "https://[::1]:8080/x"]


def test_an_address_that_is_given_twice_is_one() -> None:
    assert urls(load(webhook_url=["https://a.example", "https://a.example"])) == [
        "https://a.example"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "hooks/s3cret",
        "ftp://a/s3cret",
        "https:///s3cret",
        "https://a:x/s3cret",
        "https://[/s3cret",
        "https://a/s3 cret",
        "https://a/s3cret\x07",
        5,
        None,
    ],
)
def test_what_is_no_address_stays_unsaid(url: object) -> None:
    assert faults(webhook_url=["https://a.example", url]) == (
        (
            "argument webhook_url: address 2 of 2 (a secret, not shown) is not an http or https "
            "URL with a host"
        ),
    )


def test_addresses_of_another_type_stay_unsaid() -> None:
    assert faults(webhook_url={"s3cret": 1}) == (
        (
            "argument webhook_url: the value (a secret, not shown) is not an http or https URL "
            "with a host; several comma-separated or as a list"
        ),
    )


@pytest.mark.parametrize("token", [" ", "s3 cret", "s3cret\n1", "s3crét", 5])
def test_what_is_no_token_stays_unsaid(token: object) -> None:
    assert faults(alerts_token=token) == (
        (
            "argument alerts_token: the value (a secret, not shown) is not a token of printable "
            "ASCII characters without spaces"
        ),
    )


@pytest.mark.parametrize("shown", [str, repr])
def test_secrets_are_not_shown(shown: Callable[[object], str]) -> None:
    config = load(webhook_url="https://a.example/s3cret", alerts_token="s3cret")
    assert "s3cret" not in shown(config)


def test_secrets_are_masked_in_the_document() -> None:
    config = load(
        webhook_url=["https://me:s3cret@hooks.slack.com/s3cret?s3cret", "http://[::1]:80/s3cret"],
        alerts_token="s3cret",
    )
    document = config.document(secrets=False)
    assert document["webhook_url"] == ["https://hooks.slack.com/***", "http://[::1]:80/***"]
    assert document["alerts_token"] == "***"


def test_secrets_are_in_the_document_on_request() -> None:
    config = load(webhook_url="https://a.example/s3cret", alerts_token="s3cret")
    document = config.document(secrets=True)
    assert (document["webhook_url"], document["alerts_token"]) == (
        ["https://a.example/s3cret"],
        "s3cret",
    )


def test_no_token_is_asked_for_by_default() -> None:
    assert load().read_alerts_token() is None


def test_an_assignment_of_none_removes_the_token() -> None:
    config = load(alerts_token="s3cret")
    config.alerts_token = None
    assert config.read_alerts_token() is None


def test_the_token_itself() -> None:
    assert load({"TOKEN_ALERTS_TOKEN": "s3cret"}).read_alerts_token() == "s3cret"


def test_the_token_in_a_file(write: Write) -> None:
    config = load(alerts_token_file=write("token", "s3cret\nmore\n"))
    assert config.read_alerts_token() == "s3cret"


def test_a_token_file_is_read_anew(write: Write) -> None:
    config = load(alerts_token_file=write("token", "old"))
    config.read_alerts_token()
    write("token", "new")
    assert config.read_alerts_token() == "new"


def test_a_token_beside_a_file_of_one() -> None:
    assert faults({"TOKEN_ALERTS_TOKEN": "s3cret"}, alerts_token_file="token") == (
        "TOKEN_ALERTS_TOKEN and argument alerts_token_file are both given; leave one of them out",
    )


def test_a_token_file_that_is_missing(write: Write) -> None:
    write("c.yaml", "")
    with pytest.raises(ConfigError) as caught:
        load({"TOKEN_ALERTS_TOKEN_FILE": "token"}).read_alerts_token()
    assert caught.value.faults == (
        "TOKEN_ALERTS_TOKEN_FILE: 'token' cannot be read: No such file or directory",
    )


@pytest.mark.parametrize("content", [b"", b"\ns3cret\n", b"\xff\xfe\n", b"s3 cret"])
def test_a_token_file_without_a_token(write: Write, content: bytes) -> None:
    write("token", "").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(alerts_token_file="token").read_alerts_token()
    assert caught.value.faults == (
        (
            "argument alerts_token_file: 'token' has no token in its first line: a token of "
            "printable ASCII characters without spaces"
        ),
    )
