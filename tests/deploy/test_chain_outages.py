"""What is out of order for a while, and an alert that is delivered once all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.stack.servers import RunningServer
from tests.deploy.chain import LIMIT, REAL_SERVERS, Spender, came, eventually, standing
from tests.integration.receiving import receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = REAL_SERVERS

ENDINGS = [RunningServer.stop, RunningServer.kill]


def test_an_alert_that_fires_without_alertmanager_is_delivered_when_it_is_there(
    tmp_path: Path,
) -> None:
    with receiver() as hook, Spender(tmp_path / "ledger") as spender:
        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        # It is sent again after a minute, if nobody says otherwise.
        arguments = ["--rules.alert.resend-delay=5s"]
        with standing(
            tmp_path / "chain", [spender.address], receiver=address, arguments=arguments
        ) as chain:
            chain.alertmanager.stop()
            spender.use(LIMIT * 85 // 100)
            eventually(lambda: chain.firing() == {"warning"})
            assert came(hook) == []
            chain.start_alertmanager()
            eventually(lambda: came(hook))
            spender.use(LIMIT // 10)
            eventually(lambda: ("critical", "firing") in came(hook))
            told = came(hook)
    assert told == [("warning", "firing"), ("critical", "firing")]


@pytest.mark.parametrize("end", ENDINGS)
def test_a_restart_of_prometheus_tells_nothing_twice_and_resolves_nothing(
    end: Callable[[RunningServer], None], tmp_path: Path
) -> None:
    with receiver() as hook, Spender(tmp_path / "ledger") as spender:
        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        with standing(tmp_path / "chain", [spender.address], receiver=address) as chain:
            spender.use(LIMIT * 85 // 100)
            eventually(lambda: came(hook))
            end(chain.prometheus)
            chain.start_prometheus()
            eventually(lambda: chain.firing() == {"warning"})
            chain.let_evaluate(3)
            # It goes on: what is to be told later comes, and nothing has come before it.
            spender.use(LIMIT // 10)
            eventually(lambda: ("critical", "firing") in came(hook))
            told = came(hook)
    assert told == [("warning", "firing"), ("critical", "firing")]


@pytest.mark.parametrize("end", ENDINGS)
def test_a_restart_of_alertmanager_tells_nobody_of_ours_twice(
    end: Callable[[RunningServer], None], tmp_path: Path
) -> None:
    """Killed, it has forgotten whom it told; `/alerts` has not."""
    token = tmp_path / "chain" / "alerts-token"
    with receiver() as hook:
        # Nobody spends there: all that it passes on is Alertmanager's.
        config = {"webhook_url": f"http://127.0.0.1:{hook.server_port}/hook"}
        with (
            Spender(tmp_path / "other", alerts_token_file=str(token), **config) as monitor,
            Spender(tmp_path / "ledger") as spender,
            standing(
                tmp_path / "chain",
                [spender.address],
                receiver=f"http://{monitor.address}/alerts",
                arguments=["--rules.alert.resend-delay=5s"],
            ) as chain,
        ):
            spender.use(LIMIT * 85 // 100)
            eventually(lambda: came(hook))
            end(chain.alertmanager)
            chain.start_alertmanager()
            eventually(lambda: chain.states() == {"warning": "active"})
            spender.use(LIMIT // 10)
            eventually(lambda: ("critical", "firing") in came(hook))
            told = came(hook)
    assert told == [("warning", "firing"), ("critical", "firing")]
