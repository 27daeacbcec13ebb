"""Slack beside our own receiver, as alertmanager.yml has it commented out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.deploy.chain import BUDGET, LIMIT, REAL_SERVERS, Spender, came, eventually, standing
from tests.integration.receiving import receiver

if TYPE_CHECKING:
    from pathlib import Path

    from otel_token_monitor.demo.stack.layout import Layout

pytestmark = REAL_SERVERS


def test_slack_and_our_own_receiver_are_both_told(tmp_path: Path) -> None:
    with receiver() as hook, receiver() as slack, Spender(tmp_path / "ledger") as spender:

        def switch_on(layout: Layout) -> None:
            """Do what the file says.

            Alertmanager takes this path, unlike others, as relative to where it runs.
            """
            url_file = layout.directory / "slack-url"
            url_file.write_text(f"http://127.0.0.1:{slack.server_port}/services/T0/B0/secret\n")
            text = layout.alertmanager.read_text()
            text = re.sub(r"(?<=api_url_file: ).*", str(url_file), text)
            head, tail = text.split("# routes:")
            routes, rest = tail.split("\n\n", 1)
            uncommented = re.sub(r"^  # ", "  ", routes, flags=re.MULTILINE)
            layout.alertmanager.write_text(f"{head}routes:{uncommented}\n\n{rest}")

        address = f"http://127.0.0.1:{hook.server_port}/alerts"
        with standing(tmp_path / "chain", [spender.address], receiver=address, change=switch_on):
            spender.use(LIMIT * 85 // 100)
            eventually(lambda: came(hook) and slack.got)
        assert came(hook) == [("warning", "firing")]
        (message,) = slack.got
    assert message["channel"] == "#llm-budgets"
    (attachment,) = message["attachments"]
    assert attachment["title"] == "FIRING: A budget for LLM calls is nearly used up."
    assert attachment["text"].startswith(f"{BUDGET} has used 85% of its limit. ")
    assert attachment["text"].rstrip().endswith("/docs/runbooks/LLMBudgetUsed.md|Runbook>")
