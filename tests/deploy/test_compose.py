"""docker-compose.yml is valid, closed to others, and its parts refer to one another."""

from __future__ import annotations

import copy
import re
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.deploy.composition import (
    COMPOSE_FILE,
    DOCKER_PAGE,
    ROOT,
    composition,
    faults,
    needs,
)

if TYPE_CHECKING:
    from pathlib import Path

GRAFANA = ROOT / "deploy/grafana/provisioning"

pytestmark = pytest.mark.integration


def validated(*files: Path) -> subprocess.CompletedProcess[str]:
    """What docker-compose says of files, each laid over those before."""
    named = [word for file in files for word in ("--file", file)]
    return subprocess.run(
        ["docker-compose", *named, "--project-directory", ROOT, "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )


@needs("docker-compose", "docker-compose")
def test_docker_compose_takes_it() -> None:
    done = validated(COMPOSE_FILE)
    assert (done.returncode, done.stderr) == (0, "")


@needs("docker-compose", "docker-compose")
def test_docker_compose_would_find_a_wrong_key(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE_FILE.read_text().replace("cap_drop:", "cap_dorp:"))
    done = validated(broken)
    assert done.returncode != 0
    assert "cap_dorp" in done.stderr


@needs("docker-compose", "docker-compose")
def test_docker_compose_takes_what_slack_needs_over_it(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCKER_PAGE, re.DOTALL)
    override = tmp_path / "docker-compose.override.yml"
    override.write_text(text)
    done = validated(COMPOSE_FILE, override)
    assert (done.returncode, done.stderr) == (0, "")
    (mount,) = yaml.safe_load(text)["services"]["alertmanager"]["volumes"]
    config = yaml.safe_load((ROOT / "deploy/compose/alertmanager.yml").read_text())
    (slack,) = (one for one in config["receivers"] if one["name"] == "slack")
    assert mount.split(":")[1] == slack["slack_configs"][0]["api_url_file"]


def test_nothing_is_wrong_with_it() -> None:
    assert faults(composition()) == []


@pytest.mark.parametrize(
    ("service", "key", "value", "fault"),
    [
        ("prometheus", "image", "prom/prometheus", "image without a tag that stays"),
        ("grafana", "image", "grafana/grafana:latest", "image without a tag that stays"),
        ("grafana", "image", "grafana/grafana:13", "tag 13 is not a whole version"),
        ("grafana", "ports", ["3000:3000"], "port 3000:3000 is published beyond loopback"),
        (
            "prometheus",
            "ports",
            ["0.0.0.0:9090:9090"],
            "port 0.0.0.0:9090:9090 is published beyond loopback",
        ),
        ("prometheus", "network_mode", "host", "shares a network that is not its own"),
        ("alertmanager", "cap_drop", ["NET_RAW"], "keeps capabilities"),
        ("application", "cap_add", ["NET_RAW"], "keeps capabilities"),
        ("grafana", "security_opt", [], "may gain privileges"),
        ("application", "read_only", False, "may change its own files"),
        ("application", "user", "0:0", "is root"),
        ("secrets", "privileged", True, "is root"),
        ("grafana", "logging", {}, "its log grows without end"),
        ("grafana", "healthcheck", {}, "has no healthcheck"),
        ("application", "healthcheck", {"disable": True}, "has no healthcheck"),
        ("secrets", "restart", "always", "ends, and is started again"),
        ("prometheus", "restart", "no", "is not started again"),
        (
            "grafana",
            "environment",
            {"GF_SECURITY_ADMIN_PASSWORD": "admin"},
            "GF_SECURITY_ADMIN_PASSWORD is a secret in the clear",
        ),
        (
            "application",
            "environment",
            ["TOKEN_ALERTS_TOKEN=${TOKEN:-changeme}"],
            "TOKEN_ALERTS_TOKEN is a secret in the clear",
        ),
        (
            "prometheus",
            "command",
            ["--web.password=admin"],
            "--web.password=admin is a secret in the clear",
        ),
        (
            "prometheus",
            "depends_on",
            ["application"],
            "waits until application is service_started, not service_healthy",
        ),
        ("application", "depends_on", {}, "may start before secrets"),
        ("prometheus", "volumes", ["./deploy/nowhere:/etc:ro"], "which does not exist"),
        ("prometheus", "volumes", ["./deploy:/etc"], "may change ./deploy"),
        (
            "prometheus",
            "volumes",
            ["/var/run/docker.sock:/var/run/docker.sock:ro"],
            "mounts /var/run/docker.sock, which is not of this repository",
        ),
        ("prometheus", "volumes", ["nothing:/data"], "volume nothing is not declared"),
        (
            "alertmanager",
            "volumes",
            ["alerts-secret:/secrets/alerts"],
            "may change the secrets of /secrets/alerts",
        ),
    ],
)
def test_what_is_wrong_would_be_found(service: str, key: str, value: object, fault: str) -> None:
    broken = copy.deepcopy(composition())
    broken["services"][service][key] = value
    (found,) = faults(broken)
    assert found.startswith(f"{service}: ")
    assert found.endswith(fault)


def test_the_password_of_grafanas_admin_is_a_file_that_a_service_makes() -> None:
    services = composition()["services"]
    variables = services["grafana"]["environment"]
    given = {name: value for name, value in variables.items() if "PASSWORD" in name}
    assert given == {"GF_SECURITY_ADMIN_PASSWORD__FILE": "/secrets/grafana/admin-password"}
    assert "/secrets/grafana/admin-password" in services["secrets"]["command"]


def without(document: Any, *keys: str) -> Any:
    """A document of mappings and lists without the values of some keys."""
    if isinstance(document, dict):
        return {k: None if k in keys else without(v, *keys) for k, v in document.items()}
    if isinstance(document, list):
        return [without(one, *keys) for one in document]
    return document


def test_alertmanagers_file_differs_from_that_without_containers_in_address_and_secrets_only() -> (
    None
):
    plain, here = (
        yaml.safe_load((ROOT / "deploy" / path / "alertmanager.yml").read_text())
        for path in ("prometheus", "compose")
    )
    assert here != plain
    paths = ("url", "credentials_file", "api_url_file")
    assert without(here, *paths) == without(plain, *paths)
    (webhook,) = here["receivers"][0]["webhook_configs"]
    assert webhook["url"] == "http://application:9464/alerts"


def test_there_are_the_same_files_of_targets() -> None:
    here, plain = (ROOT / "deploy" / path / "targets" for path in ("compose", "prometheus"))
    assert names(here) == names(plain)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_grafana_asks_the_service_that_is_prometheus() -> None:
    (file,) = (GRAFANA / "datasources").iterdir()
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    host, port = urlsplit(source["url"]).netloc.split(":")
    assert composition()["services"][host]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    mounts = dict(one.split(":")[:2] for one in composition()["services"]["grafana"]["volumes"])
    (file,) = (GRAFANA / "dashboards").iterdir()
    (provider,) = yaml.safe_load(file.read_text())["providers"]
    assert provider["options"]["path"] == mounts["./deploy/grafana/dashboards"]


def targets(document: dict[str, Any], file: str) -> list[str]:
    """The host:port in a file of targets, each with a service of that name in the document."""
    groups = yaml.safe_load((ROOT / "deploy/compose/targets" / file).read_text())
    found = [one for group in groups for one in group["targets"]]
    assert {one.partition(":")[0] for one in found} <= document["services"].keys()
    return found


def test_the_targets_are_services() -> None:
    document = composition()
    assert targets(document, "token-monitors.yml") == ["application:9464"]
    assert targets(document, "alertmanagers.yml") == ["alertmanager:9093"]


def test_grafana_and_prometheus_are_asked_at_the_ports_that_are_published() -> None:
    services = composition()["services"]
    for name in ("prometheus", "alertmanager", "grafana"):
        (port,) = services[name]["ports"]
        address, _, inside = port.rpartition(":")
        assert address == f"127.0.0.1:{inside}"
        assert f"http://127.0.0.1:{inside}/" in services[name]["healthcheck"]["test"][-1]
