"""What is said of the receiver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.deployment.doctor.receiving import ReceiverSeen, judge_receiver
from otel_token_monitor.deployment.doctor.sight import look_at_receiver
from otel_token_monitor.deployment.http_api import ApiError, RefusedError
from otel_token_monitor.deployment.routing import Webhook
from tests.unit.deployment.canned import canned, of_json
from tests.unit.deployment.doctor.findings import beyond, said

if TYPE_CHECKING:
    from pathlib import Path

U = "http://localhost:9464/alerts"
FILE = "/etc/alertmanager/token"
WELL = ReceiverSeen(url=U, bare=401, theirs=200, credentials_file=FILE)
NAME = (
    "Name the monitor's address as the webhook's url in alertmanager.yml, such as "
    "http://localhost:9464/alerts."
)


def test_all_is_well() -> None:
    assert said(judge_receiver(WELL)) == f"ok: {U} takes alerts with Alertmanager's token."


def test_where_it_is_is_not_known() -> None:
    assert said(judge_receiver(ReceiverSeen(url=None))) == (
        "skipped: Where it is, is not known: give the address of /metrics with --metrics."
    )


def test_nobody_is_there() -> None:
    seen = replace(WELL, trouble=RefusedError(U, "refuses", "start it"), bare=None)
    assert said(judge_receiver(seen)) == (
        f"broken: Nobody takes alerts at {U}. → Start the application or `otel-token-monitor "
        "serve`; or change the webhook's url in alertmanager.yml."
    )


def test_it_does_not_answer() -> None:
    seen = replace(WELL, trouble=ApiError(U, "hangs", "restart it"), bare=None)
    assert said(judge_receiver(seen)) == f"broken: {U} hangs. → Restart it."


def test_no_token_is_set() -> None:
    assert said(judge_receiver(replace(WELL, bare=403))) == (
        f"broken: {U} takes no alerts: no token is set there. → Set TOKEN_ALERTS_TOKEN_FILE for "
        "it, to the file that Alertmanager reads the token from."
    )


def test_it_cannot_take_alerts_now() -> None:
    assert said(judge_receiver(replace(WELL, bare=503, said="nobody watches"))) == (
        f"broken: {U} cannot take alerts now: nobody watches. → Mend that; if nobody watches "
        "budgets there, take TOKEN_AUTO_MONITOR=false away."
    )


@pytest.mark.parametrize("status", [404, 405, 500])
def test_it_is_no_receiver(status: int) -> None:
    assert said(judge_receiver(replace(WELL, bare=status))) == (
        f"broken: {U} is no receiver of alerts: it answers {status}. → {NAME}"
    )


def test_it_takes_alerts_from_everybody() -> None:
    assert said(judge_receiver(replace(WELL, bare=200))) == (
        f"warning: {U} takes alerts from everybody: it is no monitor's. → {NAME}"
    )


def test_alertmanager_has_the_wrong_token() -> None:
    assert said(judge_receiver(replace(WELL, theirs=401))) == (
        f"broken: {U} refuses the token in Alertmanager's {FILE} (401). → Write the token of "
        "TOKEN_ALERTS_TOKEN or TOKEN_ALERTS_TOKEN_FILE into that file."
    )


def test_alertmanager_has_no_token() -> None:
    seen = replace(WELL, theirs=None, credentials_file=None, authorized=False)
    assert said(judge_receiver(seen)) == (
        f"broken: {U} wants a token, and Alertmanager has none for it. → Set http_config: "
        "authorization: credentials_file for the webhook in alertmanager.yml."
    )


@pytest.mark.parametrize(
    ("ours", "finding"),
    [
        (200, f"ok: {U} takes alerts with the token that is configured here."),
        (None, f"ok: {U} asks for a token, which cannot be compared from here."),
    ],
)
def test_alertmanagers_token_cannot_be_read(ours: int | None, finding: str) -> None:
    assert said(judge_receiver(replace(WELL, theirs=None, ours=ours))) == finding


def test_the_token_that_is_configured_here_is_another() -> None:
    assert said(judge_receiver(replace(WELL, theirs=None, ours=401))) == (
        f"warning: {U} refuses the token that is configured here (401). → See that Alertmanager "
        "has the right one: --test-alert tells."
    )


def test_what_nobody_sends_to_need_not_be_there() -> None:
    seen = replace(WELL, bare=403, needed=False)
    assert said(judge_receiver(seen)) == f"skipped: Alertmanager sends nothing to {U}."


def test_notifications_of_alertmanager_failed() -> None:
    assert beyond(judge_receiver(replace(WELL, failed=3, sent=1200))) == (
        "warning: 3 of 1,200 webhook notifications of Alertmanager failed since it started. → Its "
        "log says why; --test-alert tells whether they come now."
    )


def test_a_token_goes_to_those_only_that_ask_for_one_and_ours_to_our_own_server(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("theirs\n")
    refused = of_json({"error": "send the token"}, 401)
    with canned({"/alerts": refused}) as server:
        url = f"{server.address}/alerts"
        hook = Webhook(receiver="a", url=url, authorized=True, credentials_file=str(file))
        seen = look_at_receiver(url, hook, "ours", f"{server.address}/metrics", 5)
        assert server.authorizations == [None, "Bearer ours", "Bearer theirs"]
        assert seen == ReceiverSeen(
            url=url,
            bare=401,
            ours=401,
            theirs=401,
            said="send the token",
            credentials_file=str(file),
        )
        server.authorizations.clear()
        look_at_receiver(url, hook, "ours", "http://localhost:1/metrics", 5)
        assert server.authorizations == [None, "Bearer theirs"]
        server.authorizations.clear()
        server.answers["/alerts"] = of_json({}, 403)
        look_at_receiver(url, hook, "ours", f"{server.address}/metrics", 5)
        assert server.authorizations == [None]


def test_a_password_in_the_webhooks_address_is_not_told() -> None:
    with canned({}) as server:
        url = f"http://me:secret@127.0.0.1:{server.server_port}/alerts"
        seen = look_at_receiver(url, None, None, None, 5)
        assert seen.url == f"{server.address}/alerts"
