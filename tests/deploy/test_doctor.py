"""`doctor` with the real chain: all is well, and what it says of each thing that is broken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.stack.layout import Target
from otel_token_monitor.demo.stack.servers import HOST, free_port
from otel_token_monitor.deployment.rule_files import bundled_rules
from tests.deploy.chain import REAL_SERVERS, Spender
from tests.deploy.examined import Stack, reload, sending_to, silenced, standing_stack
from tests.integration.archived import started
from tests.integration.receiving import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = REAL_SERVERS

LINKS = ["application", "ledger", "/metrics", "Prometheus", "rules", "Alertmanager", "receiver"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with standing_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One that nobody breaks: servers count for long what has failed once."""
    with standing_stack(tmp_path_factory.mktemp("untouched")) as stack:
        eventually(stack.is_well)
        yield stack


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """One where all is well, whatever others did to it."""
    eventually(shared.is_well)
    return shared


def test_all_is_well_in_one_screen_of_any_width(untouched: Stack) -> None:
    code, screen, errors = untouched.doctor()
    assert (code, errors) == (0, "")
    application, alertmanager = untouched.spender.address, untouched.chain.alertmanager.address
    found = re.sub(
        r"[0-9-]{10} [0-9:]{5} UTC", "NOW", re.sub(r" +$", "", screen, flags=re.MULTILINE)
    )
    found = re.sub(r"the last \d+[sm] ago", "the last 1s ago", found)
    found = re.sub(r", \d+ wait for their first turn", " and work", found)
    assert found.split("\n") == [
        "OK  NOW",
        "",
        "application   ok  1 call, the last 1s ago.",
        f"ledger        ok  {untouched.data_dir}/usage.db: 1 budget.",
        f"/metrics      ok  http://{application}/metrics shows this ledger.",
        f"Prometheus    ok  {untouched.prometheus.address} scrapes {application}, every 1 s.",
        f"rules         ok  All {len(bundled_rules())} rules are loaded and work.",
        f"Alertmanager  ok  {alertmanager} sends budget alerts to otel-token-monitor.",
        f"receiver      ok  http://{application}/alerts takes alerts with Alertmanager's token.",
        "",
        "Everything works. To see an alert come through, add --test-alert.",
    ]
    for columns in (60, 80):
        code, screen, _ = untouched.doctor(COLUMNS=str(columns))
        assert code == 0
        assert len(screen.split("\n")) <= 24
        assert max(map(len, screen.split("\n"))) <= columns


def test_colours_are_for_terminals_that_want_them(untouched: Stack) -> None:
    assert "\x1b[32mok" in untouched.doctor(FORCE_COLOR="1")[1]
    assert "\x1b[32m" not in untouched.doctor(FORCE_COLOR="1", NO_COLOR="1")[1]


def test_the_document_has_every_link(untouched: Stack) -> None:
    code, document = untouched.found()
    assert (code, document["schema_version"], document["state"]) == (0, 1, "ok")
    assert [link["name"] for link in document["links"]] == LINKS
    assert document["test_alert"] is None


def test_a_test_alert_is_watched_to_the_receiver_however_long_it_is_held_back(
    stack: Stack,
) -> None:
    address = stack.chain.alertmanager.address
    with silenced(address, "LLMTestAlert") as end_silence:
        code, document = stack.found("--test-alert", "--timeout", "5")
        assert code == 1
        sent = document["test_alert"]
        names = [step.pop("name") for step in sent["steps"]]
        assert names == ["/metrics", "Prometheus", "Alertmanager"]
        seconds = [step.pop("seconds") for step in sent.pop("steps")]
        assert seconds == sorted(seconds)
        assert sent == {
            "asked_before": False,
            "arrived": False,
            "stopped_before": "receiver",
            "reason": f"a silence or an inhibition holds it back: see {address}/#/silences",
        }
        with started("doctor", *stack.options, "--test-alert") as process:
            assert process.stdout is not None
            for line in process.stdout:
                if "still on its way" in line:
                    end_silence()
                    break
            ways = process.stdout.read()
    assert process.returncode == 0
    assert re.sub(r"[\d.]+ s", "1 s", re.sub(r"^ +", "", ways, flags=re.MULTILINE)) == (
        "1 s  /metrics shows it\n"
        "1 s  Prometheus has fired it\n"
        "1 s  Alertmanager has it\n"
        "1 s  receiver has received it\n"
        "The test alert has arrived. It ends by itself after five minutes.\n"
    )
    assert sum("received: LLMTestAlert is firing" in line for line in stack.spender.said) == 1
    code, _, errors = stack.doctor("--test-alert")
    assert code == 3
    assert re.fullmatch(
        "Error: the last test alert has arrived: ask for another in [67] minutes, when all have "
        "been told that it is over",
        errors,
    )


def test_a_silence_of_budget_alerts_is_a_warning(stack: Stack) -> None:
    with silenced(stack.chain.alertmanager.address, "LLMBudgetUsed"):
        code, screen, _ = stack.doctor()
    assert code == 0
    assert screen.startswith("WARNING  ")
    assert "A silence of me hides alerts of budgets until " in screen


def test_prometheus_is_not_there(stack: Stack) -> None:
    stack.chain.prometheus.stop()
    try:
        assert stack.broken("--alertmanager", stack.chain.alertmanager.address) == {
            "Prometheus": (
                f"{stack.chain.prometheus.address} refuses the connection. → Start Prometheus, or "
                "give its address with --prometheus."
            )
        }
    finally:
        stack.chain.start_prometheus()


