"""What is said of /metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_token_monitor.deployment.doctor.ledgers import LedgerSeen
from otel_token_monitor.deployment.doctor.metrics import MetricsSeen, judge_metrics
from otel_token_monitor.deployment.doctor.sight import look_at_metrics, metrics_api
from tests.unit.deployment.canned import canned, plain
from tests.unit.deployment.doctor.findings import beyond, said

if TYPE_CHECKING:
    from otel_token_monitor.deployment.doctor.findings import Link

NOW = 1_795_491_795 * 1_000_000_000
MINUTE = 60 * 1_000_000_000
A = "http://localhost:9464/metrics"
LEDGER = LedgerSeen(place="/data/usage.db", ledger_id="1f2e")
WELL = MetricsSeen(
    address=A,
    shows_us=True,
    ledgers=frozenset({"1f2e"}),
    versions=frozenset({"1.0"}),
    ledger_up=True,
    reset_ns=NOW + MINUTE,
    knows_test=True,
)
SHOWN = """
otel_token_monitor_build_info{version="1.0",ledger="1f2e"} 1.0
otel_token_monitor_ledger_up 1.0
otel_token_monitor_test_alert 0.0
llm_budget_reset_timestamp_seconds{budget="a"} 1795491900
llm_budget_reset_timestamp_seconds{budget="b"} 1795491800
"""


def judge(seen: MetricsSeen | None) -> Link:
    return judge_metrics(seen, LEDGER, "data", "1.0", NOW)


def of(seen: MetricsSeen | None) -> str:
    return said(judge(seen))


def test_all_is_well() -> None:
    assert of(WELL) == f"ok: {A} shows this ledger."


def test_a_ledger_that_nothing_is_known_of_is_named() -> None:
    unknown = LedgerSeen(place="/data/usage.db")
    assert said(judge_metrics(WELL, unknown, "data", "1.0", NOW)) == f"ok: {A} shows ledger 1f2e."


def test_what_is_seen_of_it() -> None:
    with canned({"/metrics": plain(SHOWN)}) as server:
        for address in (server.address, f"{server.address}/metrics", f"{server.address}/metrics/"):
            seen = look_at_metrics(metrics_api(address, 5))
            assert seen == replace(
                WELL,
                address=f"{server.address}/metrics",
                reset_ns=1_795_491_800 * 1_000_000_000,
            )


def test_where_the_port_is_any_it_cannot_be_looked_at() -> None:
    assert of(None) == "skipped: Its port is 0, any that is free: give its address with --metrics."


def test_nobody_serves() -> None:
    with canned({}) as server:
        address = server.address
    assert of(look_at_metrics(metrics_api(address, 5))) == (
        f"broken: Nobody serves at {address}. → Start the application; or if it does not serve "
        "(serve=False), run `otel-token-monitor serve --data-dir data`; or give its address with "
        "--metrics."
    )


def test_a_server_without_metrics() -> None:
    with canned({}) as server:
        assert of(look_at_metrics(metrics_api(server.address, 5))) == (
            f"broken: {server.address}/metrics answers 404. → Have the application serve it "
            "(instrument().expose(app)), or give its address with --metrics."
        )


def test_metrics_of_another_program() -> None:
    with canned({"/metrics": plain('up{job="x"} 1\n')}) as server:
        assert of(look_at_metrics(metrics_api(server.address, 5))) == (
            f"broken: {server.address}/metrics shows nothing of otel_token_monitor: it is another "
            "program's. → If ours is elsewhere, give its address with --metrics; else give it "
            "another port (OTEL_EXPORTER_PROMETHEUS_PORT)."
        )


def test_what_is_no_exposition_shows_nothing() -> None:
    with canned({"/metrics": plain("otel_token_monitor_ledger_up{ 1\n")}) as server:
        assert not look_at_metrics(metrics_api(server.address, 5)).shows_us


def test_it_cannot_read_its_ledger() -> None:
    assert of(replace(WELL, ledgers=frozenset(), ledger_up=False)) == (
        f"broken: {A} cannot read its ledger (otel_token_monitor_ledger_up 0). → Its /healthz "
        "names the file and the reason."
    )


def test_it_shows_another_ledger() -> None:
    assert of(replace(WELL, ledgers=frozenset({"aaaa"}))) == (
        f"broken: {A} shows another ledger (aaaa) than /data/usage.db (1f2e). → Name its data "
        "directory with --data-dir, or give its address with --metrics."
    )


def test_it_is_of_another_release() -> None:
    link = judge(replace(WELL, versions=frozenset({"0.9", "1.0"})))
    assert beyond(link) == (
        "warning: It is of release 0.9, this command of 1.0. → Start it anew after an upgrade."
    )


def test_its_clock_is_behind() -> None:
    assert of(replace(WELL, reset_ns=NOW - MINUTE)) == of(WELL)
    assert beyond(judge(replace(WELL, reset_ns=NOW - 5 * MINUTE))) == (
        "warning: A budget's window ended 5m ago there, by the clock here. → Compare the clocks "
        "of both machines (timedatectl)."
    )
