"""Reading what Alertmanager sends, and refusing everything else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.alerts.fingerprints import fingerprint
from otel_token_monitor.alerts.receiver import MalformedPayloadError, parse

ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "Down", "severity": "critical"},
    "annotations": {"summary": "It is down"},
    "startsAt": "2026-09-21T14:13:20.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus:9090/graph",
    "fingerprint": "0123456789abcdef",
}
PAYLOAD: dict[str, Any] = {
    "version": "4",
    "groupKey": "{}:{}",
    "truncatedAlerts": 3,
    "status": "firing",
    "receiver": "us",
    "groupLabels": {},
    "commonLabels": {},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager:9093",
    "alerts": [ALERT, {**ALERT, "status": "resolved", "endsAt": "2026-09-21T15:00:00Z"}],
}


def body(**changed: Any) -> bytes:
    return json.dumps({**PAYLOAD, "alerts": [{**ALERT, **changed}]}).encode()


def test_firing_and_resolved_alerts_come_mixed() -> None:
    firing, resolved = parse(json.dumps(PAYLOAD).encode())
    assert (firing.firing, resolved.firing) == (True, False)
    assert firing.document == ALERT
    assert firing.external_url == "http://alertmanager:9093"
    assert firing.starts_ns == 1_790_000_000_123_456_000
    assert firing.key == "alert/0123456789abcdef/1790000000123/firing"
    assert resolved.key == "alert/0123456789abcdef/1790000000123/resolved"


def test_what_is_optional_may_be_missing() -> None:
    alert = {"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-09-21T16:13:20+02:00"}
    (received,) = parse(json.dumps({"alerts": [alert]}).encode())
    assert received.starts_ns == 1_790_000_000_000_000_000
    assert received.external_url == ""
    assert received.document == {
        **alert,
        "annotations": {},
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": fingerprint({"a": "b"}),
    }


def test_unknown_fields_are_ignored() -> None:
    (received,) = parse(body(novelty={"a": [1]}))
    assert received.document == ALERT


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "the body is no JSON document"),
        (b"\xff\xfe\x00", "the body is no JSON document"),
        (b"[" * 100_000, "the body is no JSON document"),
        (b"[]", "the body: [] is not an object"),
        (b"{}", "alerts: None is not a list of alerts"),
        (
            b'{"version": "3"}',
            "version: '3' is not '4': send Alertmanager's webhook format",
        ),
        (b'{"alerts": [1]}', "alerts[0]: 1 is not an object"),
        (
            json.dumps({"alerts": [ALERT] * 1001}).encode(),
            "alerts: 1001 are more than 1000: set max_alerts in Alertmanager",
        ),
        (body(status="on"), "alerts[0].status: 'on' is neither 'firing' nor 'resolved'"),
        (body(status=[]), "alerts[0].status: [] is neither 'firing' nor 'resolved'"),
        (body(labels={}), "alerts[0].labels: there are none: an alert has at least one"),
        (body(labels={"a": 1}), "alerts[0].labels.'a': 1 is not a text"),
        (body(labels={"a": None}), "alerts[0].labels.'a': None is not a text"),
        (body(labels={"a": "\ud800"}), "alerts[0].labels.'a': '\\ud800' is no valid Unicode"),
        (
            body(labels={"\ud800": "a"}),
            "the name of one of alerts[0].labels: '\\ud800' is no valid Unicode",
        ),
        (
            body(labels={str(number): "" for number in range(65)}),
            "alerts[0].labels: 65 are more than 64",
        ),
        (
            body(annotations={"a": "b" * 8193}),
            "alerts[0].annotations.'a' has 8193 letters, more than 8192",
        ),
        (
            body(labels={"a" * 257: ""}),
            "the name of one of alerts[0].labels has 257 letters, more than 256",
        ),
        (
            body(startsAt="yesterday"),
            "alerts[0].startsAt: 'yesterday' is no time, such as 2026-11-23T21:32:38Z",
        ),
        (
            body(startsAt="2026-09-21T14:13:20"),
            "alerts[0].startsAt: '2026-09-21T14:13:20' is no time, such as 2026-11-23T21:32:38Z",
        ),
        (body(generatorURL=5), "alerts[0].generatorURL: 5 is not a text"),
    ],
)
def test_anything_else_is_refused_with_the_reason(sent: bytes, message: str) -> None:
    with pytest.raises(MalformedPayloadError) as refused:
        parse(sent)
    assert str(refused.value) == message


def attempt(sent: bytes) -> None:
    """Read a body, or have it refused; any other error fails the test."""
    with suppress(MalformedPayloadError):
        for alert in parse(sent):
            assert alert.key.encode()
            assert json.dumps(alert.document, ensure_ascii=False).encode()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    attempt(sent)


@given(st.dictionaries(st.sampled_from(sorted(ALERT)), VALUES), VALUES)
def test_any_alert_is_read_or_refused(changed: dict[str, Any], url: object) -> None:
    payload = {**PAYLOAD, "externalURL": url, "alerts": [{**ALERT, **changed}, changed]}
    attempt(json.dumps(payload).encode())


@given(st.dictionaries(st.sampled_from(sorted(PAYLOAD)), VALUES))
def test_any_payload_is_read_or_refused(changed: dict[str, Any]) -> None:
    attempt(json.dumps({**PAYLOAD, **changed}).encode())


@given(st.text(), st.dates())
def test_any_time_is_read_or_refused(text: str, date: Any) -> None:
    attempt(body(startsAt=text))
    attempt(body(startsAt=f"{date}T00:00:00+23:59"))
