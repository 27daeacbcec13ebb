"""What is said of Prometheus and its targets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.deployment.doctor.scraping import (
    PrometheusSeen,
    Wanted,
    judge_prometheus,
)
from otel_token_monitor.deployment.http_api import ApiError
from otel_token_monitor.deployment.prometheus_api import Target
from tests.unit.deployment.doctor.findings import beyond, said

if TYPE_CHECKING:
    from otel_token_monitor.deployment.doctor.findings import Link

P = "http://localhost:9090"
KEY = ("otel-token-monitor", "localhost:9464")
TARGET = Target(
    labels={"job": KEY[0], "instance": KEY[1]},
    url="http://localhost:9464/metrics",
    health="up",
    last_error="",
    last_scrape_ns=1,
    interval=15.0,
)
OTHER = replace(
    TARGET,
    labels={"job": KEY[0], "instance": "shop:9464"},
    url="http://shop:9464/metrics",
)
WELL = PrometheusSeen(address=P, targets=(TARGET,), shown={KEY: frozenset({"1f2e"})})
WANTED = Wanted(ledger_id="1f2e", metrics="http://127.0.0.1:9464/metrics", per_minute=False)
ADD = "Add `- targets: [127.0.0.1:9464]` to targets/token-monitors.yml beside its prometheus.yml."


def judge(seen: PrometheusSeen, wanted: Wanted = WANTED) -> Link:
    return judge_prometheus(seen, wanted)


def test_all_is_well() -> None:
    assert said(judge(WELL)) == f"ok: {P} scrapes localhost:9464, every 15 s."


def test_a_prometheus_that_tells_no_interval() -> None:
    seen = replace(WELL, targets=(replace(TARGET, interval=0.0),))
    assert said(judge(seen)) == f"ok: {P} scrapes localhost:9464."


def test_it_does_not_answer() -> None:
    trouble = ApiError(P, "refuses the connection", "start Prometheus")
    assert said(judge(PrometheusSeen(address=P, trouble=trouble, shown={}))) == (
        f"broken: {P} refuses the connection. → Start Prometheus."
    )


def test_it_has_no_target_of_ours() -> None:
    node = replace(TARGET, labels={"job": "node"}, url="http://localhost:9100/metrics")
    assert said(judge(replace(WELL, targets=(node,), shown={}))) == (
        f"broken: {P} has no target that shows this ledger. → {ADD}"
    )


def test_it_has_just_loaded_its_configuration() -> None:
    assert said(judge(replace(WELL, targets=(), shown={}, just_loaded=True))) == (
        f"broken: {P} has no target that shows this ledger. → It has just loaded its "
        f"configuration: wait some seconds. Else a{ADD[1:]}"
    )


def test_where_no_address_is_known_the_usual_one_is_named() -> None:
    wanted = replace(WANTED, metrics=None)
    assert "`- targets: [localhost:9464]`" in said(judge(replace(WELL, targets=()), wanted))


def test_it_cannot_scrape_the_target() -> None:
    down = replace(TARGET, health="down", last_error="connection refused")
    assert said(judge(replace(WELL, targets=(down,), shown={}))) == (
        f"broken: {P} cannot scrape http://localhost:9464/metrics: connection refused. → See that "
        "it is served there, as seen from Prometheus's machine: other machines and containers need "
        "another host than localhost (OTEL_EXPORTER_PROMETHEUS_HOST)."
    )


def test_it_has_not_scraped_the_target_yet() -> None:
    new = replace(TARGET, health="unknown")
    assert said(judge(replace(WELL, targets=(new,), shown={}))) == (
        f"warning: {P} has not scraped http://localhost:9464/metrics yet. → Try again in a minute."
    )


def test_the_target_shows_another_ledger() -> None:
    assert said(judge(replace(WELL, shown={KEY: frozenset({"aaaa"})}))) == (
        "broken: http://localhost:9464/metrics shows Prometheus another ledger (aaaa). → " + ADD
    )


def test_the_target_shows_no_ledger() -> None:
    assert said(judge(replace(WELL, shown={}))) == (
        "broken: http://localhost:9464/metrics shows Prometheus no ledger: it is another "
        f"program's, or cannot read it. → {ADD}"
    )


def test_where_the_ledger_is_not_known_a_target_that_shows_one_will_do() -> None:
    wanted = replace(WANTED, ledger_id=None)
    assert said(judge(WELL, wanted)) == f"ok: {P} scrapes localhost:9464."


def test_a_target_of_another_address_may_show_the_ledger() -> None:
    seen = replace(WELL, targets=(OTHER,), shown={(KEY[0], "shop:9464"): frozenset({"1f2e"})})
    assert said(judge(seen)) == f"ok: {P} scrapes shop:9464, every 15 s."


def test_two_targets_show_the_ledger() -> None:
    keys = (KEY, (KEY[0], "shop:9464"))
    seen = replace(WELL, targets=(TARGET, OTHER), shown={key: frozenset({"1f2e"}) for key in keys})
    assert beyond(judge(seen)) == (
        "warning: 2 targets show this ledger: localhost:9464 and shop:9464. → Scrape one of them: "
        "queries that add up targets count it twice."
    )


def test_another_machine_is_down() -> None:
    down = replace(OTHER, health="down", last_error="no route to host")
    assert beyond(judge(replace(WELL, targets=(TARGET, down)))) == (
        "warning: Another target is down: http://shop:9464/metrics (no route to host). → Run this "
        "command on that machine."
    )


@pytest.mark.parametrize(("interval", "per_minute"), [(30.0, True), (120.0, False)])
def test_it_scrapes_often_enough(interval: float, *, per_minute: bool) -> None:
    seen = replace(WELL, targets=(replace(TARGET, interval=interval),))
    assert beyond(judge(seen, replace(WANTED, per_minute=per_minute))) == ""


@pytest.mark.parametrize(
    ("interval", "per_minute", "remedy"),
    [
        (60.0, True, "Set scrape_interval to 30s or less, to see what is used of a minute."),
        (300.0, False, "Set scrape_interval to 120s or less, lest series go stale."),
    ],
)
def test_it_scrapes_too_rarely(interval: float, remedy: str, *, per_minute: bool) -> None:
    seen = replace(WELL, targets=(replace(TARGET, interval=interval),))
    assert beyond(judge(seen, replace(WANTED, per_minute=per_minute))) == (
        f"warning: It scrapes every {interval:g} s only. → {remedy}"
    )


def test_its_configuration_could_not_be_loaded() -> None:
    assert beyond(judge(replace(WELL, reload_failed=True))) == (
        "warning: Its configuration was changed, and could not be loaded: it goes on with the old "
        "one. → Run `promtool check config prometheus.yml`, then reload it."
    )


@pytest.mark.parametrize(("ahead", "which"), [(90.4, "90 s ahead of"), (-4000.0, "4,000 s behind")])
def test_the_clocks_differ(ahead: float, which: str) -> None:
    assert beyond(judge(replace(WELL, clock_ahead=ahead))) == (
        f"warning: Its clock is {which} the one here: days end apart. → Set both by NTP "
        "(timedatectl)."
    )
