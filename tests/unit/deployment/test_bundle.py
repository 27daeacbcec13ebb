"""The bundled files are those of deploy/."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_token_monitor.deployment.bundle import bundled, bundled_files

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"


@pytest.mark.parametrize("directory", ["prometheus", "prometheus/rules", "grafana"])
def test_every_file_of_a_directory_is_bundled_byte_for_byte(directory: str) -> None:
    there = {
        path.relative_to(DEPLOY).as_posix(): path.read_bytes()
        for path in (DEPLOY / directory).rglob("*")
        if path.is_file() and DEPLOY / "prometheus" / "tests" not in path.parents
    }
    assert dict(bundled_files(directory)) == there


def test_files_come_in_the_order_of_their_names() -> None:
    assert [path for path, _ in bundled_files("prometheus/rules")] == [
        "prometheus/rules/budgets.yml",
        "prometheus/rules/monitoring.yml",
        "prometheus/rules/usage.yml",
    ]


def test_one_file_by_its_path() -> None:
    text = bundled("prometheus/prometheus.yml").read_text(encoding="utf-8")
    assert text == (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")


def test_the_whole_bundle() -> None:
    assert {"prometheus", "grafana"} <= {entry.name for entry in bundled().iterdir()}
