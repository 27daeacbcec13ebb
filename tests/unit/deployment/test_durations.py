"""Durations as Prometheus writes them."""

from __future__ import annotations

import pytest

from otel_token_monitor.deployment.durations import seconds


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("5m", 300),
        ("1m30s", 90),
        ("1h", 3600),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("1y", 31_536_000),
        ("250ms", 0.25),
        ("0s", 0),
        ("", 0),
    ],
)
def test_seconds(duration: str, expected: float) -> None:
    assert seconds(duration) == expected
