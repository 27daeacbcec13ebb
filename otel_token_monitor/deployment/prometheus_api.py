"""What a Prometheus knows, by its HTTP API: 2.42 and later, 3 too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_token_monitor.alerts.times import nanoseconds
from otel_token_monitor.deployment.http_api import HttpApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_token_monitor.deployment.http_api import Answer

__all__ = ["FiringAlert", "LoadedRule", "PrometheusApi", "Sample", "Target"]

T = TypeVar("T")

_ALERTS_PATHS: Final = ("/api/v2/alerts", "/api/v1/alerts")
_NEVER: Final = "0001-01-01"
# A duration as Prometheus writes it, such as 1m30s.
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION: Final = re.compile(r"(\d+)(ms|[smhdw])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample: `labels` with `__name__` if it has one; `time` in Unix seconds of that server."""

    labels: Mapping[str, str]
    value: float
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRule:
    """A rule that Prometheus has loaded, of `kind` "alerting" or "recording".

    `expression` is as Prometheus formats it. `labels` and `annotations` are those of the rule, as
    templates; recording rules have no annotations. `hold` and `keep_firing` are `for` and
    `keep_firing_for` in seconds, 0 if not set. `state` is "inactive", "pending" or "firing", ''
    for recording rules. `health` is "ok", "err", or "unknown" until it is first evaluated;
    `last_error` is '' while there is none.
    """

    group: str
    file: str
    kind: str
    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    hold: float
    keep_firing: float
    state: str
    health: str
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target that Prometheus scrapes, at `url`.

    `health` is "up", "down", or "unknown" until it is first scraped; `last_scrape_ns` is None as
    long (else UTC nanoseconds), `last_error` '' while there is none. `interval` is in seconds, 0
    if this Prometheus does not tell.
    """

    labels: Mapping[str, str]
    url: str
    health: str
    last_error: str
    last_scrape_ns: int | None
    interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringAlert:
    """An alert that is "pending" or "firing" in Prometheus; `active_ns` is since when (UTC)."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: str
    active_ns: int


class PrometheusApi:
    """A Prometheus at an address such as http://localhost:9090 or https://user:password@host/path.

    Each method asks anew, and raises ApiError, whose message names the address, what came instead
    of an answer, and what to do. So does an address that is none. `timeout` is in seconds.
    """

    def __init__(self, address: str, *, timeout: float = 5.0) -> None:
        self._http = HttpApi(address, name="Prometheus", option="--prometheus", timeout=timeout)
        self.address = self._http.address
        """The address as it may be shown: no user, no password."""

    def ready(self) -> None:
        """Return if it is a Prometheus that answers queries."""
        answer = self._http.answer("/-/ready")
        # Services that are made like Prometheus need not have that path.
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._http.wrong(answer)
        self.query("vector(1)")

    def query(self, expression: str) -> tuple[Sample, ...]:
        """The samples that an expression has now; a scalar is one sample without labels."""
        return self._ask("/api/v1/query", _samples, query=expression)

    def rules(self) -> tuple[LoadedRule, ...]:
        """All rules, in the order of their groups."""
        return self._ask("/api/v1/rules", _rules)

    def targets(self) -> tuple[Target, ...]:
        """The targets that it scrapes."""
        return self._ask("/api/v1/targets", _targets, state="active")

    def alertmanagers(self) -> tuple[str, ...]:
        """The addresses of the Alertmanagers that it notifies, such as http://localhost:9093."""
        return self._ask("/api/v1/alertmanagers", _alertmanagers)

    def alerts(self) -> tuple[FiringAlert, ...]:
        """The alerts that are pending or firing."""
        return self._ask("/api/v1/alerts", _alerts)

    def format_query(self, expression: str) -> str | None:
        """An expression as this Prometheus formats it; None if it has no such service.

        Raises ApiError for what is no expression, too.
        """
        answer = self._http.answer("/api/v1/format_query", {"query": expression})
        return None if answer.status == HTTPStatus.NOT_FOUND else self._read(answer, str)

    def reload_failed(self) -> bool:
        """Whether its configuration was changed, and could not be loaded."""
        return self._ask("/api/v1/status/runtimeinfo", _reload_failed)

    def loaded_ns(self) -> int | None:
        """When it last loaded its configuration (UTC, by its clock); None if it does not tell."""
        return self._ask("/api/v1/status/runtimeinfo", _loaded_ns)

    def metrics(self) -> str | None:
        """Its own metrics as text; None if they are not at /metrics."""
        answer = self._http.answer("/metrics")
        return answer.body if answer.status == HTTPStatus.OK else None

    def _ask(self, path: str, read: Callable[[Any], T], **parameters: str) -> T:
        return self._read(self._http.answer(path, parameters), read)

    def _read(self, answer: Answer, read: Callable[[Any], T]) -> T:
        """What `read` makes of an answer's data; Prometheus explains its errors in such JSON."""
        if answer.content_type != "application/json":
            raise self._http.wrong(answer)
        document = self._http.read_json(answer)
        try:
            if document["status"] != "success":
                raise self._http.wrong(answer, str(document["error"]))
            return read(document["data"])
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._http.wrong(answer) from None


def _samples(data: Any) -> tuple[Sample, ...]:
    result = data["result"]
    if data["resultType"] == "scalar":
        result = [{"metric": {}, "value": result}]
    return tuple(
        Sample(labels=one["metric"], value=float(one["value"][1]), time=float(one["value"][0]))
        for one in result
        # Histograms have none.
        if "value" in one
    )


def _rules(data: Any) -> tuple[LoadedRule, ...]:
    return tuple(_rule(group, rule) for group in data["groups"] for rule in group["rules"])


def _rule(group: Mapping[str, Any], rule: Mapping[str, Any]) -> LoadedRule:
    return LoadedRule(
        group=group["name"],
        file=group["file"],
        kind=rule["type"],
        name=rule["name"],
        expression=rule["query"],
        labels=rule.get("labels") or {},
        annotations=rule.get("annotations") or {},
        hold=rule.get("duration", 0.0),
        keep_firing=rule.get("keepFiringFor", 0.0),
        state=rule.get("state", ""),
        health=rule["health"],
        last_error=rule.get("lastError", ""),
    )


def _targets(data: Any) -> tuple[Target, ...]:
    return tuple(
        Target(
            labels=target["labels"],
            url=target["scrapeUrl"],
            health=target["health"],
            last_error=target["lastError"],
            last_scrape_ns=_scraped_ns(target["lastScrape"]),
            interval=_seconds(target.get("scrapeInterval", "")),
        )
        for target in data["activeTargets"]
    )


def _scraped_ns(text: str) -> int | None:
    return None if text.startswith(_NEVER) else nanoseconds(text)


def _seconds(duration: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration))


def _alertmanagers(data: Any) -> tuple[str, ...]:
    return tuple(_without_path(one["url"]) for one in data["activeAlertmanagers"])


def _without_path(url: str) -> str:
    for path in _ALERTS_PATHS:
        url = url.removesuffix(path)
    return url


def _alerts(data: Any) -> tuple[FiringAlert, ...]:
    return tuple(
        FiringAlert(
            labels=alert["labels"],
            annotations=alert["annotations"],
            state=alert["state"],
            active_ns=nanoseconds(alert["activeAt"]),
        )
        for alert in data["alerts"]
    )


def _loaded_ns(data: Any) -> int | None:
    text = data.get("lastConfigTime", _NEVER)
    return None if text.startswith(_NEVER) else nanoseconds(text)


def _reload_failed(data: Any) -> bool:
    return not data.get("reloadConfigSuccess", True)
