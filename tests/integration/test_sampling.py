"""Sampling loses no tokens, and what the application exports stays as it was."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import ahead, counted, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration


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
    return {status: count for told in projects.values() for status, count in told.requests.items()}


# The application's own tracing before us, after us, and after an instrumentation that took its
# tracer already; the instrumentation switched on by the application or by us.
SETUPS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
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
    "always off": (("provider", "official", "monitor"), {"sampler": "off"}),
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


# What the application exports alone, and with us at different places in its order.
EXPORTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "monitor last": ("half", ("provider", "official"), ("provider", "official", "monitor")),
    "monitor first": (
        "half",
        ("provider", "openinference"),
        ("monitor", "provider", "openinference"),
    ),
    "provider last": ("half", ("official", "provider"), ("official", "monitor", "provider")),
    "instrumentation first": (
        "half",
        ("traceloop", "provider"),
        ("traceloop", "provider", "monitor"),
    ),
    "nothing sampled": ("off", ("provider", "official"), ("provider", "official", "monitor")),
}


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with DemoServer() as demo:
        asked = {
            name: partial(ask, demo.base_url, *steps, **others)
            for name, (steps, others) in SETUPS.items()
        }
        for name, (sampler, without, with_us) in EXPORTS.items():
            few = partial(ask, demo.base_url, sampler=sampler, calls=40)
            choice = "none" if with_us[0] == "monitor" else "auto"
            asked[f"{name}: without"] = partial(few, *without)
            asked[f"{name}: with"] = partial(few, *with_us, instrumentation=choice)
        with ahead(asked) as told:
            yield told


@pytest.mark.parametrize("name", SETUPS)
def test_200_of_200_calls_count(answers: Answers, name: str) -> None:
    answer = answers(name)

    assert requests(answer) == {"ok": 200}
    assert answer["own_is_global"]


def test_without_a_provider_none_of_ours_becomes_the_global_one(answers: Answers) -> None:
    answer = answers("no provider")

    assert answer["provider"] == "ProxyTracerProvider"
    assert answer["kinds"] == [["NonRecordingSpan"], ["NonRecordingSpan"]]


@pytest.mark.parametrize("name", EXPORTS)
def test_the_application_exports_what_it_exports_without_us(answers: Answers, name: str) -> None:
    alone, watched = answers(f"{name}: without"), answers(f"{name}: with")

    assert requests(watched) == {"ok": 40}
    assert watched["seen"] == alone["seen"]
    # Spans of other scopes that the sampler drops are not recorded either.
    assert watched["kinds"] == alone["kinds"]
    exported = len(alone["seen"]["simple"])
    if EXPORTS[name][0] == "off":
        assert (exported, alone["kinds"]) == (0, [["NonRecordingSpan"]] * 2)
    else:
        assert 20 < exported < 60
    assert exported == len(alone["seen"]["batched"]) == len(alone["seen"]["heedless"])
