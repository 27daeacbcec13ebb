"""Standing before every TracerProvider, whenever it comes, and leaving no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, TraceIdRatioBased

from otel_token_monitor.spans.processor import SpanQueue, TokenSpanProcessor
from otel_token_monitor.spans.project import ProjectPolicy
from otel_token_monitor.spans.providers import ProviderHooks
from otel_token_monitor.spans.sampling import RecordingSampler
from tests.spans import TRACELOOP

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = "opentelemetry.instrumentation.requests"


class Setup:
    """The hooks, and the queue that they fill."""

    def __init__(self) -> None:
        self.queue = SpanQueue(1000, lambda: None)
        self.hooks = ProviderHooks(TokenSpanProcessor(self.queue, ProjectPolicy("shop")))

    def counted(self) -> list[str]:
        return [stamp.name for stamp, _ in self.queue.take()]


@pytest.fixture
def setup() -> Iterator[Setup]:
    made = Setup()
    yield made
    made.hooks.uninstall()


class Application:
    """An application's provider and what it exports."""

    def __init__(self, sampler: Any = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def exported(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]


def test_a_provider_that_exists_is_attended(setup: Setup) -> None:
    application = Application()
    setup.hooks.install(application.provider)
    application.provider.get_tracer(TRACELOOP).start_span("call").end()
    assert (setup.counted(), application.exported()) == (["call"], ["call"])


def test_a_tracer_that_was_taken_before_is_attended(setup: Setup) -> None:
    application = Application(ALWAYS_OFF)
    tracer = application.provider.get_tracer(TRACELOOP)
    setup.hooks.install(application.provider)
    tracer.start_span("call").end()
    assert (setup.counted(), application.exported()) == (["call"], [])


def test_a_provider_that_comes_later_is_attended(setup: Setup) -> None:
    setup.hooks.install()
    application = Application()
    application.provider.get_tracer(TRACELOOP).start_span("call").end()
    assert (setup.counted(), application.exported()) == (["call"], ["call"])


def test_a_provider_that_nobody_told_of_is_attended_at_its_first_tracer(setup: Setup) -> None:
    application = Application(ALWAYS_OFF)
    setup.hooks.install()
    application.provider.get_tracer(OTHER)
    application.provider.get_tracer(TRACELOOP).start_span("call").end()
    assert setup.counted() == ["call"]


def test_a_tracer_asked_for_twice_counts_once(setup: Setup) -> None:
    application = Application()
    setup.hooks.install(application.provider)
    for _ in range(2):
        application.provider.get_tracer(TRACELOOP).start_span("call").end()
    assert setup.counted() == ["call", "call"]


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, TraceIdRatioBased(0.01)])
def test_every_call_is_counted_whatever_the_sampler_does(setup: Setup, sampler: Any) -> None:
    application = Application(sampler)
    setup.hooks.install(application.provider)
    for _ in range(200):
        application.provider.get_tracer(TRACELOOP).start_span("call").end()
    assert len(setup.counted()) == 200


def test_other_scopes_keep_their_sampler(setup: Setup) -> None:
    application = Application(ALWAYS_OFF)
    setup.hooks.install(application.provider)
    tracer = application.provider.get_tracer(OTHER)
    assert tracer.start_span("get").is_recording() is False


def test_without_a_provider_a_proxy_tracer_of_models_counts(setup: Setup) -> None:
    setup.hooks.install()
    trace.ProxyTracer(TRACELOOP).start_span("call").end()
    assert setup.counted() == ["call"]


def test_without_a_provider_another_proxy_tracer_does_nothing(setup: Setup) -> None:
    setup.hooks.install()
    assert trace.ProxyTracer(OTHER).start_span("get").is_recording() is False


def test_no_provider_of_ours_is_set_globally(setup: Setup) -> None:
    before = trace._TRACER_PROVIDER
    setup.hooks.install()
    assert trace._TRACER_PROVIDER is before


def test_a_disabled_sdk_still_counts(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    setup.hooks.install()
    application = Application()
    application.provider.get_tracer(TRACELOOP).start_span("call").end()
    assert (setup.counted(), application.exported()) == (["call"], [])


def test_a_disabled_sdk_stays_disabled_for_other_scopes(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    setup.hooks.install()
    tracer = Application().provider.get_tracer(OTHER)
    assert tracer.start_span("get").is_recording() is False


def test_the_fallback_works_also_if_the_sdk_was_disabled_before_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    setup = Setup()
    setup.hooks.install()
    try:
        trace.ProxyTracer(TRACELOOP).start_span("call").end()
    finally:
        setup.hooks.uninstall()
    assert setup.counted() == ["call"]


def test_uninstalling_leaves_the_classes_as_they_were() -> None:
    before = TracerProvider.__dict__["get_tracer"], trace.ProxyTracer.__dict__["_tracer"]
    setup = Setup()
    setup.hooks.install()
    setup.hooks.uninstall()
    assert (
        TracerProvider.__dict__["get_tracer"],
        trace.ProxyTracer.__dict__["_tracer"],
    ) == before


def test_uninstalling_leaves_providers_and_tracers_as_they_were() -> None:
    application = Application(ALWAYS_OFF)
    tracer: Any = application.provider.get_tracer(TRACELOOP)
    before = application.provider._active_span_processor, tracer.span_processor, tracer.sampler
    setup = Setup()
    setup.hooks.install(application.provider)
    changed = tracer.sampler
    setup.hooks.uninstall()
    assert isinstance(changed, RecordingSampler)
    assert (
        application.provider._active_span_processor,
        tracer.span_processor,
        tracer.sampler,
    ) == before


def test_what_another_put_over_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    original = TracerProvider.__dict__["get_tracer"]
    setup = Setup()
    setup.hooks.install()

    def over(*args: Any, **kwargs: Any) -> trace.Tracer:
        found: trace.Tracer = original(*args, **kwargs)
        return found

    monkeypatch.setattr(TracerProvider, "get_tracer", over)
    setup.hooks.uninstall()
    assert TracerProvider.__dict__["get_tracer"] is over
    monkeypatch.undo()
    TracerProvider.get_tracer = original  # type: ignore[method-assign]


def test_after_uninstalling_nothing_is_counted() -> None:
    application = Application()
    setup = Setup()
    setup.hooks.install(application.provider)
    tracer = application.provider.get_tracer(TRACELOOP)
    setup.hooks.uninstall()
    tracer.start_span("call").end()
    assert (setup.counted(), application.exported()) == ([], ["call"])
