"""Tests of putting a monitor together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client
import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_token_monitor

if TYPE_CHECKING:
    from pathlib import Path


def test_a_registry_that_has_our_names_already_changes_nothing(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("llm_requests", "Somebody else's.", registry=registry)
    before = TracerProvider.get_tracer
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        otel_token_monitor.instrument(
            data_dir=tmp_path, registry=registry, serve=False, instrumentation="none"
        )
    assert TracerProvider.get_tracer is before


def test_calling_it_again_returns_the_same_monitor(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    try:
        first = otel_token_monitor.instrument(
            data_dir=tmp_path, registry=registry, serve=False, instrumentation="none"
        )
        assert otel_token_monitor.instrument(project="another") is first
    finally:
        otel_token_monitor.uninstrument()


def test_uninstrument_gives_the_registry_back(tmp_path: Path) -> None:
    registry = prometheus_client.CollectorRegistry()
    otel_token_monitor.instrument(
        data_dir=tmp_path, registry=registry, serve=False, instrumentation="none"
    )
    otel_token_monitor.uninstrument()
    assert list(registry.collect()) == []
