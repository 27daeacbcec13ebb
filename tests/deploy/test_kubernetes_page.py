"""What docs/kubernetes.md has people apply is valid, and its parts refer to one another."""

from __future__ import annotations

import re
import shlex
from typing import Any

import click
import pytest
import yaml

from otel_token_monitor.cli import cli
from otel_token_monitor.config.sources import VARIABLES
from tests.deploy.composition import ROOT

PAGE = (ROOT / "docs/kubernetes.md").read_text()
NAMESPACE = "shop"
# What each kind is of.
KINDS = {
    "Deployment": "apps/v1",
    "Service": "v1",
    "ConfigMap": "v1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "AlertmanagerConfig": "monitoring.coreos.com/v1alpha1",
}

pytestmark = pytest.mark.integration


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


DOCUMENTS: list[Any] = [
    document for block in blocks("yaml") for document in yaml.safe_load_all(block)
]
MANIFESTS = {document["kind"]: document for document in DOCUMENTS if "kind" in document}
(SIDECARS,) = (document["containers"] for document in DOCUMENTS if "containers" in document)
POD = MANIFESTS["Deployment"]["spec"]["template"]
CONTAINERS = [*POD["spec"]["containers"], *SIDECARS]


def port_names(containers: list[Any]) -> list[str]:
    return [port["name"] for one in containers for port in one.get("ports", [])]


def test_each_manifest_is_of_a_kind_that_there_is() -> None:
    assert {kind: one["apiVersion"] for kind, one in MANIFESTS.items()} == KINDS


def test_each_is_in_the_one_namespace() -> None:
    assert {one["metadata"]["namespace"] for one in MANIFESTS.values()} == {NAMESPACE}
    for block in blocks("console"):
        for command in re.findall(r"^\$ kubectl (.*)", block, re.MULTILINE):
            assert command.startswith((f"--namespace {NAMESPACE} ", "label --local "))


def test_the_pods_are_those_that_the_deployment_and_the_service_select() -> None:
    labels = POD["metadata"]["labels"]
    assert MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["Service"]["spec"]["selector"] == labels
    assert MANIFESTS["PodMonitor"]["spec"]["selector"]["matchLabels"] == labels


