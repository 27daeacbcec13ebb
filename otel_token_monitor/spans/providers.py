"""Standing before every TracerProvider: those that exist, those to come, and when there is none.

A tracer keeps the sampler and the processor that its provider had when it was made, and many
instrumentations take theirs before the application sets its provider. So three places are covered:
providers and tracers that exist already; `TracerProvider.get_tracer`, through which every later
one comes; and the API's proxy tracer, which does nothing while no provider is set. No provider of
ours is ever set globally: the application's own would be refused.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_token_monitor.spans.processor import FrontDoor, TokenSpanProcessor
from otel_token_monitor.spans.sampling import RecordingSampler
from otel_token_monitor.spans.scopes import is_llm_scope

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProviderHooks"]

_PROXY_TRACER: Final = "_tracer"


class ProviderHooks:
    """Puts a processor before every TracerProvider of the process, and takes it away again."""

    def __init__(self, processor: TokenSpanProcessor) -> None:
        self._processor = processor
        self._providers: WeakSet[TracerProvider] = WeakSet()
        self._tracers: WeakSet[Tracer] = WeakSet()
        self._installed: dict[tuple[type, str], tuple[Any, Any]] = {}
        self.fallback = _recording_provider()

    def install(self, provider: trace.TracerProvider | None = None) -> None:
        """Stand before the given provider, the global one, and all that come later."""
        self._attach(self.fallback)
        self._replace(TracerProvider, "get_tracer", self._get_tracer)
        self._replace(trace.ProxyTracer, _PROXY_TRACER, self._proxied)
        # Not get_tracer_provider(): it would load a provider that the environment names, earlier
        # than the application does.
        for known in (provider, trace._TRACER_PROVIDER):  # noqa: SLF001
            if isinstance(known, TracerProvider):
                self._attach(known)

    def uninstall(self) -> None:
        """Leave every provider and tracer as it was found."""
        for (owner, name), (original, ours) in self._installed.items():
            if owner.__dict__.get(name) is ours:
                setattr(owner, name, original)
        self._installed.clear()
        for provider in list(self._providers):
            door = provider._active_span_processor  # noqa: SLF001
            if isinstance(door, FrontDoor) and door.ours is self._processor:
                provider._active_span_processor = door.theirs  # type: ignore[assignment]  # noqa: SLF001
        for tracer in list(self._tracers):
            door = tracer.span_processor
            if isinstance(door, FrontDoor) and door.ours is self._processor:
                tracer.span_processor = door.theirs  # type: ignore[assignment]
            if isinstance(tracer.sampler, RecordingSampler):
                tracer.sampler = tracer.sampler.inner
        self._providers.clear()
        self._tracers.clear()

    def _replace(self, owner: type, name: str, make: Callable[[Any], Any]) -> None:
        original = owner.__dict__[name]
        ours = make(original)
        self._installed[owner, name] = original, ours
        setattr(owner, name, ours)

    def _attach(self, provider: TracerProvider) -> None:
        """Stand before a provider and the tracers that it has made."""
        if provider in self._providers:
            return
        self._providers.add(provider)
        theirs = provider._active_span_processor  # noqa: SLF001
        door = FrontDoor(self._processor, theirs)
        provider._active_span_processor = door  # type: ignore[assignment]  # noqa: SLF001
        for scope, tracer in list(provider._tracers.items()):  # noqa: SLF001
            self._adopt(tracer, door, scope.name)

    def _adopt(self, tracer: Tracer, door: FrontDoor, scope: str) -> None:
        self._tracers.add(tracer)
        if not isinstance(tracer.span_processor, FrontDoor):
            tracer.span_processor = door  # type: ignore[assignment]
        if is_llm_scope(scope) and not isinstance(tracer.sampler, RecordingSampler):
            tracer.sampler = RecordingSampler(tracer.sampler)

    def _get_tracer(self, original: Callable[..., trace.Tracer]) -> Callable[..., trace.Tracer]:
        @functools.wraps(original)
        def get_tracer(
            provider: TracerProvider, instrumenting_module_name: str, *args: Any, **kwargs: Any
        ) -> trace.Tracer:
            tracer = original(provider, instrumenting_module_name, *args, **kwargs)
            if isinstance(tracer, Tracer):
                self._attach(provider)
                door = provider._active_span_processor  # noqa: SLF001
                if isinstance(door, FrontDoor):
                    self._adopt(tracer, door, instrumenting_module_name)
            elif provider is not self.fallback and is_llm_scope(instrumenting_module_name):
                # OTEL_SDK_DISABLED switches off tracing, not counting.
                return self.fallback.get_tracer(instrumenting_module_name, *args, **kwargs)
            return tracer

        return get_tracer

    def _proxied(self, original: property) -> property:
        """While no provider is set, a proxy tracer of a scope of models uses the fallback."""

        def tracer(proxy: Any) -> trace.Tracer:
            found: trace.Tracer = original.__get__(proxy, type(proxy))
            name = proxy._instrumenting_module_name  # noqa: SLF001
            if isinstance(found, trace.NoOpTracer) and is_llm_scope(name):
                return self.fallback.get_tracer(
                    name,
                    proxy._instrumenting_library_version,  # noqa: SLF001
                    proxy._schema_url,  # noqa: SLF001
                )
            return found

        return property(tracer)


class _Fallback(TracerProvider):
    """A provider whose resource nobody sees."""

    def _handle_fork(self) -> None:
        """Renew the lock only.

        The SDK looks for the resource again, in a pool of threads: in the child of a child it
        waits for ever for a lock of concurrent.futures.
        """
        self._tracers_lock = threading.Lock()


def _recording_provider() -> TracerProvider:
    """A provider of our own, of which only we see the spans: for when the application has none."""
    disabled = os.environ.pop(OTEL_SDK_DISABLED, None)
    try:
        # Created as if not disabled: it exports nothing, and what it counts was asked for.
        return _Fallback(sampler=ALWAYS_OFF, resource=Resource.get_empty(), shutdown_on_exit=False)
    finally:
        if disabled is not None:
            os.environ[OTEL_SDK_DISABLED] = disabled
