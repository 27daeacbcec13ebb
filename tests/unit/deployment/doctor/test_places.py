"""Whether two addresses lead to the same place."""

from __future__ import annotations

import pytest

from otel_token_monitor.deployment.doctor.places import host_and_port, same_place


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://localhost:9464/metrics", "http://127.0.0.1:9464", True),
        ("http://[::1]:9464", "http://0.0.0.0:9464", True),
        ("https://shop.internal/x", "https://shop.internal:443", True),
        ("http://localhost:9464", "http://localhost:9465", False),
        ("http://shop.internal:9464", "http://localhost:9464", False),
        ("http://shop:port", "http://shop:80", False),
    ],
)
def test_all_names_of_this_machine_are_one(one: str, other: str, *, same: bool) -> None:
    assert same_place(one, other) is same


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://localhost:9464/metrics", "localhost:9464"),
        ("https://me:secret@shop.internal/metrics", "shop.internal:443"),
        ("http://[::1]:9464", "[::1]:9464"),
    ],
)
def test_a_target_is_a_host_and_a_port(url: str, target: str) -> None:
    assert host_and_port(url) == target
