"""Policies: what a configuration says, kept in the ledger for whoever else reads it."""

from __future__ import annotations

from typing import Any

import pytest

from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.ledger.errors import LedgerVersionError


def config(**given: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ={}, **given)


def test_without_limits_there_is_nothing_to_say() -> None:
    policy = Policy.of(config())
    assert policy == Policy()
    assert policy.row().silent is True
    assert Policy.of(config(timezone="Asia/Seoul")).row().silent is False


def test_every_limit_of_a_configuration_is_in_it() -> None:
    policy = Policy.of(
        config(
            daily_limit=2_000_000,
            monthly_limit=60_000_000,
            per_minute_limit=200_000,
            requests_per_minute_limit=500,
            requests_per_day_limit=10_000,
            requests_per_month_limit=300_000,
            daily_cost_limit="12.5",
            monthly_cost_limit="0.000000001",
        )
    )
    found = {limit.budget: limit.amount for limit in policy.limits}
    assert found == {
        "ledger/tokens/minute": 200_000,
        "ledger/tokens/day": 2_000_000,
        "ledger/tokens/month": 60_000_000,
        "ledger/requests/minute": 500,
        "ledger/requests/day": 10_000,
        "ledger/requests/month": 300_000,
        "ledger/usd/day": 12_500_000_000,
        "ledger/usd/month": 1,
    }


def test_limits_of_projects_and_models_have_their_scopes_and_thresholds() -> None:
    policy = Policy.of(
        config(
            warning_threshold=0.7,
            projects={
                "shop": {
                    "daily_limit": 100,
                    "models": {"gpt-5*": {"daily_limit": {"limit": 10, "alert_threshold": 1}}},
                }
            },
            models={"gpt-5*": {"requests_per_day_limit": 5}},
        )
    )
    assert policy.limits == (
        Limit(Scope("shop"), Unit.TOKENS, Window.DAY, 100, 0.7, 0.9),
        Limit(Scope(None, "gpt-5*"), Unit.REQUESTS, Window.DAY, 5, 0.7, 0.9),
        Limit(Scope("shop", "gpt-5*"), Unit.TOKENS, Window.DAY, 10, 0.7, 1.0),
    )


def test_it_comes_back_from_the_ledger_as_it_was() -> None:
    policy = Policy.of(
        config(
            timezone="Australia/Lord_Howe",
            alert_threshold=0.95,
            daily_cost_limit=3,
            projects={"Läden/1": {"monthly_limit": 7}},
        )
    )
    assert Policy.from_document(policy.row().document) == policy


def test_the_same_settings_have_the_same_digest() -> None:
    one, two = Policy.of(config(daily_limit=5)), Policy.of(config(daily_limit=6))
    assert one.row() == Policy.of(config(daily_limit=5)).row()
    assert one.row().digest != two.row().digest


def test_nothing_secret_is_in_it() -> None:
    row = Policy.of(config(webhook_url="https://hooks.slack.com/s3cret", daily_limit=1)).row()
    assert "s3cret" not in row.document


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"limits": [{}]}', '{"limits": 3}'])
def test_a_document_that_is_none_is_said_to_be_unreadable(document: str) -> None:
    with pytest.raises(LedgerVersionError, match="upgrade otel-token-monitor"):
        Policy.from_document(document)


def test_limits_over_several_ledgers_are_a_policy_of_their_own() -> None:
    given = config(
        daily_limit=1,
        projects={"shop": {"daily_limit": 1}},
        global_daily_limit={"limit": 100, "alert_threshold": 1},
        global_monthly_limit=3000,
        warning_threshold=0.5,
        timezone="Asia/Seoul",
    )
    everywhere = Scope(over_ledgers=True)
    policy = Policy.over_ledgers(given)
    assert policy == Policy(
        limits=(
            Limit(everywhere, Unit.TOKENS, Window.DAY, 100, warning=0.5, critical=1.0),
            Limit(everywhere, Unit.TOKENS, Window.MONTH, 3000, warning=0.5, critical=0.9),
        ),
        timezone="Asia/Seoul",
        warning=0.5,
        critical=0.9,
    )
    assert Policy.from_document(policy.row().document) == policy
    assert [limit.budget for limit in Policy.of(given).limits] == [
        "ledger/tokens/day",
        "project:shop/tokens/day",
    ]
