"""An application whose spans hold whatever one may put there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.openmetrics.exposition import generate_latest

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import asked, complaints, report, scrape

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CALLS = 10_000
SCOPE = "opentelemetry.instrumentation.openai.v1"
MEGABYTE = "m\n\ud800\"\\'" * 200_000

VALUES: tuple[Any, ...] = (
    -1,
    2**63,
    2**64,
    10**400,
    10**5000,
    math.nan,
    math.inf,
    -math.inf,
    True,
    "",
    " ",
    "\n",
    "\x00",
    "\ud800",
    "\u202e",
    '"} 1\nllm_tokens_total 7',
    MEGABYTE,
    b"\xff",
    [1, 2],
    ["a", "b"],
    [],
)
NAMES = (
    "ai.operationId",
    "error.type",
    "gen_ai.is_streaming",
    "gen_ai.openai.api_base",
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.system",
    "gen_ai.usage.cost",
    "http.response.status_code",
    "llm.invocation_parameters",
    "openai.api.type",
    "server.address",
    "server.port",
)
COUNTS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.total_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
)


def call(tracer: trace.Tracer, attributes: dict[str, Any], name: str = "openai.chat") -> None:
    """One call as an instrumentation tells it."""
    span = tracer.start_span(name)
    for key, value in attributes.items():
        span.set_attribute(key, value)
    span.end()


def used(number: int, **more: Any) -> dict[str, Any]:
    """A call's attributes, with `number` input and 2 output tokens."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": f"model {number}",
        "gen_ai.usage.input_tokens": number,
        "gen_ai.usage.output_tokens": 2,
        **more,
    }


def made_up(tracer: trace.Tracer) -> None:
    """Every call of another model and another project."""
    for number in range(1, CALLS + 1):
        with project(f"project {number}"):
            call(tracer, used(number))
        if number % 1000 == 0:
            # No faster than anyone calls models.
            otel_token_monitor.instrument().force_flush()


def hostile(tracer: trace.Tracer) -> None:
    """Every value under every name, and times that no call can have."""
    for name in NAMES:
        for value in VALUES:
            call(tracer, used(3, **{name: value}))
    for name in COUNTS:
        for value in VALUES:
            call(tracer, {"gen_ai.operation.name": "chat", name: value})
    for start, end in ((-(2**70), 2**70), (2**70, -(2**70)), (-1, -1), (0, 0), (1, 2**62)):
        span = tracer.start_span("openai.chat", start_time=start, attributes=used(3))
        span.add_event("First Token Stream Event", timestamp=2**70)
        span.end(end)


def openmetrics(registry: CollectorRegistry) -> str:
    """What Prometheus reads if it asks for OpenMetrics."""
    text: str = generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    return text


def main() -> None:
    question = asked()
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    with complaints() as said:
        monitor = otel_token_monitor.instrument(data_dir=question["data_dir"], port=0)
        tracer = trace.get_tracer(SCOPE)
        with project("hostile"):
            hostile(tracer)
        after_hostile = scrape(monitor)
        made_up(tracer)
        after_made_up = scrape(monitor)
        with project("after"):
            call(tracer, used(5))
        after = scrape(monitor)
        report(
            hostile=after_hostile,
            made_up=after_made_up,
            after=after,
            openmetrics=openmetrics(monitor.registry),
            complaints=said,
        )


if __name__ == "__main__":
    main()
