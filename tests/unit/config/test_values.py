"""Which values each setting takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.config import TokenMonitorConfig
from tests.unit.config.loading import FLAG, NAME, faults, load

if TYPE_CHECKING:
    from tests.unit.config.loading import Write


INSTRUMENTATION = "one of auto, traceloop, official, openinference, none"
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
