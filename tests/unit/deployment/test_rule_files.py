"""The rules of a file, one by one."""

from __future__ import annotations

from otel_token_monitor.deployment.rule_files import BundledRule, bundled_rules, rules_of

FILE = b"""
groups:
  - name: one
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
  - name: two
    rules:
      - alert: Gone
        expr: |
          up == 0
        for: 1m30s
        keep_firing_for: 5m
        labels: {severity: critical}
        annotations: {summary: It is gone.}
"""


def test_a_record_and_an_alert() -> None:
    assert rules_of("jobs.yml", FILE) == (
        BundledRule(
            file="jobs.yml",
            group="one",
            kind="recording",
            name="job:up:sum",
            expression="sum by (job) (up)",
            labels={},
            annotations={},
            hold=0,
            keep_firing=0,
        ),
        BundledRule(
            file="jobs.yml",
            group="two",
            kind="alerting",
            name="Gone",
            expression="up == 0\n",
            labels={"severity": "critical"},
            annotations={"summary": "It is gone."},
            hold=90,
            keep_firing=300,
        ),
    )


def test_the_bundled_rules_come_from_all_files() -> None:
    assert {rule.file for rule in bundled_rules()} == {"budgets.yml", "monitoring.yml", "usage.yml"}
