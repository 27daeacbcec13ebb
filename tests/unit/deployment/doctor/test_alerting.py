"""What is said of Alertmanager."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_token_monitor.deployment.alertmanager_api import Matcher, Silence
from otel_token_monitor.deployment.bundle import bundled
from otel_token_monitor.deployment.doctor.alerting import (
    AlertmanagerSeen,
    judge_alertmanager,
    webhook_of,
)
from otel_token_monitor.deployment.http_api import ApiError
from tests.unit.deployment.doctor.findings import beyond, said

A = "http://localhost:9093"
BUNDLED = bundled("prometheus/alertmanager.yml").read_text()
SLACK = """
route: {receiver: slack, group_by: [severity]}
receivers: [{name: slack, slack_configs: [{channel: "#a"}]}]
"""
WELL = AlertmanagerSeen(address=A, notified=("http://127.0.0.1:9093",), configuration=BUNDLED)
SENDS = f"ok: {A} sends budget alerts to otel-token-monitor."


def silence(*matchers: Matcher, by: str = "ann") -> AlertmanagerSeen:
    return replace(
        WELL,
        silences=(
            Silence(matchers=matchers, ends_ns=1_795_491_795 * 1_000_000_000, created_by=by),
        ),
    )


def test_all_is_well() -> None:
    assert said(judge_alertmanager(WELL)) == SENDS


def test_where_prometheus_cannot_be_asked_nothing_is_said_of_it() -> None:
    assert said(judge_alertmanager(replace(WELL, notified=None))) == SENDS


def test_it_does_not_answer() -> None:
    seen = AlertmanagerSeen(address=A, trouble=ApiError(A, "hangs", "restart it"))
    assert said(judge_alertmanager(seen)) == f"broken: {A} hangs. → Restart it."


def test_prometheus_notifies_nobody() -> None:
    assert said(judge_alertmanager(replace(WELL, notified=()))) == (
        "broken: Prometheus notifies no Alertmanager. → Add `- targets: [localhost:9093]` to "
        "targets/alertmanagers.yml beside its prometheus.yml (alerting: alertmanagers).\n" + SENDS
    )


def test_prometheus_notifies_another_one() -> None:
    others = ("http://a:9093", "https://b/path")
    assert said(judge_alertmanager(replace(WELL, notified=others))) == (
        "warning: Prometheus notifies a:9093, b:443, not localhost:9093. → If that is not the same "
        "one, name the other with --alertmanager, or change targets/alertmanagers.yml beside "
        "prometheus.yml.\n" + SENDS
    )


@pytest.mark.parametrize(
    ("lately", "since"), [(True, "within 15 minutes"), (False, "since Prometheus started")]
)
def test_notifications_of_prometheus_failed(since: str, *, lately: bool) -> None:
    assert said(judge_alertmanager(replace(WELL, failed=2, lately=lately))) == (
        f"warning: 2 notifications of Prometheus failed {since}. → Its log says why; --test-alert "
        "tells whether they come now.\n" + SENDS
    )


def test_alerts_of_budgets_go_elsewhere() -> None:
    assert said(judge_alertmanager(replace(WELL, configuration=SLACK))) == (
        f"ok: {A} sends budget alerts to slack.\n"
        "warning: None of these leads to /alerts of a monitor: slack. → That is fine if people see "
        "those alerts there. Else add a receiver as in the bundled alertmanager.yml "
        "(otel-token-monitor rules export DIR)."
    )


def test_alerts_are_not_grouped_by_severity() -> None:
    configuration = BUNDLED.replace("budget, severity]", "budget]")
    assert beyond(judge_alertmanager(replace(WELL, configuration=configuration))) == (
        "warning: Alerts are not grouped by severity: a CRITICAL waits for the group of its "
        "WARNING. → Add severity to group_by in alertmanager.yml."
    )


def test_a_silence_hides_alerts_of_budgets() -> None:
    name = Matcher(name="alertname", value="LLM.*", is_regex=True)
    budget = Matcher(name="budget", value="ledger/tokens/day")
    assert beyond(judge_alertmanager(silence(name, budget, by=""))) == (
        "warning: A silence of somebody hides alerts of budgets until 2026-11-24 03:43 UTC. → See "
        f"{A}/#/silences."
    )


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(name="alertname", value="DiskFull"),
        Matcher(name="severity", value="info"),
        Matcher(name="instance", value="localhost:9464"),
    ],
)
def test_silences_of_other_alerts_are_nobodys_business(matcher: Matcher) -> None:
    assert said(judge_alertmanager(silence(matcher))) == SENDS


def test_a_configuration_of_another_kind() -> None:
    assert said(judge_alertmanager(replace(WELL, configuration="[]"))) == (
        f"warning: {A}: its configuration cannot be read (TypeError). → Upgrade otel-token-monitor."
    )


def test_a_webhook_that_is_shown_goes_before_one_that_is_hidden() -> None:
    hooks = "[{url: <secret>}, {url: http://a/hook}, {url: http://b/alerts}]"
    text = f"route: {{receiver: a}}\nreceivers: [{{name: a, webhook_configs: {hooks}}}]"
    hook = webhook_of(text)
    assert hook is not None
    assert hook.url == "http://b/alerts"


def test_a_webhook_that_no_route_leads_to_is_none() -> None:
    text = "route: {receiver: b}\nreceivers: [{name: a, webhook_configs: [{url: http://a/alerts}]}]"
    assert webhook_of(text) is None
