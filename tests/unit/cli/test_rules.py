"""`rules export` and `rules check`; with a real Prometheus: tests/deploy."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from otel_token_monitor.cli.rules_text import check_document, check_text
from otel_token_monitor.deployment.exporting import files_to_export
from otel_token_monitor.deployment.rule_files import BundledRule
from otel_token_monitor.deployment.rules_check import (
    CheckedRule,
    CheckedTarget,
    Difference,
    RulesCheck,
    RuleState,
    TargetState,
)
from tests.unit.cli.invoking import invoke

PATHS = [file.path for file in files_to_export()]
NEXT = """\
Next: promtool check config {0}/prometheus/prometheus.yml
      prometheus --config.file={0}/prometheus/prometheus.yml
      (one that runs reloads with kill -HUP)
      otel-token-monitor rules check
"""
MANIFESTS = [f"otel-token-monitor-{name}.yaml" for name in ("budgets", "monitoring", "usage")]
RULE = BundledRule(
    file="jobs.yml",
    group="jobs",
    kind="alerting",
    name="Busy",
    expression="load >= 8",
    labels={"severity": "warning"},
    annotations={},
    hold=0,
    keep_firing=0,
)
OTHER = replace(RULE, name="Idle")
TARGET = CheckedTarget(
    job="otel-token-monitor",
    instance="localhost:9464",
    url="http://localhost:9464/metrics",
    state=TargetState.UP,
)


def listed(paths: list[str]) -> str:
    return "".join(f"  {path}\n" for path in paths)


def files() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*") if path.is_file()}


def test_export_says_what_it_wrote_and_what_is_next() -> None:
    result = invoke("rules", "export", "deploy")
    expected = f"{len(PATHS)} files written to deploy\n{listed(PATHS)}{NEXT.format('deploy')}"
    assert (result.exit_code, result.output) == (0, expected)
    assert files() == {f"deploy/{path}" for path in PATHS}


def test_commands_of_what_is_next_can_be_pasted() -> None:
    result = invoke("rules", "export", "my files/")
    assert result.output.endswith(
        NEXT.replace("{0}/prometheus/prometheus.yml", "{0}").format(
            "'my files'/prometheus/prometheus.yml"
        )
    )


def test_a_second_export_has_nothing_to_do() -> None:
    invoke("rules", "export", "deploy")
    result = invoke("rules", "export", "deploy")
    assert (result.exit_code, result.output) == (
        0,
        f"nothing written to deploy\n{len(PATHS)} files there already, as they should be\n",
    )


def test_export_replaces_no_rule_that_differs() -> None:
    invoke("rules", "export", "deploy")
    for name in ("usage", "budgets"):
        Path(f"deploy/prometheus/rules/{name}.yml").write_text("groups: []\n")
    Path("deploy/prometheus/prometheus.yml").unlink()
    result = invoke("rules", "export", "deploy")
    assert (result.exit_code, result.output) == (
        3,
        (
            "Error: files in deploy differ from those of this version, so nothing was written: "
            "prometheus/rules/budgets.yml, prometheus/rules/usage.yml. --force replaces them, "
            "another DIR spares them\n"
        ),
    )
    assert not Path("deploy/prometheus/prometheus.yml").exists()
    assert Path("deploy/prometheus/rules/usage.yml").read_text() == "groups: []\n"


def test_after_an_upgrade_force_replaces_rules_and_spares_configuration() -> None:
    invoke("rules", "export", "deploy")
    for name in ("rules/usage.yml", "prometheus.yml", "targets/token-monitors.yml"):
        Path(f"deploy/prometheus/{name}").write_text("[]\n")
    result = invoke("rules", "export", "deploy", "--force")
    kept = ["prometheus/prometheus.yml", "prometheus/targets/token-monitors.yml"]
    assert (result.exit_code, result.output) == (
        0,
        (
            f"1 file written to deploy\n{listed(['prometheus/rules/usage.yml'])}"
            f"{len(PATHS) - 3} files there already, as they should be\n"
            f"Yours, left as they are; those of this version differ:\n{listed(kept)}"
            f"{NEXT.format('deploy')}"
        ),
    )
    assert [Path("deploy", path).read_text() for path in kept] == ["[]\n", "[]\n"]


def test_export_writes_manifests_for_kubernetes() -> None:
    result = invoke("rules", "export", "manifests", "--kubernetes")
    assert (result.exit_code, result.output) == (
        0,
        f"""\
