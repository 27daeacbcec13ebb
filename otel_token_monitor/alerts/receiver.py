"""Reading what Alertmanager's webhook sends (version 4), or another monitor of ours; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.alerts.documents import RESOLVED
from otel_token_monitor.alerts.fingerprints import fingerprint, notice_key
from otel_token_monitor.alerts.times import UNENDED, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_token_monitor.alerts.documents import AlertDocument

__all__ = ["MalformedPayloadError", "ReceivedAlert", "parse"]

_VERSION: Final = "4"
_STATUSES: Final = ("firing", RESOLVED)
_ALERTS: Final = 1000
_PAIRS: Final = 64
_NAME_LETTERS: Final = 256
_VALUE_LETTERS: Final = 8192
_SHOWN: Final = 80


class MalformedPayloadError(ValueError):
    """A body is no webhook payload that can be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAlert:
    """An alert that somebody else notified: `document` as Alertmanager has it, complete.

    `starts_ns` is its startsAt (UTC), `external_url` the address of who sent it, or ''.
    """

    document: AlertDocument
    starts_ns: int
    external_url: str

    @property
    def firing(self) -> bool:
        """Whether it begins; else it has ended."""
        return bool(self.document["status"] != RESOLVED)

    @property
    def labels(self) -> Mapping[str, str]:
        """What it is known by."""
        labels: Mapping[str, str] = self.document["labels"]
        return labels

    @property
    def key(self) -> str:
        """The key under which it is known: a repeat has the same."""
        return notice_key(self.document["fingerprint"], self.starts_ns, self.document["status"])


def parse(body: bytes) -> tuple[ReceivedAlert, ...]:
    """The alerts of a payload, in its order; fields that nobody here knows are ignored.

    Raises MalformedPayloadError.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedPayloadError("the body is no JSON document") from error
    fields = _mapping(payload, "the body")
    version = fields.get("version", _VERSION)
    if version != _VERSION:
        message = (
            f"version: {_shown(version)} is not '{_VERSION}': send Alertmanager's webhook format"
        )
        raise MalformedPayloadError(message)
    alerts = fields.get("alerts")
    if not isinstance(alerts, list):
        raise MalformedPayloadError(f"alerts: {_shown(alerts)} is not a list of alerts")
    if len(alerts) > _ALERTS:
        message = f"alerts: {len(alerts)} are more than {_ALERTS}: set max_alerts in Alertmanager"
        raise MalformedPayloadError(message)
    url = _text(fields, "externalURL", "externalURL")
    return tuple(_alert(alert, f"alerts[{index}]", url) for index, alert in enumerate(alerts))


def _alert(alert: object, where: str, external_url: str) -> ReceivedAlert:
    fields = _mapping(alert, where)
    status = fields.get("status")
    if status not in _STATUSES:
        message = f"{where}.status: {_shown(status)} is neither 'firing' nor 'resolved'"
        raise MalformedPayloadError(message)
    labels = _pairs(fields.get("labels"), f"{where}.labels")
    if not labels:
        raise MalformedPayloadError(f"{where}.labels: there are none: an alert has at least one")
    starts_at = _text(fields, "startsAt", f"{where}.startsAt")
    document = {
        "status": status,
        "labels": labels,
        "annotations": _pairs(fields.get("annotations"), f"{where}.annotations"),
        "startsAt": starts_at,
        "endsAt": _text(fields, "endsAt", f"{where}.endsAt") or UNENDED,
        "generatorURL": _text(fields, "generatorURL", f"{where}.generatorURL"),
        "fingerprint": _text(fields, "fingerprint", f"{where}.fingerprint") or fingerprint(labels),
    }
    return ReceivedAlert(
        document=document,
        starts_ns=_instant(starts_at, f"{where}.startsAt"),
        external_url=external_url,
    )


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedPayloadError(f"{where}: {_shown(value)} is not an object")
    return value


def _pairs(value: object, where: str) -> dict[str, str]:
    """Labels or annotations; null and a missing one are none."""
    pairs = _mapping({} if value is None else value, where)
    if len(pairs) > _PAIRS:
        raise MalformedPayloadError(f"{where}: {len(pairs)} are more than {_PAIRS}")
    for name in pairs:
        _check(name, f"the name of one of {where}", _NAME_LETTERS)
        if pairs[name] is None:
            raise MalformedPayloadError(f"{where}.{_shown(name)}: None is not a text")
        _text(pairs, name, f"{where}.{_shown(name)}")
    return pairs


def _text(fields: Mapping[str, Any], name: str, where: str) -> str:
    """A text; '' if it is missing or null."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedPayloadError(f"{where}: {_shown(value)} is not a text")
    _check(value, where, _VALUE_LETTERS)
    return value


def _check(text: str, where: str, letters: int) -> None:
    if len(text) > letters:
        raise MalformedPayloadError(f"{where} has {len(text)} letters, more than {letters}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedPayloadError(f"{where}: {_shown(text)} is no valid Unicode") from error


def _instant(text: str, where: str) -> int:
    try:
        return nanoseconds(text)
    except ValueError as error:
        message = f"{where}: {_shown(text)} is no time, such as 2026-11-23T21:32:38Z"
        raise MalformedPayloadError(message) from error


def _shown(value: object) -> str:
    """A value for a message: short, in ASCII."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
