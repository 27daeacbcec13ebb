"""`rules export` and `rules check` with the real Prometheus and promtool."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from otel_token_monitor.demo.stack.servers import free_port, running_prometheus
from otel_token_monitor.deployment.prometheus_api import PrometheusApi
from otel_token_monitor.deployment.rules_checking import check_rules
from tests.integration.archived import command
from tests.integration.receiving import eventually
from tests.integration.watching import LIMIT, job, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_token_monitor.demo.stack.servers import RunningServer

TOOLS = ("prometheus", "promtool")
SCRAPE = "scrape_interval: 15s\n  evaluation_interval: 15s\n"
OFTEN = "scrape_interval: 1s\n  evaluation_interval: 1s\n"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        None in map(shutil.which, TOOLS) and os.environ.get("CI") != "true",
        reason="prometheus is not installed",
    ),
]


@dataclass(frozen=True)
class Directory:
    """What `rules export` wrote, and its user edits."""

    path: Path

    @property
    def configuration(self) -> Path:
        return self.path / "prometheus" / "prometheus.yml"

    def rules(self, name: str) -> Path:
        return self.path / "prometheus" / "rules" / f"{name}.yml"

    def aim(self, *targets: str) -> None:
        """Scrape these targets, each second."""
        edit(self.configuration, SCRAPE, OFTEN)
        document = json.dumps([{"targets": targets}])
        (self.path / "prometheus" / "targets" / "token-monitors.yml").write_text(document)


def edit(path: Path, old: str, new: str) -> None:
    """Put one text in the place of another, which is there once."""
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def exported(path: Path, *arguments: str) -> Directory:
    code, _, errors = command("rules", "export", path, *arguments)
    assert (code, errors) == (0, "")
    return Directory(path)


def as_rule_files(manifests: Path, directory: Path) -> None:
    """Take the rules out of manifests, as the Prometheus Operator does."""
    directory.mkdir(exist_ok=True)
    for path in manifests.glob("*.yaml"):
        manifest = yaml.safe_load(path.read_text())
        name = manifest["metadata"]["name"].removeprefix("otel-token-monitor-")
        (directory / f"{name}.yml").write_text(yaml.safe_dump(manifest["spec"]))


def promtool(*arguments: str | Path) -> str:
    """Run promtool, which must find nothing wrong; what it says."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def check(address: str, *arguments: str) -> tuple[int, str, str]:
    return command("rules", "check", "--prometheus", address, *arguments)


def document(address: str) -> dict[str, Any]:
    _, out, errors = check(address, "--json")
    assert errors == ""
    found: dict[str, Any] = json.loads(out)
    return found


def address_of(exporter: str) -> str:
    return exporter.removeprefix("http://")


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a process that serves a ledger."""
    path = tmp_path_factory.mktemp("ledger")
    job(path, LIMIT // 100)
    with serving(path) as server:
        yield server.address


@contextmanager
def scraping(directory: Directory, targets: int, port: int = 0) -> Iterator[RunningServer]:
    """A Prometheus that has scraped all its targets, and evaluated the rules of 1 s once."""
    storage = directory.path / "storage"
    with running_prometheus(directory.configuration, storage, port=port) as server:

        def has_looked() -> bool:
            found = check_rules(PrometheusApi(server.address)).targets
            return len(found) == targets and not any(one.state == "unknown" for one in found)

        eventually(has_looked)
        yield server


@pytest.fixture(scope="module", params=["files", "manifests"])
def well(
    request: pytest.FixtureRequest, exporter: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A Prometheus with all rules, from one or the other form, and a target that is up."""
    path = tmp_path_factory.mktemp("well")
    directory = exported(path)
    if request.param == "manifests":
        shutil.rmtree(path / "prometheus" / "rules")
        exported(path / "manifests", "--kubernetes", "--runbooks", "https://wiki/runbooks")
        as_rule_files(path / "manifests", path / "prometheus" / "rules")
    directory.aim(address_of(exporter))
    with scraping(directory, 1) as server:
        yield server


