"""Sampling loses no tokens, and what the application exports stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import counted, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with DemoServer() as demo:
        yield demo.base_url


def ask(
    server: str,
    *steps: str,
    sampler: str = "ratio",
    env: Mapping[str, str] | None = None,
    **others: object,
) -> dict[str, Any]:
    """Run the application; the steps are in which order it sets itself up."""
    question = {"server": server, "steps": steps, "sampler": sampler, "data_dir": ":memory:"}
    return run("sampling", question | {"instrumentation": "auto"} | others, env=env)


def requests(answer: dict[str, Any]) -> dict[str, int]:
    assert answer["complaints"] == []
    projects = counted(answer["metrics"])
    assert set(projects) <= {"default"}
    return {
        status: count for told in projects.values() for status, count in told.requests.items()
    }


# The application's own tracing before us, after us, and after an instrumentation that took its
# tracer already; the instrumentation switched on by the application or by us.
SETUPS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "provider first": (("provider", "monitor"), {}),
    "provider last": (("monitor", "provider"), {}),
    "no provider": (("monitor",), {}),
    "no provider, instrumented by the application": (("traceloop", "monitor"), {}),
    "provider, instrumentation, monitor": (("provider", "traceloop", "monitor"), {}),
    "instrumentation, provider, monitor": (("openinference", "provider", "monitor"), {}),
    "instrumentation, monitor, provider": (("official", "monitor", "provider"), {}),
    "monitor, provider, instrumentation": (
        ("monitor", "provider", "official"),
        {"instrumentation": "none"},
    ),
    "monitor, instrumentation, provider": (
        ("monitor", "openinference", "provider"),
        {"instrumentation": "none"},
    ),
    "always off": (("provider", "official", "monitor"), {"sampler": "off"}),
    "always off, provider last": (
        ("monitor", "provider"),
        {"sampler": "off", "instrumentation": "official"},
    ),
    "a caller that does not sample": (
        ("provider", "official", "monitor"),
        {"sampler": "parent_based_ratio", "remote_parent": True},
    ),
    "sampler by environment: off": (
        ("provider", "openinference", "monitor"),
        {"sampler": "environment", "env": {"OTEL_TRACES_SAMPLER": "always_off"}},
    ),
    "sampler by environment: ratio": (
        ("monitor", "provider"),
        {
            "sampler": "environment",
            "instrumentation": "official",
            "env": {
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "0.01",
            },
        },
    ),
    "provider by environment": (
        ("monitor",),
        {
            "instrumentation": "official",
            "env": {
                "OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider",
                "OTEL_TRACES_SAMPLER": "always_off",
            },
        },
    ),
    "tracing disabled": (
        ("provider", "monitor"),
        {"instrumentation": "official", "env": {"OTEL_SDK_DISABLED": "true"}},
    ),
    "tracing disabled, instrumented by the application": (
        ("official", "provider", "monitor"),
        {"env": {"OTEL_SDK_DISABLED": "true"}},
    ),
    "tracing disabled, no provider": (
        ("openinference", "monitor"),
        {"env": {"OTEL_SDK_DISABLED": "true"}},
    ),
}


@pytest.mark.parametrize("name", SETUPS)
def test_200_of_200_calls_count(server: str, name: str) -> None:
    steps, others = SETUPS[name]

    answer = ask(server, *steps, **others)

    assert requests(answer) == {"ok": 200}
    assert answer["own_is_global"]
    assert "SDKSpan" not in answer["kinds"]


def test_without_a_provider_none_of_ours_becomes_the_global_one(server: str) -> None:
    answer = ask(server, "monitor", calls=1)

    assert answer["provider"] == "ProxyTracerProvider"
    assert answer["kinds"] == [["NonRecordingSpan"], ["NonRecordingSpan"]]


@pytest.mark.parametrize("sampler", ["half", "off"])
@pytest.mark.parametrize(
    ("without", "with_monitor"),
    [
        (("provider", "official"), ("provider", "official", "monitor")),
        (("official", "provider"), ("official", "monitor", "provider")),
        (("provider", "openinference"), ("monitor", "provider", "openinference")),
        (("traceloop", "provider"), ("traceloop", "provider", "monitor")),
    ],
    ids=["monitor last", "provider last", "monitor first", "early instrumentation"],
)
def test_the_application_exports_what_it_exports_without_us(
    server: str, sampler: str, without: tuple[str, ...], with_monitor: tuple[str, ...]
) -> None:
    alone = ask(server, *without, sampler=sampler, calls=40)
    watched = ask(
        server,
        *with_monitor,
        sampler=sampler,
        calls=40,
        instrumentation="none" if with_monitor[0] == "monitor" else "auto",
    )

    assert requests(watched) == {"ok": 40}
    assert watched["seen"] == alone["seen"]
    assert watched["kinds"] == alone["kinds"]
    exported = len(alone["seen"]["simple"])
    assert 20 < exported < 60 if sampler == "half" else exported == 0
    assert exported == len(alone["seen"]["heedless"])