def test_the_service_is_one_that_the_service_monitor_selects() -> None:
    wanted = MANIFESTS["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= MANIFESTS["Service"]["metadata"]["labels"].items()


def test_the_port_has_one_name_from_the_container_to_the_monitors() -> None:
    (port,) = MANIFESTS["Service"]["spec"]["ports"]
    (endpoint,) = MANIFESTS["ServiceMonitor"]["spec"]["endpoints"]
    (of_pods,) = MANIFESTS["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert port_names(POD["spec"]["containers"]) == [port["targetPort"]]
    assert port_names(SIDECARS) == [of_pods["port"]] == [port["targetPort"]]
    assert endpoint["port"] == port["name"]
    assert len(port["name"]) <= 15
    numbers = {port["containerPort"] for one in CONTAINERS for port in one.get("ports", [])}
    assert numbers == {port["port"]} == {9464}
    (probe,) = (one["livenessProbe"]["httpGet"] for one in SIDECARS if "livenessProbe" in one)
    assert probe == {"path": "/healthz", "port": port["name"]}


def test_each_variable_is_one_of_ours_and_has_a_text() -> None:
    given = [variable for one in CONTAINERS for variable in one["env"]]
    assert {variable["name"] for variable in given} <= set(VARIABLES.values())
    assert all(isinstance(variable["value"], str) for variable in given)


def test_variables_in_the_text_are_ours() -> None:
    named = set(re.findall(r"`((?:TOKEN|OTEL)_[A-Z_]+)", PAGE))
    assert named
    assert named <= set(VARIABLES.values())


def test_each_volume_that_is_mounted_is_there_and_the_ledger_is_where_it_is_counted() -> None:
    volumes = {volume["name"] for volume in POD["spec"]["volumes"]}
    for container in CONTAINERS:
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted.keys() <= volumes
        values = {variable["name"]: variable["value"] for variable in container["env"]}
        assert mounted["ledger"] in (values.get("TOKEN_MONITOR_DATA_DIR"), *container_words())
        if token := values.get("TOKEN_ALERTS_TOKEN_FILE"):
            assert token == f"{mounted['alerts-token']}/token"


def container_words() -> list[str]:
    (words,) = (one["args"] for one in SIDECARS if "args" in one)
    return list(words)


def test_no_container_is_root_or_may_change_itself() -> None:
    assert POD["spec"]["securityContext"]["runAsNonRoot"] is True
    for container in CONTAINERS:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_images_have_exact_tags() -> None:
    assert all(re.fullmatch(r".+:\d+\.\d+\.\d+", one["image"]) for one in CONTAINERS)


def test_the_token_is_one_secret() -> None:
    (volume,) = (one for one in POD["spec"]["volumes"] if "secret" in one)
    (receiver,) = MANIFESTS["AlertmanagerConfig"]["spec"]["receivers"]
    credentials = receiver["webhookConfigs"][0]["httpConfig"]["authorization"]["credentials"]
    assert credentials == {"name": volume["secret"]["secretName"], "key": "token"}
    assert f"create secret generic {credentials['name']} \\\n    --from-literal=token=" in PAGE


def test_alertmanager_is_set_as_without_kubernetes() -> None:
    plain = yaml.safe_load((ROOT / "deploy/prometheus/alertmanager.yml").read_text())
    spec = MANIFESTS["AlertmanagerConfig"]["spec"]
    route = spec["route"]
    for ours, theirs in (
        ("groupBy", "group_by"),
        ("groupWait", "group_wait"),
        ("groupInterval", "group_interval"),
        ("repeatInterval", "repeat_interval"),
        ("receiver", "receiver"),
    ):
        assert route[ours] == plain["route"][theirs]
    assert route["receiver"] == spec["receivers"][0]["name"]
    assert [rule["equal"] for rule in spec["inhibitRules"]] == [
        rule["equal"] for rule in plain["inhibit_rules"]
    ]
    for rule in spec["inhibitRules"]:
        assert [rule["sourceMatch"][0]["value"], rule["targetMatch"][0]["value"]] == [
            "critical",
            "warning",
        ]


def test_alertmanager_notifies_the_service() -> None:
    service = MANIFESTS["Service"]["metadata"]
    (receiver,) = MANIFESTS["AlertmanagerConfig"]["spec"]["receivers"]
    address = f"http://{service['name']}.{service['namespace']}.svc:9464/alerts"
    assert receiver["webhookConfigs"][0]["url"] == address


def test_scraping_is_as_often_as_without_kubernetes() -> None:
    plain = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    interval = plain["global"]["scrape_interval"]
    assert MANIFESTS["ServiceMonitor"]["spec"]["endpoints"][0]["interval"] == interval
    assert MANIFESTS["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["interval"] == interval


def test_the_dashboard_has_the_label_that_grafana_looks_for() -> None:
    assert MANIFESTS["ConfigMap"]["metadata"]["labels"] == {"grafana_dashboard": "1"}
    (name,) = MANIFESTS["ConfigMap"]["data"]
    assert (ROOT / "deploy/grafana/dashboards" / name).is_file()
    assert f"--from-file=files/grafana/dashboards/{name}" in PAGE


def commands() -> list[list[str]]:
    """Our own commands on the page, and what containers are given as arguments."""
    text = "\n".join(blocks("console")).replace("\\\n", " ")
    typed = re.findall(r"otel-token-monitor ((?:rules|doctor|serve).*)", text)
    return [*map(shlex.split, typed), container_words()]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_is_one_that_there_is(words: list[str]) -> None:
    command: click.Command | None = cli
    names = list(words)
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), names.pop(0))
    assert command is not None
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in names if word.startswith("--")} <= known
