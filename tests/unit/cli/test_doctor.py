"""`doctor`: its exit codes, and the test alert; what it says of each link is tested there."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from otel_token_monitor.alerts.fingerprints import fingerprint, notice_key
from otel_token_monitor.alerts.testing import ask_for_test_alert, is_test_alert_asked
from otel_token_monitor.alerts.times import instant, nanoseconds
from otel_token_monitor.cli import cli
from otel_token_monitor.deployment.rule_files import bundled_rules
from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from tests.unit.cli.invoking import NOW, POLICY, RECORDS, invoke, write
from tests.unit.deployment.canned import CannedServer, canned, of_json, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.deployment.canned import Canned

SECOND = 1_000_000_000
STARTED = instant(NOW)
ROUTE = """
route: {receiver: monitor, group_by: [alertname, severity]}
receivers: [{name: monitor, webhook_configs: [{url: "%s"}]}]
"""


def data(document: object) -> Canned:
    return of_json({"status": "success", "data": document})


def loaded_rules() -> list[dict[str, Any]]:
    return [
        {
            "type": rule.kind,
            "name": rule.name,
            "query": rule.expression,
            "duration": rule.hold,
            "keepFiringFor": rule.keep_firing,
            "labels": dict(rule.labels),
            "annotations": dict(rule.annotations),
            "health": "ok",
        }
        for rule in bundled_rules()
    ]


@dataclass
class Stack:
    """Servers that answer as those of a chain do where all is well, for the ledger in ./data."""

    ledger_id: str
    monitor: CannedServer
    prometheus: CannedServer
    alertmanager: CannedServer

    def run(self, *more: str, clock: Callable[[], int] = lambda: NOW) -> Result:
        options = (
            *("--data-dir", "data", "--metrics", self.monitor.address),
            *("--prometheus", self.prometheus.address, *more),
        )
        runner = CliRunner(env={"COLUMNS": "100"})
        return runner.invoke(cli, ["doctor", *options], prog_name="otel-token-monitor", obj=clock)

    def show(self, *, test_alert: int | None = 0) -> None:
        """What /metrics shows; None: it is of a release that knows no test alert."""
        lines = [
            f'otel_token_monitor_build_info{{version="1",ledger="{self.ledger_id}"}} 1',
            "otel_token_monitor_ledger_up 1",
        ]
        if test_alert is not None:
            lines.append(f"otel_token_monitor_test_alert {test_alert}")
        self.monitor.answers["/metrics"] = plain("\n".join(lines) + "\n")

    @property
    def labels(self) -> dict[str, str]:
        return {"alertname": "LLMTestAlert", "ledger": self.ledger_id, "severity": "info"}

    def fire(self) -> None:
        """The alert has come to Alertmanager."""
        self.show(test_alert=1)
        fired = {
            "labels": self.labels,
            "annotations": {},
            "state": "firing",
            "activeAt": STARTED,
        }
        self.prometheus.answers["/api/v1/alerts"] = data({"alerts": [fired]})
        known = {
            "labels": self.labels,
            "fingerprint": fingerprint(self.labels),
            "startsAt": STARTED,
            "receivers": [{"name": "monitor"}],
            "status": {"state": "active"},
        }
        self.alertmanager.answers["/api/v2/alerts"] = of_json([known])

    def note(self, time_ns: int) -> None:
        """The receiver notes it."""
        key = notice_key(fingerprint(self.labels), nanoseconds(STARTED), "firing")
        with ledger() as guest:
            guest.change(lambda connection: alert_book.note(connection, key, time_ns))


@contextmanager
def ledger() -> Iterator[LedgerGuest]:
    """The ledger in ./data."""
    guest = LedgerGuest(Location.in_directory(Path("data")))
    try:
        yield guest
    finally:
        guest.close()


def ask_before(seconds: int) -> None:
    """Somebody has asked for the test alert so many seconds ago."""
    with ledger() as guest:
        guest.change(lambda connection: ask_for_test_alert(connection, NOW - seconds * SECOND))


@pytest.fixture
def stack() -> Iterator[Stack]:
    write(*RECORDS, policy=POLICY)
    with ledger() as guest:
        ledger_id = guest.ask(lambda reader: reader.ledger_id())
    with ExitStack() as undo:
        monitor, prometheus, alertmanager = (undo.enter_context(canned({})) for _ in range(3))
        found = Stack(ledger_id, monitor, prometheus, alertmanager)
        found.show()
        monitor.answers["/alerts"] = of_json({"error": "give the token"}, 401)
        target = {
            "labels": {"job": "otel-token-monitor", "instance": "here"},
            "scrapeUrl": f"{monitor.address}/metrics",
            "health": "up",
            "lastError": "",
            "lastScrape": STARTED,
        }
        # Whatever is asked: that the target shows the ledger, and that it is now.
        sample = {
            "metric": {**target["labels"], "ledger": ledger_id},  # type: ignore[dict-item]
            "value": [NOW // SECOND, str(NOW // SECOND)],
        }
        group = {"name": "g", "file": "f", "rules": loaded_rules()}
        manager = {"url": f"{alertmanager.address}/api/v2/alerts"}
        prometheus.answers |= {
            "/api/v1/query": data({"resultType": "vector", "result": [sample]}),
            "/api/v1/targets": data({"activeTargets": [target]}),
            "/api/v1/rules": data({"groups": [group]}),
            "/api/v1/alerts": data({"alerts": []}),
            "/api/v1/alertmanagers": data({"activeAlertmanagers": [manager]}),
            "/api/v1/status/runtimeinfo": data({}),
        }
        configuration = ROUTE % f"{monitor.address}/alerts"
        configuration = configuration.replace('"}]', '", http_config: {authorization: {a: b}}}]')
        alertmanager.answers |= {
            "/api/v2/status": of_json({"config": {"original": configuration}}),
            "/api/v2/silences": of_json([]),
            "/api/v2/alerts": of_json([]),
        }
        yield found


NOBODY = [f"--{server}=localhost:1" for server in ("metrics", "prometheus", "alertmanager")]


def test_where_nothing_is_everything_is_named() -> None:
    result = invoke("doctor", *NOBODY, "--json")
    document = json.loads(result.output)
    assert (result.exit_code, document["state"]) == (1, "broken")
    assert {link["name"]: link["state"] for link in document["links"]} == {
        "application": "skipped",
        "ledger": "broken",
        "/metrics": "broken",
        "Prometheus": "broken",
        "rules": "skipped",
        "Alertmanager": "broken",
        "receiver": "broken",
    }


def test_where_nothing_is_no_test_alert_is_sent() -> None:
    result = invoke("doctor", *NOBODY, "--test-alert")
    assert result.exit_code == 1
    assert result.output.endswith("\nNo test alert is sent: mend what is broken, from the top.\n")


@pytest.mark.parametrize("option", ["--metrics", "--prometheus", "--alertmanager"])
def test_what_is_no_address_is_a_usage_error(option: str) -> None:
    result = invoke("doctor", option, "ftp://here")
    assert (result.exit_code, result.stderr) == (
        3,
        f"Error: ftp://here is no address: {option} takes one such as http://localhost:9090\n",
    )


def test_a_ledger_in_memory_is_seen_at_metrics_only(stack: Stack) -> None:
    result = stack.run("--data-dir", ":memory:", "--json")
    links = {link["name"]: link["state"] for link in json.loads(result.output)["links"]}
    assert result.exit_code == 0
    assert links == {
        "application": "skipped",
        "ledger": "warning",
        "/metrics": "warning",
        "Prometheus": "ok",
        "rules": "ok",
        "Alertmanager": "warning",
        "receiver": "ok",
    }
    result = stack.run("--data-dir", ":memory:", "--test-alert")
    assert (result.exit_code, result.stderr) == (
        3,
        "Error: a test alert needs a ledger in a file, and a /metrics whose address is known\n",
    )


def test_an_older_release_cannot_show_a_test_alert(stack: Stack) -> None:
    stack.show(test_alert=None)
    result = stack.run("--test-alert")
    assert result.exit_code == 3
    assert result.stderr == (
        f"Error: {stack.monitor.address}/metrics cannot show a test alert, since it is of an older "
        "release: upgrade otel-token-monitor there, and start it anew\n"
    )


def test_a_test_alert_is_asked_for_in_the_ledger(stack: Stack) -> None:
    result = stack.run("--test-alert", "--timeout", "0.1", clock=ticking())
    assert result.exit_code == 1
    assert result.output.endswith(
        "\nThe test alert is asked for, and on its way:\n"
        "   0.1 s  /metrics: it has not come so far.\n"
        f"→ {stack.monitor.address}/metrics does not show it: restart what serves it, if that is "
        "of an older release or reads another ledger.\n"
    )
    with ledger() as guest:
        assert guest.change(lambda connection: is_test_alert_asked(connection, NOW + SECOND))


REASONS = {
    "Prometheus": "Prometheus has scraped it, but its rule LLMTestAlert does not fire: see "
    "`otel-token-monitor rules check --prometheus {stack.prometheus.address}`",
    "Alertmanager": "Prometheus does not deliver to {stack.alertmanager.address}: its log says "
    "why; see that alerting: alertmanagers names this one",
    "receiver": "Alertmanager has it for monitor, but no monitor of this ledger has noted it: its "
    "log says whether the webhook failed (a wrong token, another address); or group_wait is longer "
    "than that, or the end of the last test alert was not told of yet",
}


@pytest.mark.parametrize("stage", REASONS)
def test_where_a_test_alert_stops_the_likely_reason_is_given(stack: Stack, stage: str) -> None:
    stack.fire()
    if stage == "Prometheus":
        stack.prometheus.answers["/api/v1/alerts"] = data({"alerts": []})
    if stage == "Alertmanager":
        stack.alertmanager.answers["/api/v2/alerts"] = of_json([])
    result = stack.run("--test-alert", "--timeout", "0.1", "--json", clock=ticking())
    sent = json.loads(result.output)["test_alert"]
    assert (result.exit_code, sent["arrived"], sent["stopped_before"]) == (1, False, stage)
    assert sent["reason"] == REASONS[stage].format(stack=stack)


def test_a_server_that_has_gone_meanwhile_is_the_reason(stack: Stack) -> None:
    stack.fire()
    del stack.alertmanager.answers["/api/v2/alerts"]
    result = stack.run("--test-alert", "--timeout", "0.1", "--json", clock=ticking())
    assert json.loads(result.output)["test_alert"]["reason"] == (
        f"{stack.alertmanager.address} is not Alertmanager (it answers 404: 404 page not found): "
        "give its address with --alertmanager, with the path if it has one"
    )


def test_a_test_alert_that_is_for_others_is_watched_as_far_as_it_can_be_seen(stack: Stack) -> None:
    stack.fire()
    elsewhere = ROUTE % "http://localhost:1/hook"
    stack.alertmanager.answers["/api/v2/status"] = of_json({"config": {"original": elsewhere}})
    result = stack.run("--test-alert")
    assert result.exit_code == 0
    assert result.output.endswith(
        "   0.0 s  /metrics shows it\n"
        "   0.0 s  Prometheus has fired it\n"
        "   0.0 s  Alertmanager has it\n"
        "Alertmanager sends it to monitor, which is not for this ledger to see: look there.\n"
    )


def test_a_test_alert_that_arrives(stack: Stack) -> None:
    stack.fire()
    stack.note(NOW + 2 * SECOND)
    result = stack.run("--test-alert", "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["test_alert"] == {
        "asked_before": False,
        "arrived": True,
        "steps": [
            {"name": "/metrics", "seconds": 0.0},
            {"name": "Prometheus", "seconds": 0.0},
            {"name": "Alertmanager", "seconds": 0.0},
            {"name": "receiver", "seconds": 2.0},
        ],
    }


@pytest.mark.parametrize(
    ("seconds", "noted", "message"),
    [
        (60, True, "the last test alert has arrived: ask for another in 6 minutes"),
        (330, False, "the last test alert is just ending: ask for another in 2 minutes"),
    ],
)
def test_an_old_test_alert_is_never_taken_for_a_new_one(
    stack: Stack, seconds: int, message: str, *, noted: bool
) -> None:
    ask_before(seconds)
    stack.fire()
    if noted:
        stack.note(NOW - seconds * SECOND + SECOND)
    result = stack.run("--test-alert")
    assert (result.exit_code, result.stderr) == (
        3,
        f"Error: {message}, when all have been told that it is over\n",
    )


def test_seven_minutes_later_another_can_be_asked_for(stack: Stack) -> None:
    ask_before(420)
    result = stack.run("--test-alert", "--timeout", "0.1", clock=ticking())
    assert "The test alert is asked for, and on its way:" in result.output


def ticking() -> Callable[[], int]:
    """A clock that goes on from NOW."""
    began = time.monotonic_ns()
    return lambda: NOW + time.monotonic_ns() - began
