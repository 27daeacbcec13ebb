"""Fingerprints are Alertmanager's own."""

from __future__ import annotations

from otel_token_monitor.alerts.fingerprints import fingerprint


def test_no_labels_have_the_offset_of_the_hash() -> None:
    assert fingerprint({}) == "cbf29ce484222325"


def test_the_order_of_labels_does_not_matter() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})


def test_where_a_value_ends_matters() -> None:
    assert fingerprint({"a": "bc", "d": ""}) != fingerprint({"a": "b", "cd": ""})
