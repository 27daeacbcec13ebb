"""The bundled rules as manifests of the Prometheus Operator."""

from __future__ import annotations

import pytest
import yaml

from otel_token_monitor.deployment.bundle import RULES, bundled_files
from otel_token_monitor.deployment.kubernetes import manifests_to_export
from otel_token_monitor.deployment.runbooks import RUNBOOKS

NAMES = ["budgets", "monitoring", "usage"]
FILES = dict(bundled_files(RULES))


def manifest(name: str, *arguments: str) -> bytes:
    contents = {file.path: file.content for file in manifests_to_export(*arguments)}
    return contents[f"otel-token-monitor-{name}.yaml"]


def test_there_is_one_for_each_rule_file() -> None:
    assert [file.path for file in manifests_to_export()] == [
        f"otel-token-monitor-{name}.yaml" for name in NAMES
    ]


@pytest.mark.parametrize("name", NAMES)
def test_its_specification_is_the_rule_file(name: str) -> None:
    rules = FILES[f"prometheus/rules/{name}.yml"]
    assert yaml.safe_load(manifest(name)) == {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": f"otel-token-monitor-{name}",
            "labels": {"app.kubernetes.io/name": "otel-token-monitor"},
        },
        "spec": yaml.safe_load(rules),
    }


@pytest.mark.parametrize("name", NAMES)
def test_comments_and_lines_are_kept(name: str) -> None:
    rules = FILES[f"prometheus/rules/{name}.yml"].decode().splitlines()
    _, _, specification = manifest(name).decode().partition("\nspec:\n")
    assert [line.removeprefix("  ") for line in specification.splitlines()] == rules


@pytest.mark.parametrize("name", NAMES)
def test_runbooks_may_be_elsewhere(name: str) -> None:
    elsewhere = manifest(name, "https://wiki/")
    assert elsewhere == manifest(name).replace(RUNBOOKS.encode(), b"https://wiki/")
    assert b"runbook_url: https://wiki/LLM" in elsewhere


@pytest.mark.parametrize("name", NAMES)
def test_labels_and_durations_are_texts_as_the_operator_wants_them(name: str) -> None:
    for group in yaml.safe_load(manifest(name))["spec"]["groups"]:
        for rule in group["rules"]:
            texts = (rule["expr"], *rule.get("labels", {}).values(), rule.get("for", ""))
            assert {type(text) for text in texts} == {str}
