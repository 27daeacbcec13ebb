"""What an Alertmanager knows, by its HTTP API (version 2): 0.25 and later."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from otel_token_monitor.alerts.times import nanoseconds
from otel_token_monitor.deployment.http_api import HttpApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["AlertmanagerApi", "KnownAlert", "Matcher", "Silence"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAlert:
    """An alert that fires, as Alertmanager knows it; `starts_ns` is its startsAt (UTC).

    `receivers` are the names of those it goes to. `suppressed`: by a silence, an inhibition or a
    mute time, it goes to none.
    """

    labels: Mapping[str, str]
    fingerprint: str
    starts_ns: int
    receivers: tuple[str, ...]
    suppressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """What a label must be: `value`, or a regular expression for all of it; or must not be."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence that is active until `ends_ns` (UTC), for alerts that fit all its matchers."""

    matchers: tuple[Matcher, ...]
    ends_ns: int
    created_by: str


class AlertmanagerApi:
    """An Alertmanager at an address such as http://localhost:9093; see PrometheusApi."""

    def __init__(self, address: str, *, timeout: float = 5.0) -> None:
        self._http = HttpApi(address, name="Alertmanager", option="--alertmanager", timeout=timeout)
        self.address = self._http.address
        """The address as it may be shown: no user, no password."""

    def ready(self) -> None:
        """Return if it is an Alertmanager that takes alerts."""
        answer = self._http.answer("/-/ready")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._http.wrong(answer)
        self.configuration()

    def configuration(self) -> str:
        """The configuration that it goes by, in YAML; secrets are masked."""
        return self._ask("/api/v2/status", _configuration)

    def alerts(self) -> tuple[KnownAlert, ...]:
        """The alerts that fire, silenced ones too."""
        return self._ask("/api/v2/alerts", _alerts)

    def silences(self) -> tuple[Silence, ...]:
        """The silences that are active."""
        return self._ask("/api/v2/silences", _silences)

    def metrics(self) -> str | None:
        """Its own metrics as text; None if they are not at /metrics."""
        answer = self._http.answer("/metrics")
        return answer.body if answer.status == HTTPStatus.OK else None

    def _ask(self, path: str, read: Callable[[Any], T]) -> T:
        answer = self._http.answer(path)
        if answer.status != HTTPStatus.OK:
            raise self._http.wrong(answer)
        document = self._http.read_json(answer)
        try:
            return read(document)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._http.wrong(answer) from None


def _configuration(document: Any) -> str:
    return str(document["config"]["original"])


def _alerts(document: Any) -> tuple[KnownAlert, ...]:
    return tuple(
        KnownAlert(
            labels=alert["labels"],
            fingerprint=alert["fingerprint"],
            starts_ns=nanoseconds(alert["startsAt"]),
            receivers=tuple(one["name"] for one in alert["receivers"]),
            suppressed=alert["status"]["state"] == "suppressed",
        )
        for alert in document
    )


def _silences(document: Any) -> tuple[Silence, ...]:
    return tuple(
        Silence(
            matchers=tuple(map(_matcher, silence["matchers"])),
            ends_ns=nanoseconds(silence["endsAt"]),
            created_by=silence["createdBy"],
        )
        for silence in document
        if silence["status"]["state"] == "active"
    )


def _matcher(fields: Mapping[str, Any]) -> Matcher:
    return Matcher(
        name=fields["name"],
        value=fields["value"],
        is_regex=fields["isRegex"],
        # Versions before 0.22 have none.
        is_equal=fields.get("isEqual", True),
    )