def test_the_address_is_alertmanagers(stack: Stack) -> None:
    address = stack.chain.alertmanager.address
    assert stack.broken("--prometheus", address, "--alertmanager", address) == {
        "Prometheus": (
            f"{address} is not Prometheus (it answers 404: 404 page not found). → Give its address "
            "with --prometheus, with the path if it has one."
        )
    }


def test_prometheus_knows_neither_where_to_scrape_nor_whom_to_notify(stack: Stack) -> None:
    nobody, address = f"{HOST}:{free_port()}", stack.chain.alertmanager.address
    file = stack.chain.layout.directory / "targets" / "alertmanagers.yml"
    stack.chain.layout.scrape([Target(address=nobody)])
    try:
        with stack.changed(file, "[]"):
            eventually(lambda: stack.chain.query(f'up{{instance="{nobody}"}} == 0'))
            eventually(lambda: not stack.prometheus.alertmanagers())
            found = stack.broken("--alertmanager", address)
    finally:
        stack.chain.layout.scrape([Target(address=stack.spender.address)])
    cannot_scrape = found.pop("Prometheus")
    wanted = f"{stack.prometheus.address} cannot scrape http://{nobody}/metrics: .*refused"
    assert re.match(wanted, cannot_scrape)
    place = address.removeprefix("http://")
    assert found == {
        "Alertmanager": (
            f"Prometheus notifies no Alertmanager. → Add `- targets: [{place}]` to "
            "targets/alertmanagers.yml beside its prometheus.yml (alerting: alertmanagers)."
        )
    }


def test_no_rules_are_loaded(stack: Stack) -> None:
    rules = stack.chain.layout.directory / "rules"
    moved = rules.rename(rules.with_name("moved"))
    try:
        reload(stack.chain.prometheus.process)
        # To load a configuration, it forgets for a moment whom it scrapes and notifies.
        eventually(lambda: not stack.prometheus.rules() and stack.is_well())
        assert stack.broken() == {
            "rules": (
                "None of the rules is loaded. → Run `otel-token-monitor rules export DIR`, name "
                "DIR/prometheus/rules/*.yml under rule_files, and reload Prometheus."
            )
        }
    finally:
        moved.rename(rules)
        reload(stack.chain.prometheus.process)
        eventually(stack.prometheus.rules)


def test_alertmanager_is_not_there(stack: Stack) -> None:
    # It is not stopped: what Prometheus then fails to send is told of for long.
    nobody = f"http://{HOST}:{free_port()}"
    assert stack.broken("--alertmanager", nobody) == {
        "Alertmanager": (
            f"{nobody} refuses the connection. → Start Alertmanager, or give its address with "
            "--alertmanager."
        )
    }


def test_alertmanager_has_the_wrong_token(stack: Stack) -> None:
    file = stack.chain.layout.token_file
    with stack.changed(file, "another-token-of-16"):
        assert stack.broken() == {
            "receiver": (
                f"http://{stack.spender.address}/alerts refuses the token in Alertmanager's {file} "
                "(401). → Write the token of TOKEN_ALERTS_TOKEN or TOKEN_ALERTS_TOKEN_FILE into "
                "that file."
            )
        }
        _, screen, _ = stack.doctor("--test-alert")
        assert screen.endswith("No test alert is sent: mend what is broken, from the top.")


def test_the_monitor_cannot_read_its_token(stack: Stack) -> None:
    moved = stack.token_file.rename(stack.token_file.with_name("moved"))
    try:
        ((link, said),) = stack.broken().items()
    finally:
        moved.rename(stack.token_file)
    assert link == "receiver"
    assert said.startswith(f"http://{stack.spender.address}/alerts cannot take alerts now: ")
    assert "cannot be read: No such file or directory" in said


def test_alertmanager_sends_to_a_place_where_nobody_is(stack: Stack) -> None:
    url = f"http://{HOST}:{free_port()}/alerts"
    with sending_to(stack, url):
        assert stack.broken() == {
            "receiver": (
                f"Nobody takes alerts at {url}. → Start the application or `otel-token-monitor "
                "serve`; or change the webhook's url in alertmanager.yml."
            )
        }


def test_the_application_has_ended(stack: Stack) -> None:
    stack.spender.stop()
    try:
        eventually(lambda: stack.has_target("down"))
        found = stack.broken()
    finally:
        stack.start_spender(stack.spender.port)
    address = f"http://{stack.spender.address}"
    assert list(found) == ["/metrics", "Prometheus", "receiver"]
    assert found["/metrics"] == (
        f"Nobody serves at {address}. → Start the application; or if it does not serve "
        f"(serve=False), run `otel-token-monitor serve --data-dir {stack.data_dir}`; or give its "
        "address with --metrics."
    )


def test_another_ledger_is_shown(stack: Stack, tmp_path: Path) -> None:
    with Spender(tmp_path / "other") as other:
        other.use(1)
        links = stack.broken("--data-dir", str(tmp_path / "other"))
    assert list(links) == ["/metrics", "Prometheus"]
    assert re.fullmatch(
        rf"http://{stack.spender.address}/metrics shows another ledger \(\w{{16}}\) than "
        rf"{tmp_path}/other/usage.db \(\w{{16}}\)\. → Name its data directory with --data-dir, or "
        r"give its address with --metrics\.",
        links["/metrics"],
    )
