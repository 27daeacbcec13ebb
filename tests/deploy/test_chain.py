"""From a call to its alert: an application, Prometheus, Alertmanager, a receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.deploy.chain import (
    BUDGET,
    FAST,
    LIMIT,
    REAL_SERVERS,
    Spender,
    came,
    eventually,
    standing,
)
from tests.integration.receiving import receiver

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = REAL_SERVERS


def test_a_budget_is_told_warning_then_critical_then_resolved_each_once(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with receiver() as hook, Spender(ledger) as spender:
        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        chain_files = tmp_path / "chain"
        with standing(chain_files, [spender.address], receiver=address, intervals=FAST) as chain:
            spender.use(LIMIT * 79 // 100)
            eventually(lambda: chain.value("budget:llm_budget_used:ratio") == 0.79)
            assert chain.firing() == set()
            spender.use(LIMIT // 100)
            eventually(lambda: came(hook) == [("warning", "firing")])
            spender.use(LIMIT // 10)
            eventually(lambda: len(came(hook)) == 2)
            assert chain.states() == {"warning": "suppressed", "critical": "active"}
            spender.stop()
            with Spender(ledger, port=spender.port, daily_limit=2 * LIMIT):
                eventually(lambda: len(came(hook)) >= 4)
                assert chain.firing() == set()
        told = came(hook)
    assert told[:2] == [("warning", "firing"), ("critical", "firing")]
    assert sorted(told[2:]) == [("critical", "resolved"), ("warning", "resolved")]


def test_what_is_told_names_the_budget_its_ledger_and_what_to_do(tmp_path: Path) -> None:
    with receiver() as hook, Spender(tmp_path / "ledger") as spender:
        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        with standing(tmp_path / "chain", [spender.address], receiver=address) as chain:
            spender.use(LIMIT * 85 // 100)
            eventually(lambda: came(hook) == [("warning", "firing")])
            (ledger,) = {labels["ledger"] for labels, _ in chain.query("llm_budget_used")}
        ((alert,),) = (payload["alerts"] for payload in hook.got)
    assert alert["labels"] == {
        "alertname": "LLMBudgetUsed",
        "budget": BUDGET,
        "scope": "ledger",
        "severity": "warning",
        "unit": "tokens",
        "window": "day",
    }
    annotations = alert["annotations"]
    assert annotations["summary"] == "A budget for LLM calls is nearly used up."
    assert annotations["description"].startswith(f"{BUDGET} has used 85% of its limit. ")
    assert annotations["ledgers"].split() == [ledger]
    assert annotations["runbook_url"].endswith("/docs/runbooks/LLMBudgetUsed.md")


def test_what_the_application_has_told_itself_is_not_passed_on_again(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    token = tmp_path / "chain" / "alerts-token"
    with receiver() as hook:
        config = {
            "webhook_url": f"http://127.0.0.1:{hook.server_port}/hook",
            "alerts_token_file": str(token),
        }
        with Spender(ledger, **config) as spender:
            address = f"http://{spender.address}/alerts"
            with standing(tmp_path / "chain", [spender.address], receiver=address):
                spender.use(LIMIT * 85 // 100)
                eventually(lambda: received(spender))
                spender.stop()
                with Spender(ledger, port=spender.port, daily_limit=2 * LIMIT, **config) as again:
                    eventually(lambda: len(received(again)) >= 2)
                    again.stop()
        told = came(hook)
    assert told == [("warning", "firing"), ("warning", "resolved")]
    summary = "notified before: A budget for LLM calls is nearly used up."
    assert received(again) == [
        f"INFO received: LLMBudgetUsed is firing, {summary}",
        f"INFO received: LLMBudgetUsed is resolved, {summary}",
    ]


def test_an_alert_waits_for_a_receiver_that_is_away(tmp_path: Path) -> None:
    token = tmp_path / "chain" / "alerts-token"
    with receiver() as hook:
        config = {
            "webhook_url": f"http://127.0.0.1:{hook.server_port}/hook",
            "alerts_token_file": str(token),
        }
        with (
            Spender(tmp_path / "other", **config) as monitor,
            Spender(tmp_path / "ledger") as spender,
            standing(
                tmp_path / "chain",
                [spender.address],
                receiver=f"http://{monitor.address}/alerts",
            ) as chain,
        ):
            monitor.kill()
            spender.use(LIMIT * 85 // 100)
            eventually(lambda: chain.failed_deliveries() > 0)
            with Spender(tmp_path / "other", port=monitor.port, **config):
                eventually(lambda: came(hook))
                spender.use(LIMIT // 10)
                eventually(lambda: ("critical", "firing") in came(hook))
            told = came(hook)
    assert told == [("warning", "firing"), ("critical", "firing")]


def received(spender: Spender) -> list[str]:
    """What it said of alerts that came to it."""
    said = (line.split(" ", 2)[2] for line in spender.said if " received: " in line)
    return list(said)
