"""Where a configuration of Alertmanager sends an alert."""

from __future__ import annotations

import pytest

from otel_token_monitor.deployment.alertmanager_api import Matcher
from otel_token_monitor.deployment.bundle import bundled
from otel_token_monitor.deployment.routing import (
    Destination,
    Webhook,
    destinations,
    fits,
    webhooks,
)

LABELS = {"alertname": "LLMBudgetUsed", "severity": "critical"}
ROUTES = """
route:
  receiver: all
  group_by: [alertname]
  routes:
    - receiver: pager
      matchers: ['severity="critical"', 'alertname=~"LLM.*"']
      group_by: ['...']
      continue: true
    - receiver: chat
      match: {severity: critical}
      routes:
        - matchers: ['team!=""']
          receiver: team
    - receiver: never
      match_re: {alertname: .*}
"""


def test_an_alert_goes_where_the_routes_lead_it() -> None:
    assert destinations(ROUTES, LABELS) == (
        Destination(receiver="pager", group_by=None),
        Destination(receiver="chat", group_by=frozenset({"alertname"})),
    )


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (LABELS | {"team": "search"}, ["pager", "team"]),
        (LABELS | {"alertname": "Other"}, ["chat"]),
        ({"severity": "warning"}, ["never"]),
    ],
)
def test_routes_go_by_labels(labels: dict[str, str], receivers: list[str]) -> None:
    assert [one.receiver for one in destinations(ROUTES, labels)] == receivers


def test_grouping_is_by_the_labels_that_are_named_or_by_all() -> None:
    pager, chat = destinations(ROUTES, LABELS)
    assert (pager.groups_by("severity"), chat.groups_by("severity")) == (True, False)


def test_the_bundled_configuration_sends_all_to_the_monitor_by_severity() -> None:
    text = bundled("prometheus/alertmanager.yml").read_text()
    (one,) = destinations(text, LABELS)
    assert (one.receiver, one.groups_by("severity")) == ("otel-token-monitor", True)
    assert webhooks(text) == (
        Webhook(
            receiver="otel-token-monitor",
            url="http://localhost:9464/alerts",
            authorized=True,
            credentials_file="alerts-token",
        ),
    )


def test_newer_versions_hide_the_address_of_a_webhook() -> None:
    text = "receivers: [{name: a, webhook_configs: [{url: <secret>}]}]"
    (hook,) = webhooks(text)
    assert hook == Webhook(receiver="a", url=None, authorized=False, credentials_file=None)
    assert hook.may_be_ours


@pytest.mark.parametrize(
    ("url", "ours"), [("http://a/alerts/", True), ("http://a/x/alerts", True), ("http://a/", False)]
)
def test_a_webhook_is_ours_by_its_path(url: str, *, ours: bool) -> None:
    hook = Webhook(receiver="a", url=url, authorized=False, credentials_file=None)
    assert hook.may_be_ours is ours


@pytest.mark.parametrize(
    ("matcher", "fit"),
    [
        (Matcher(name="a", value="b"), True),
        (Matcher(name="a", value="b", is_equal=False), False),
        (Matcher(name="a", value="b|c", is_regex=True), True),
        (Matcher(name="a", value="", is_regex=True), False),
        (Matcher(name="z", value=""), True),
        (Matcher(name="a", value="(", is_regex=True), False),
    ],
)
def test_labels_fit_matchers(matcher: Matcher, *, fit: bool) -> None:
    assert fits({"a": "b"}, [matcher]) is fit


@pytest.mark.parametrize("text", ["", "a: [", "route: 3", "route: {routes: [{matchers: ['?']}]}"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^its configuration cannot be read \(\w+\)$"):
        destinations(text, LABELS)


@pytest.mark.parametrize("text", ["", "a: [", "receivers: [3]"])
def test_webhooks_of_no_configuration_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^its configuration cannot be read \(\w+\)$"):
        webhooks(text)
