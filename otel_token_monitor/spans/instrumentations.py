"""Which instrumentation makes the spans: one that is active already, or one that is switched on."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from opentelemetry.instrumentation import instrumentor as instrumentors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import TracerProvider

__all__ = ["InstrumentationError", "SwitchedOn", "switch_on"]

# By name: its module hides what it has from type checkers.
_BASE: Final[type] = vars(instrumentors)["BaseInstrumentor"]


class InstrumentationError(RuntimeError):
    """The instrumentation that was asked for cannot be switched on."""


class _Wrapper(Protocol):
    __wrapped__: Any
    _self_wrapper: Any


@dataclass(frozen=True, slots=True)
class _Known:
    module: str
    install: str


_KNOWN: Final = {
    "traceloop": _Known("opentelemetry.instrumentation.openai", "otel-token-monitor"),
    "official": _Known(
        "opentelemetry.instrumentation.genai.openai", "'otel-token-monitor[official]'"
    ),
    "openinference": _Known(
        "openinference.instrumentation.openai", "'otel-token-monitor[openinference]'"
    ),
}

_PROMPTS_IN_TRACELOOP: Final = "TRACELOOP_TRACE_CONTENT"


@dataclass(frozen=True, slots=True)
class SwitchedOn:
    """An instrumentation that we switched on."""

    instrumentor: Any
    module: str

    def off(self) -> None:
        """Switch it off again."""
        self.instrumentor.uninstrument()
        if self.module == _KNOWN["traceloop"].module:
            _unwrap(self.module)


def switch_on(choice: str, provider: TracerProvider | None) -> SwitchedOn | None:
    """Switch an instrumentation on; `auto` only if none of OpenAI's client is active.

    Prompts are not captured, unless the environment asks for it. Raises InstrumentationError if
    the chosen one is not installed, or does not support the installed openai.
    """
    if choice in {"none", "wire"}:
        return None
    if choice == "auto" and (_client_is_instrumented() or not _has_openai()):
        return None
    known = _KNOWN["traceloop" if choice == "auto" else choice]
    try:
        instrumentor_class = importlib.import_module(known.module).OpenAIInstrumentor
    except ImportError as error:
        message = (
            f"instrumentation {choice!r} is not installed: pip install {known.install} ({error})"
        )
        raise InstrumentationError(message) from error
    instrumentor = _PREPARED[known.module](instrumentor_class)
    if instrumentor.is_instrumented_by_opentelemetry:
        return None
    arguments = _ARGUMENTS[known.module]()
    if provider is not None:
        arguments["tracer_provider"] = provider
    instrumentor.instrument(**arguments)
    if not instrumentor.is_instrumented_by_opentelemetry:
        message = (
            f"instrumentation {choice!r} does not accept the installed openai (its reason is in "
            f"the log above): upgrade one of them, or choose another with TOKEN_INSTRUMENTATION"
        )
        raise InstrumentationError(message)
    return SwitchedOn(instrumentor, known.module)


def _has_openai() -> bool:
    return "openai" in sys.modules or find_spec("openai") is not None


def _client_is_instrumented() -> bool:
    """Whether an instrumentation of OpenAI's client is active, whoever switched it on."""
    return any(
        _is_active(kind) for kind in _subclasses(_BASE) if "openai" in kind.__module__.split(".")
    )


def _is_active(kind: type) -> bool:
    """Whether an instrumentor is switched on: some keep that on the class, some on the instance."""
    instance = getattr(kind, "_instance", None)
    return any(getattr(it, "_is_instrumented_by_opentelemetry", False) for it in (kind, instance))


def _subclasses(kind: type) -> Iterator[type]:
    subclasses: list[type] = type.__subclasses__(kind)
    for subclass in subclasses:
        yield subclass
        yield from _subclasses(subclass)


def _traceloop(kind: Callable[..., Any]) -> Any:
    os.environ.setdefault(_PROMPTS_IN_TRACELOOP, "false")
    # Its own default sends the application's trace id to the model provider.
    return kind(enable_trace_context_propagation=False)


def _openinference_arguments() -> dict[str, Any]:
    if any(name.startswith("OPENINFERENCE_HIDE_") for name in os.environ):
        return {}
    config = importlib.import_module("openinference.instrumentation").TraceConfig
    return {"config": config(hide_inputs=True, hide_outputs=True)}


_PREPARED: Final[dict[str, Callable[[Callable[..., Any]], Any]]] = {
    _KNOWN["traceloop"].module: _traceloop,
    _KNOWN["official"].module: lambda kind: kind(),
    _KNOWN["openinference"].module: lambda kind: kind(),
}
_ARGUMENTS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    _KNOWN["traceloop"].module: dict,
    _KNOWN["official"].module: dict,
    _KNOWN["openinference"].module: _openinference_arguments,
}


def _unwrap(wrapper_module: str) -> None:
    """Take a package's wrappers off openai's resources, which its own `uninstrument` leaves on."""
    for name, module in list(sys.modules.items()):
        if name.startswith("openai.resources"):
            for kind in [value for value in vars(module).values() if isinstance(value, type)]:
                for attribute, value in list(vars(kind).items()):
                    if _wrapped_by(value, wrapper_module):
                        setattr(kind, attribute, cast("_Wrapper", value).__wrapped__)


def _wrapped_by(value: object, wrapper_module: str) -> bool:
    wrapper = getattr(value, "_self_wrapper", None)
    return getattr(wrapper, "__module__", "").startswith(wrapper_module)