def test_all_is_well(well: RunningServer, exporter: str) -> None:
    rules = len(document(well.address)["rules"])
    assert check(well.address) == (
        0,
        (
            f"Prometheus at {well.address}\n"
            f"{rules} of {rules} rules loaded and working\n"
            "1 of 1 target up\n"
            f"  UP       {exporter}/metrics"
        ),
        "",
    )


def test_the_document_says_the_same(well: RunningServer, exporter: str) -> None:
    found = document(well.address)
    assert {(rule["state"], rule["error"]) for rule in found["rules"]} == {("loaded", "")}
    del found["rules"]
    assert found == {
        "schema_version": 1,
        "prometheus": well.address,
        "well": True,
        "reload_failed": False,
        "targets": [
            {
                "job": "otel-token-monitor",
                "instance": address_of(exporter),
                "url": f"{exporter}/metrics",
                "state": "up",
                "error": "",
            }
        ],
    }


@dataclass(frozen=True)
class Ill:
    """A Prometheus with all that can be wrong; the addresses of its targets."""

    server: RunningServer
    up: str
    down: str
    silent: str


@pytest.fixture(scope="module")
def ill(exporter: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ill]:
    directory = exported(tmp_path_factory.mktemp("ill"))
    directory.rules("usage").unlink()
    rules = yaml.safe_load(directory.rules("monitoring").read_text())
    (group,) = rules["groups"]
    by_name = {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}
    group["rules"].remove(by_name["LLMTestAlert"])
    by_name["LLMExporterDown"]["for"] = "1m"
    by_name["LLMUsageAbsent"]["expr"] = "absent_over_time(llm_requests_total[24h])"
    by_name["LLMLedgerUnreadable"]["expr"] = "up + on () up"
    directory.rules("monitoring").write_text(yaml.safe_dump(rules))
    port, dead = free_port(), f"127.0.0.1:{free_port()}"
    # Prometheus itself answers, but has no ledger to show.
    directory.aim(address_of(exporter), dead, f"127.0.0.1:{port}")
    with scraping(directory, 3, port) as server:

        def has_failed() -> bool:
            found = check_rules(PrometheusApi(server.address)).rules
            return any(one.state == "failing" for one in found)

        eventually(has_failed)
        yield Ill(server, exporter, f"http://{dead}", server.address)


def test_what_is_wrong_is_told_with_what_to_do(ill: Ill) -> None:
    found = document(ill.server.address)
    failing = next(rule for rule in found["rules"] if rule["state"] == "failing")
    ledger_up = next(difference["bundled"] for difference in failing["differences"])
    works = sum(rule["state"] in {"loaded", "changed"} for rule in found["rules"])
    of_usage = sum(rule["file"] == "usage.yml" for rule in found["rules"])
    down = next(target["error"] for target in found["targets"] if target["state"] == "down")
    code, out, errors = check(ill.server.address)
    lines = out.splitlines()
    end = lines.index("")
    targets = lines.index("1 of 3 targets up")
    assert (code, errors) == (1, "")
    assert lines[:targets] == [
        f"Prometheus at {ill.server.address}",
        f"{works} of {len(found['rules'])} rules loaded and working",
        "  CHANGED  LLMExporterDown (critical) of monitoring.yml",
        "           for is 60s, not 300s",
        "  CHANGED  LLMUsageAbsent (critical) of monitoring.yml",
        (
            "           expr is absent_over_time(llm_requests_total[1d]), not "
            "absent_over_time(llm_requests_total[10m])"
        ),
        f"  FAILING  LLMLedgerUnreadable (critical) of monitoring.yml: {failing['error']}",
        f"           expr is up + on () up, not {ledger_up}",
        "  MISSING  LLMTestAlert (info) of monitoring.yml",
        f"  MISSING  usage.yml: all {of_usage} rules",
    ]
    assert sorted(lines[targets + 1 : end]) == sorted(
        [
            f"  UP       {ill.up}/metrics",
            f"  DOWN     {ill.down}/metrics: {down}",
            f"  SILENT   {ill.silent}/metrics",
        ]
    )
    assert [line.partition(":")[0] for line in lines[end + 1 :]] == [
        "Missing rules",
        "Failing rules alert nobody",
        "Changed rules work; they are your own, or of another version",
        "Targets that are down",
        "Targets that are silent answer, but not with a ledger's metrics",
    ]


