"""Several ledgers, and several targets: a fleet's usage is added up once, whoever dies."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from otel_token_monitor.demo.stack.layout import Target
from tests.deploy.chain import LIMIT, REAL_SERVERS, Spender, came, eventually, standing
from tests.integration.receiving import receiver
from tests.integration.watching import serving

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = REAL_SERVERS

USED = "budget:llm_budget_used:sum"
NOBODY = "http://127.0.0.1:9/alerts"


def test_a_machine_that_is_killed_keeps_its_share_and_its_alert(tmp_path: Path) -> None:
    with receiver() as hook, ExitStack() as undo:
        fleet = [undo.enter_context(Spender(tmp_path / name)) for name in "abc"]
        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        with standing(
            tmp_path / "chain", [one.address for one in fleet], receiver=address
        ) as chain:
            for one in fleet:
                one.use(LIMIT * 27 // 100)
            eventually(lambda: came(hook))
            assert chain.value(USED) == LIMIT * 81 // 100
            fleet[0].kill()
            eventually(lambda: chain.value("count(llm_budget_used)") == 2)
            chain.let_evaluate(5)
            assert (chain.value(USED), chain.firing()) == (LIMIT * 81 // 100, {"warning"})
            fleet[1].use(LIMIT * 10 // 100)
            eventually(lambda: len(came(hook)) == 2)
            assert chain.value(USED) == LIMIT * 91 // 100
        told = came(hook)
    assert told == [("warning", "firing"), ("critical", "firing")]


def test_one_ledger_at_two_targets_is_counted_once(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with Spender(ledger) as spender, serving(ledger) as server:
        targets = [spender.address, server.address.removeprefix("http://")]
        with standing(tmp_path / "chain", targets, receiver=NOBODY) as chain:
            spender.use(LIMIT * 45 // 100)
            eventually(lambda: chain.value("sum(llm_budget_used)") == 2 * LIMIT * 45 // 100)
            eventually(lambda: chain.value(USED) == LIMIT * 45 // 100)
            chain.let_evaluate(3)
            assert chain.value("budget:llm_budget_used:ratio") == 0.45
            assert chain.firing() == set()


def test_two_fleets_are_kept_apart(tmp_path: Path) -> None:
    with receiver() as hook, ExitStack() as undo:
        shop, *labs = (undo.enter_context(Spender(tmp_path / name)) for name in "abc")
        targets = [
            Target(address=shop.address, fleet="shop"),
            *(Target(address=one.address, fleet="lab") for one in labs),
        ]
        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        with standing(tmp_path / "chain", targets, receiver=address) as chain:
            shop.use(LIMIT * 50 // 100)
            for one in labs:
                one.use(LIMIT * 42 // 100)
            eventually(lambda: came(hook))
            used = {labels["fleet"]: value for labels, value in chain.query(USED)}
        fleets = [alert["labels"]["fleet"] for alert in hook.got[0]["alerts"]]
        assert came(hook) == [("warning", "firing")]
    assert used == {"shop": LIMIT * 50 // 100, "lab": LIMIT * 84 // 100}
    assert fleets == ["lab"]


def test_a_limit_that_is_taken_away_ends_its_alert(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with receiver() as hook, Spender(ledger) as spender:
        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        with standing(tmp_path / "chain", [spender.address], receiver=address) as chain:
            spender.use(LIMIT * 85 // 100)
            eventually(lambda: came(hook))
            spender.stop()
            with Spender(ledger, port=spender.port, daily_limit=None, monthly_limit=LIMIT * 9):
                eventually(lambda: len(came(hook)) == 2)
                assert chain.query(f'{USED}{{window="day"}}') == []
                # And it does not come back with the end of the machine.
            eventually(lambda: chain.value("count(llm_budget_used)") is None)
            chain.let_evaluate(5)
            assert chain.query(f'{USED}{{window="day"}}') == []
        told = came(hook)
    assert told == [("warning", "firing"), ("warning", "resolved")]
