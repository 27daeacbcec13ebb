"""What is said of an application and its ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_token_monitor.budgets.limits import Limit, Scope, Unit
from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.deployment.doctor.ledger_sight import look_at_ledger
from otel_token_monitor.deployment.doctor.ledgers import (
    LedgerSeen,
    judge_application,
    judge_ledger,
)
from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from tests.unit.cli.invoking import HOUR, NOW, RECORDS, write
from tests.unit.deployment.doctor.findings import beyond, said

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    import pytest

WELL = LedgerSeen(
    place="/data/usage.db",
    ledger_id="1f2e",
    calls=1234,
    last_call_ns=NOW - HOUR // 30,
    limits=3,
)


def test_all_is_well() -> None:
    assert said(judge_application(WELL, NOW)) == "ok: 1,234 calls, the last 2m ago."
    assert said(judge_ledger(WELL, NOW)) == "ok: /data/usage.db: 3 budgets."


def test_no_call_was_counted() -> None:
    assert said(judge_application(replace(WELL, calls=0, last_call_ns=None), NOW)) == (
        "warning: No call was counted yet. → Call a model. If that changes nothing, see that "
        "instrument() comes before the client is made, and that both have the same data directory."
    )


def test_the_last_call_was_days_ago() -> None:
    assert said(judge_application(replace(WELL, last_call_ns=NOW - 75 * HOUR), NOW)) == (
        "warning: 1,234 calls, the last 3d 3h ago. → If it has called models since, it counts into "
        "another data directory: name that with --data-dir."
    )


def test_without_a_limit_nothing_can_raise_an_alert() -> None:
    assert beyond(judge_application(replace(WELL, limits=0), NOW)) == (
        "warning: No limit is set: no budget can raise an alert. → Set TOKEN_DAILY_LIMIT for the "
        "application, or run `otel-token-monitor config init`."
    )


def test_applications_disagree() -> None:
    assert beyond(judge_application(replace(WELL, contested=True), NOW)) == (
        "warning: Running applications disagree about their limits: those of the last one hold. → "
        "Give them the same configuration, or a data directory each."
    )


def test_a_ledger_on_a_network_file_system() -> None:
    assert beyond(judge_ledger(replace(WELL, network="nfs4"), NOW)) == (
        "warning: It is on a network file system (nfs4), which may damage it. → Move it to a local "
        "disk, a directory for each machine."
    )


def test_notifications_that_wait_or_were_given_up() -> None:
    seen = replace(WELL, waiting=2, waiting_since_ns=NOW - HOUR // 5, given_up=3)
    assert beyond(judge_ledger(seen, NOW)) == (
        "warning: 2 notifications could not be delivered for 12m; it goes on trying. → See that "
        "TOKEN_WEBHOOK_URL answers: the application's log names the error.\n"
        "ok: Notifications that were given up since it was made: 3."
    )


def test_a_ledger_in_memory() -> None:
    seen = LedgerSeen(place=":memory:", in_memory=True)
    assert said(judge_ledger(seen, NOW)) == (
        "warning: It is in the application's memory (:memory:), and gone when that ends. → Set a "
        "data directory with TOKEN_MONITOR_DATA_DIR. Until then only /metrics shows it."
    )
    assert (
        said(judge_application(seen, NOW))
        == "skipped: Its ledger tells whether it counts: see there."
    )


def test_there_is_no_ledger(tmp_path: Path) -> None:
    seen = look_at_ledger(Location.in_directory(tmp_path), TokenMonitorConfig(environ={}))
    assert said(judge_ledger(seen, NOW)) == (
        f"broken: There is no ledger at {tmp_path}/usage.db. → Name the data directory of the "
        "application with --data-dir or TOKEN_MONITOR_DATA_DIR."
    )


def test_a_damaged_ledger(tmp_path: Path) -> None:
    (tmp_path / "usage.db").write_bytes(b"damaged " * 1000)
    seen = look_at_ledger(Location.in_directory(tmp_path), TokenMonitorConfig(environ={}))
    assert said(judge_ledger(seen, NOW)) == (
        f"broken: The ledger {tmp_path}/usage.db is damaged (file is not a database). → Start the "
        "application: it sets the damaged file aside, and begins a new ledger."
    )


def test_what_is_seen_of_a_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    minute = Limit(Scope(), Unit.TOKENS, Window.MINUTE, 1000)
    write(*RECORDS, policy=Policy(limits=(minute,)))
    location = Location.in_directory(tmp_path / "data")
    guest = LedgerGuest(location)

    def fail(connection: sqlite3.Connection) -> None:
        for target in ("a", "b"):
            alert_book.add_notification(connection, "{}", [target], NOW - HOUR)
        delivery = alert_book.lease(connection, "a", NOW)
        assert delivery is not None
        alert_book.postpone(connection, delivery, NOW)
        connection.execute("INSERT INTO health VALUES ('undelivered_alerts', 4)")

    guest.change(fail)
    guest.close()
    seen = look_at_ledger(location, TokenMonitorConfig(environ={}))
    assert seen.ledger_id is not None
    assert seen == LedgerSeen(
        place=str(location),
        ledger_id=seen.ledger_id,
        network=seen.network,
        calls=5,
        last_call_ns=NOW - 1_000_000_000,
        limits=1,
        per_minute=True,
        waiting=1,
        waiting_since_ns=NOW - HOUR,
        given_up=4,
    )


def test_where_the_ledger_keeps_no_limits_those_of_the_configuration_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write()
    settings = TokenMonitorConfig(environ={}, daily_limit=1000)
    seen = look_at_ledger(Location.in_directory(tmp_path / "data"), settings)
    assert (seen.calls, seen.last_call_ns, seen.limits, seen.per_minute) == (0, None, 1, False)