def test_the_errors_are_those_of_prometheus(ill: Ill) -> None:
    found = document(ill.server.address)
    (failing,) = (rule for rule in found["rules"] if rule["state"] == "failing")
    (down,) = (target for target in found["targets"] if target["state"] == "down")
    assert "found duplicate series for the match group" in failing["error"]
    assert "connection refused" in down["error"]


def test_rules_that_could_not_be_loaded_after_a_change(exporter: str, tmp_path: Path) -> None:
    directory = exported(tmp_path)
    directory.aim(address_of(exporter))
    with scraping(directory, 1) as server:
        edit(directory.rules("usage"), "- name: llm-usage", "- name: [")
        server.process.send_signal(signal.SIGHUP)
        eventually(PrometheusApi(server.address).reload_failed)
        code, out, errors = check(server.address)
    assert (code, out.splitlines()[-1], errors) == (
        1,
        (
            "Prometheus could not load its configuration as it is now, and goes on with the former "
            "one: promtool check config PROMETHEUS.YML says why."
        ),
        "",
    )


def test_without_rules_and_targets_it_says_how_they_get_there(tmp_path: Path) -> None:
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text("{}\n")
    with running_prometheus(configuration, tmp_path / "storage") as server:
        code, out, _ = check(server.address)
    lines = out.splitlines()
    assert (code, lines[1][:5], lines[5]) == (1, "0 of ", "no target shows a ledger")
    assert [line.split(": all ")[0] for line in lines[2:5]] == [
        "  MISSING  budgets.yml",
        "  MISSING  monitoring.yml",
        "  MISSING  usage.yml",
    ]
    assert lines[6:] == [
        "",
        (
            "Missing rules: otel-token-monitor rules export DIR, name DIR/prometheus/rules/*.yml "
            "under rule_files in prometheus.yml, and have Prometheus reload (kill -HUP)."
        ),
        (
            "Add where /metrics is served (localhost:9464) to targets/token-monitors.yml, or to a "
            "scrape configuration with job_name: otel-token-monitor."
        ),
    ]


def test_nobody_at_the_address() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    code, out, errors = check(address)
    assert (code, out) == (3, "")
    assert errors.startswith(f"Error: {address} refuses the connection")
    assert errors.endswith(": start Prometheus, or give its address with --prometheus")


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_somebody_else_at_the_address(exporter: str, arguments: tuple[str, ...]) -> None:
    code, out, errors = check(exporter, *arguments)
    assert (code, out) == (3, "")
    assert errors.startswith(f"Error: {exporter} is not Prometheus (it answers 404")
    assert errors.endswith("): give its address with --prometheus, with the path if it has one")


def test_promtool_accepts_what_is_exported(tmp_path: Path) -> None:
    directory = exported(tmp_path, "--runbooks", "https://wiki/view?page=")
    assert "SUCCESS" in promtool("check", "config", directory.configuration)


def test_promtool_accepts_the_manifests_rules(tmp_path: Path) -> None:
    exported(tmp_path / "manifests", "--kubernetes")
    as_rule_files(tmp_path / "manifests", tmp_path / "rules")
    said = promtool("check", "rules", *sorted((tmp_path / "rules").iterdir()))
    assert said.count("SUCCESS") == 3


@pytest.mark.skipif(os.getuid() != 0, reason="mounts file systems")
def test_a_full_disk_is_named_and_no_file_is_half_there(tmp_path: Path) -> None:
    disk, whole = tmp_path / "disk", exported(tmp_path / "whole").path
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=True)
    try:
        code, out, errors = command("rules", "export", disk)
        there = {
            path.relative_to(disk): path.read_bytes() for path in disk.rglob("*") if path.is_file()
        }
    finally:
        subprocess.run(["umount", disk], check=True)
    assert (code, out) == (3, "")
    assert errors.startswith(f"Error: {disk}/")
    assert errors.endswith(
        " cannot be written: No space left on device. Mend that or name another DIR"
    )
    assert there == {path: (whole / path).read_bytes() for path in there}