3 files written to manifests
{listed(MANIFESTS)}Next: kubectl apply -f manifests
      kubectl label -f manifests release=NAME
      (the label that your Prometheus selects rules by; this is kube-prometheus-stack's)
      otel-token-monitor rules check --prometheus URL
""",
    )
    assert files() == {f"manifests/{name}" for name in MANIFESTS}


@pytest.mark.parametrize(
    ("arguments", "path"),
    [((), "prometheus/rules/budgets.yml"), (("--kubernetes",), MANIFESTS[0])],
)
def test_runbooks_may_be_elsewhere(arguments: tuple[str, ...], path: str) -> None:
    invoke("rules", "export", "deploy", "--runbooks", "https://wiki/llm", *arguments)
    text = Path("deploy", path).read_text()
    assert "runbook_url: https://wiki/llm/LLMBudgetUsed.md\n" in text
    assert "github.com" not in text


def test_runbooks_that_are_no_address() -> None:
    result = invoke("rules", "export", "deploy", "--runbooks", "wiki")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        3,
        (
            "Error: Invalid value for '--runbooks': 'wiki' is no address of runbooks: give one "
            "such as https://wiki/runbooks"
        ),
    )
    assert files() == set()


def test_a_directory_that_is_a_file() -> None:
    Path("deploy").write_text("")
    result = invoke("rules", "export", "deploy")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        3,
        "Error: Invalid value for 'DIR': Directory 'deploy' is a file.",
    )


@pytest.mark.parametrize(
    ("directory", "where", "reason"),
    [
        ("/proc/no", f"/proc/no/{PATHS[0]}", "No such file or directory"),
        ("x" * 300, f"{'x' * 300}/{PATHS[0]}", "File name too long"),
    ],
)
def test_where_nothing_can_be_written(directory: str, where: str, reason: str) -> None:
    result = invoke("rules", "export", directory)
    assert (result.exit_code, result.output) == (
        3,
        f"Error: {where} cannot be written: {reason}. Mend that or name another DIR\n",
    )


def test_export_imports_neither_opentelemetry_nor_requests(tmp_path: Path) -> None:
    program = (
        "import sys; from otel_token_monitor.cli import cli\n"
        "try: cli(['rules', 'export', sys.argv[1]])\n"
        "except SystemExit as end: assert not end.code\n"
        "print({'opentelemetry', 'requests', 'yaml', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "deploy"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_check_wants_an_address() -> None:
    result = invoke("rules", "check", "--prometheus", "ftp://localhost")
    assert (result.exit_code, result.output) == (
        3,
        (
            "Error: ftp://localhost is no address: --prometheus takes one such as "
            "http://localhost:9090\n"
        ),
    )


def test_what_prometheus_says_does_not_steer_the_terminal() -> None:
    rule = CheckedRule(
        rule=RULE,
        state=RuleState.FAILING,
        differences=(Difference("label a", "", "\x1b[2J"),),
        error="a\x1b[31mb",
    )
    target = replace(TARGET, url="http://a\x07b/", state=TargetState.DOWN, error="x\x1by")
    text = check_text(RulesCheck(address="http://p", rules=(rule,), targets=(target,)))
    assert text.replace("\n", "").isprintable()
    assert text.splitlines()[2:6] == [
        "  FAILING  Busy (warning) of jobs.yml: a�[31mb",
        "           label a is �[2J, not nothing",
        "0 of 1 target up",
        "  DOWN     http://a�b/: x�y",
    ]


def test_targets_that_were_not_scraped_yet_may_be_asked_again() -> None:
    target = replace(TARGET, state=TargetState.UNKNOWN)
    rule = CheckedRule(rule=RULE, state=RuleState.LOADED)
    text = check_text(RulesCheck(address="http://p", rules=(rule,), targets=(target,)))
    assert text == (
        "Prometheus at http://p\n"
        "1 of 1 rule loaded and working\n"
        "0 of 1 target up\n"
        "  UNKNOWN  http://localhost:9464/metrics\n"
        "\n"
        "Targets that are unknown were not scraped yet: ask again in a minute."
    )


def test_the_document_has_every_rule_and_every_difference() -> None:
    changed = CheckedRule(
        rule=RULE,
        state=RuleState.CHANGED,
        differences=(Difference("expr", "load >= 8", "load >= 9"),),
    )
    missing = CheckedRule(rule=OTHER, state=RuleState.MISSING)
    checked = RulesCheck(address="http://p", rules=(changed, missing), targets=(TARGET,))
    assert check_document(checked) == {
        "schema_version": 1,
        "prometheus": "http://p",
        "well": False,
        "reload_failed": False,
        "rules": [
            {
                "name": "Busy",
                "kind": "alerting",
                "file": "jobs.yml",
                "group": "jobs",
                "labels": {"severity": "warning"},
                "state": "changed",
                "differences": [{"field": "expr", "bundled": "load >= 8", "loaded": "load >= 9"}],
                "error": "",
            },
            {
                "name": "Idle",
                "kind": "alerting",
                "file": "jobs.yml",
                "group": "jobs",
                "labels": {"severity": "warning"},
                "state": "missing",
                "differences": [],
                "error": "",
            },
        ],
        "targets": [
            {
                "job": "otel-token-monitor",
                "instance": "localhost:9464",
                "url": "http://localhost:9464/metrics",
                "state": "up",
                "error": "",
            }
        ],
    }
