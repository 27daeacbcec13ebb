"""Looking at `/metrics`, Prometheus, Alertmanager and the receiver, over HTTP."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_token_monitor.deployment.doctor.alerting import AlertmanagerSeen
from otel_token_monitor.deployment.doctor.expositions import samples_of
from otel_token_monitor.deployment.doctor.metrics import MetricsSeen
from otel_token_monitor.deployment.doctor.receiving import ReceiverSeen
from otel_token_monitor.deployment.doctor.ruling import RulesSeen
from otel_token_monitor.deployment.doctor.scraping import PrometheusSeen
from otel_token_monitor.deployment.http_api import ApiError, HttpApi, WrongAnswerError
from otel_token_monitor.deployment.rules_checking import check_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.deployment.alertmanager_api import AlertmanagerApi
    from otel_token_monitor.deployment.prometheus_api import PrometheusApi
    from otel_token_monitor.deployment.routing import Webhook

__all__ = [
    "BLIND",
    "METRICS",
    "look_at_alertmanager",
    "look_at_metrics",
    "look_at_prometheus",
    "look_at_receiver",
    "look_at_rules",
    "metrics_api",
    "notifications",
]

METRICS: Final = "/metrics"
_NANO: Final = 1_000_000_000
# So long it takes at most to find targets and Alertmanagers anew.
_LOADING_SECONDS: Final = 10.0
_HEALTH: Final = "otel_token_monitor_"
_BUILD: Final = f"{_HEALTH}build_info"
_UP: Final = f"{_HEALTH}ledger_up"
_TEST: Final = f"{_HEALTH}test_alert"
_RESET: Final = "llm_budget_reset_timestamp_seconds"
_NO_ALERTS: Final = json.dumps({"version": "4", "alerts": []}).encode()
_JSON: Final = {"Content-Type": "application/json"}
# Prometheus counts per Alertmanager what it could not send, and what it had no room for.
_FAILED: Final = ("prometheus_notifications_errors_total", "prometheus_notifications_dropped_total")
_NOTIFIED: Final = "alertmanager_notifications_total"
_NOT_NOTIFIED: Final = "alertmanager_notifications_failed_total"
BLIND: Final = frozenset(
    {
        "LLMBudgetNotANumber",
        "LLMBudgetWindowOver",
        "LLMExporterDown",
        "LLMLedgerErrors",
        "LLMLedgerUnreadable",
        "LLMAlertsUndelivered",
        "LLMUsageAbsent",
        "LLMUsageDropped",
    }
)
"""Those of our alerts that say that something is not seen, or not delivered."""


def metrics_api(address: str, timeout: float) -> HttpApi:
    """The server whose /metrics an address is; raises ApiError if it is none."""
    base = address.rstrip("/").removesuffix(METRICS)
    return HttpApi(base, name="otel_token_monitor", option="--metrics", timeout=timeout)


def look_at_metrics(api: HttpApi) -> MetricsSeen:
    """What /metrics shows."""
    address = api.address + METRICS
    try:
        answer = api.answer(METRICS)
        if answer.status != HTTPStatus.OK:
            raise _no_metrics(api, answer.status)
    except ApiError as error:
        return MetricsSeen(address=address, trouble=error)
    found = list(samples_of(answer.body, (_BUILD, _UP, _TEST, _RESET)))
    builds = [sample.labels for sample in found if sample.name == _BUILD]
    resets = [sample.value for sample in found if sample.name == _RESET]
    ups = [sample.value for sample in found if sample.name == _UP]
    return MetricsSeen(
        address=address,
        shows_us=bool(builds or ups),
        ledgers=frozenset(labels.get("ledger", "") for labels in builds) - {""},
        versions=frozenset(labels.get("version", "") for labels in builds) - {""},
        ledger_up=all(ups) if ups else None,
        reset_ns=round(min(resets) * _NANO) if resets else None,
        knows_test=any(sample.name == _TEST for sample in found),
    )


def look_at_prometheus(api: PrometheusApi, clock: Callable[[], int]) -> PrometheusSeen:
    """Whom it scrapes, and what they show it."""
    try:
        api.ready()
        asked_ns = clock()
        (now,) = api.query("time()")
        # What the answer took is shared by both ways.
        here = (asked_ns + clock()) / 2 / _NANO
        loaded_ns = api.loaded_ns()
        shown: dict[tuple[str, str], set[str]] = {}
        for sample in api.query(_BUILD):
            key = sample.labels.get("job", ""), sample.labels.get("instance", "")
            if ledger := sample.labels.get("ledger"):
                shown.setdefault(key, set()).add(ledger)
        return PrometheusSeen(
            address=api.address,
            reload_failed=api.reload_failed(),
            targets=api.targets(),
            shown={key: frozenset(ledgers) for key, ledgers in shown.items()},
            clock_ahead=now.value - here,
            just_loaded=loaded_ns is not None and now.value - loaded_ns / _NANO < _LOADING_SECONDS,
        )
    except ApiError as error:
        return PrometheusSeen(address=api.address, trouble=error, shown={})


def look_at_rules(api: PrometheusApi) -> RulesSeen:
    """How the bundled rules are loaded there."""
    try:
        checked = check_rules(api).rules
        names = {(rule.rule.kind, rule.rule.name) for rule in checked}
        waiting = [rule for rule in api.rules() if rule.health == "unknown"]
        firing = {
            alert.labels.get("alertname", "") for alert in api.alerts() if alert.state == "firing"
        }
        return RulesSeen(
            address=api.address,
            rules=checked,
            unevaluated=sum((rule.kind, rule.name) in names for rule in waiting),
            blind=tuple(sorted(firing & BLIND)),
        )
    except ApiError as error:
        return RulesSeen(address=api.address, trouble=error)


def look_at_alertmanager(
    api: AlertmanagerApi, prometheus: PrometheusApi | None
) -> AlertmanagerSeen:
    """What it goes by, and whether Prometheus notifies it (None: Prometheus cannot be asked)."""
    notified, failed, lately = None, 0, False
    try:
        if prometheus is not None:
            notified = prometheus.alertmanagers()
            failed, lately = _failed(prometheus)
        api.ready()
        return AlertmanagerSeen(
            address=api.address,
            notified=notified,
            failed=failed,
            lately=lately,
            configuration=api.configuration(),
            silences=api.silences(),
        )
    except ApiError as error:
        return AlertmanagerSeen(
            address=api.address, trouble=error, notified=notified, failed=failed, lately=lately
        )


def look_at_receiver(
    url: str, webhook: Webhook | None, own_token: str | None, metrics: str | None, timeout: float
) -> ReceiverSeen:
    """What `/alerts` answers to no alerts, with each token that is known.

    `webhook` is Alertmanager's that leads there (None: none does). `own_token` goes to the server
    of `metrics` only.
    """
    credentials_file = None if webhook is None else webhook.credentials_file
    try:
        api = HttpApi(url, name="otel_token_monitor", option="--metrics", timeout=timeout)
        bare = api.answer("", data=_NO_ALERTS, headers=_JSON)
        asks = bare.status == HTTPStatus.UNAUTHORIZED
        at_home = metrics is not None and _origin(metrics) == _origin(url)
        return ReceiverSeen(
            url=api.address,
            bare=bare.status,
            ours=_with_token(api, own_token if asks and at_home else None),
            theirs=_with_token(api, _token_in(credentials_file) if asks else None),
            said=_said(bare.body),
            credentials_file=credentials_file,
            authorized=webhook is not None and webhook.authorized,
            needed=webhook is not None,
        )
    except ApiError as error:
        return ReceiverSeen(url=error.address, trouble=error, needed=webhook is not None)


def notifications(alertmanager: AlertmanagerApi) -> tuple[int, int]:
    """How many webhook notifications it has sent since it started, and how many failed."""
    text = alertmanager.metrics() or ""
    counts = {_NOTIFIED: 0.0, _NOT_NOTIFIED: 0.0}
    for sample in samples_of(text, tuple(counts)):
        if sample.labels.get("integration") == "webhook":
            counts[sample.name] += sample.value
    return int(counts[_NOTIFIED]), int(counts[_NOT_NOTIFIED])


def _no_metrics(api: HttpApi, status: int) -> ApiError:
    remedy = (
        "have the application serve it (instrument().expose(app)), or give its address with "
        "--metrics"
    )
    return WrongAnswerError(api.address + METRICS, f"answers {status}", remedy)


def _failed(prometheus: PrometheusApi) -> tuple[int, bool]:
    """Failed notifications: of late if Prometheus scrapes itself, else since it started."""
    lately = prometheus.query(f'sum(increase({{__name__=~"{"|".join(_FAILED)}"}}[15m]))')
    if lately:
        return round(lately[0].value), True
    text = prometheus.metrics() or ""
    return int(sum(sample.value for sample in samples_of(text, _FAILED))), False


def _with_token(api: HttpApi, token: str | None) -> int | None:
    if token is None:
        return None
    headers = {**_JSON, "Authorization": f"Bearer {token}"}
    return api.answer("", data=_NO_ALERTS, headers=headers).status


def _token_in(path: str | None) -> str | None:
    """What a file has, as Alertmanager reads it; None if we cannot."""
    if path is None:
        return None
    try:
        token = Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return token if token.isprintable() else None


def _origin(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port


def _said(body: str) -> str:
    try:
        return str(json.loads(body)["error"])
    except (KeyError, TypeError, ValueError):
        return "it does not say why"
