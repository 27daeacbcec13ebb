"""What `/metrics` says against what the clients received: every kind of call, by spans alone.

The tables below say where an instrumentation's span tells less than the client received. All that
they do not name must be there, to the token.
"""

from __future__ import annotations

import itertools
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.applications.calls import ASYNC_ONLY, CALLS
from tests.integration.processes import Counted, ahead, counted, run, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

TRACELOOP, OFFICIAL, OPENINFERENCE = "traceloop", "official", "openinference"
INSTRUMENTATIONS = (TRACELOOP, OFFICIAL, OPENINFERENCE)

# What is unmetered under every instrumentation: the call's status, and the reason.
UNMETERED = {
    "chat_cancelled": ("error", "abandoned"),
    "chat_lost": ("error", "no_response"),
    # The client raises before the span is given the response; it was paid for.
    "chat_parse_cut_by_limit": ("error", "no_usage"),
    "chat_refused": ("error", "no_response"),
    "chat_stream_cancelled": ("error", "abandoned"),
    "chat_stream_forgotten": ("ok", "abandoned"),
    "chat_stream_left": ("ok", "abandoned"),
    "chat_stream_left_in_error": ("error", "abandoned"),
    "chat_stream_lost": ("error", "abandoned"),
    "chat_stream_never_read": ("ok", "abandoned"),
    "chat_stream_without_usage": ("ok", "stream_without_usage"),
    "chat_timeout": ("error", "no_response"),
    "chat_without_usage": ("ok", "no_usage"),
    "completions_stream_without_usage": ("ok", "stream_without_usage"),
    "responses_background": ("ok", "no_usage"),
    "responses_cancelled": ("error", "abandoned"),
    "responses_stream_forgotten": ("ok", "abandoned"),
    "responses_stream_left": ("ok", "abandoned"),
    "responses_stream_lost": ("error", "abandoned"),
}

# What is unmetered, or so for another reason, under one of them.
UNMETERED_UNDER = {
    TRACELOOP: {
        "chat_raw_stream": ("ok", "no_usage"),
        "chat_streaming_response_stream": ("ok", "no_usage"),
        # It ends every chat stream with status OK.
        "chat_stream_cancelled": ("ok", "abandoned"),
        "chat_stream_left_in_error": ("ok", "abandoned"),
        "chat_stream_lost": ("ok", "abandoned"),
        "responses_stream_lost": ("error", "no_response"),
    },
    OFFICIAL: {
        "embeddings_raw": ("ok", "no_usage"),
        "responses_streaming_response": ("ok", "no_usage"),
        # It calls a stream that nobody read to its end an error.
        "chat_stream_forgotten": ("error", "abandoned"),
        "chat_stream_never_read": ("error", "abandoned"),
        "responses_stream_forgotten": ("error", "abandoned"),
    },
    OPENINFERENCE: {
        "responses_background": ("ok", "background"),
        "responses_stream_incomplete": ("ok", "stream_without_usage"),
    },
}

# The same, of the async client only.
UNMETERED_ASYNC_UNDER = {
    TRACELOOP: {"chat_streaming_response": ("ok", "no_usage")},
    OFFICIAL: {"chat_streaming_response": ("ok", "no_usage")},
    OPENINFERENCE: {
        "chat_streaming_response": ("ok", "no_usage"),
        "chat_streaming_response_stream": ("ok", "stream_without_usage"),
        "responses_streaming_response": ("ok", "no_usage"),
    },
}

# Calls of which there is no span.
NO_SPAN = {
    TRACELOOP: {"responses_cancelled", "responses_incomplete", "responses_raw_stream"},
    OFFICIAL: {
        "completions",
        "completions_error_429",
        "completions_stream",
        "completions_stream_without_usage",
    },
    OPENINFERENCE: set[str](),
}

HOSTS = {
    "azure": ("azure.ai.openai", "gpt-5-mini"),
    "openrouter": ("openrouter", "openai/gpt-5-mini"),
    "groq": ("groq", "llama-3.3-70b-versatile"),
    "vllm": ("vllm", "meta-llama/Llama-3.1-8B-Instruct"),
    "unknown": ("openai_compatible", "house-model"),
}

# Where spans do not carry the host, they call every server that is not known to them …
PROVIDER_UNDER = {
    TRACELOOP: {f"responses_at_{host}": "openai" for host in ("groq", "vllm", "unknown")},
    OFFICIAL: dict[str, str](),
    OPENINFERENCE: {
        f"{kind}_at_{host}": "openai_compatible"
        for kind in ("chat", "chat_stream", "responses", "embeddings")
        for host in ("openrouter", "vllm")
    },
}


def parts_of(usage: dict[str, Any] | None) -> Counter[str]:
    """The usage that a client received, taken apart."""
    if usage is None:
        return Counter()
    given = usage.get("prompt_tokens", usage.get("input_tokens", 0))
    out = usage.get("completion_tokens", usage.get("output_tokens", 0))
    into = usage.get("prompt_tokens_details", usage.get("input_tokens_details", {}))
    outof = usage.get("completion_tokens_details", usage.get("output_tokens_details", {}))
    cached, written = into.get("cached_tokens", 0), into.get("cache_write_tokens", 0)
    reasoning = outof.get("reasoning_tokens", 0)
    return Counter(
        input=given - cached - written,
        input_cached=cached,
        input_cache_write=written,
        output=out - reasoning,
        output_reasoning=reasoning,
    )


def as_told(parts: Counter[str], instrumentation: str, name: str) -> Counter[str]:
    """The parts that the span takes apart: the others stay within the part that includes them."""
    if instrumentation == TRACELOOP:
        parts["input"] += parts.pop("input_cache_write", 0)
        if name.startswith(("chat_stream", "completions")) and name != "chat_streaming_response":
            parts["output"] += parts.pop("output_reasoning", 0)
    return +parts


def place_of(name: str, instrumentation: str) -> tuple[str, str, str]:
    """Provider, model and endpoint."""
    kind, _, host = name.partition("_at_")
    endpoint = kind.partition("_")[0].replace("chat", "chat/completions")
    if host:
        provider, model = HOSTS[host]
        if instrumentation == TRACELOOP:
            model = model.removeprefix("openai/")
        return PROVIDER_UNDER[instrumentation].get(name, provider), model, endpoint
    model = {"completions": "gpt-3.5-turbo-instruct", "embeddings": "text-embedding-3-small"}.get(
        endpoint, "gpt-5-mini"
    )
    if (name, instrumentation) == ("responses_background", TRACELOOP):
        # Its only spans are those of the polls, which name the model of the response.
        model = "gpt-5-mini-2025-08-07"
    provider = "openai_compatible" if name == "chat_refused" else "openai"
    return provider, model, endpoint


def expected(name: str, received: dict[str, Any], instrumentation: str) -> Counted | None:
    """What `/metrics` must say of one call; None if there is no span of it."""
    mode, _, kind = name.partition(" ")
    if kind in NO_SPAN[instrumentation]:
        return None
    unmetered = UNMETERED | UNMETERED_UNDER[instrumentation]
    if mode == "async":
        unmetered |= UNMETERED_ASYNC_UNDER[instrumentation]
    where = {place_of(kind, instrumentation)}
    if kind in unmetered:
        status, reason = unmetered[kind]
        return Counted(requests=Counter([status]), unmetered=Counter([reason]), where=where)
    if received["error"] is not None:
        return Counted(requests=Counter(["error"]), where=where)
    tokens = as_told(parts_of(received["usage"]), instrumentation, kind)
    assert tokens, f"{name}: the client received no usage: say so in the tables"
    return Counted(tokens=tokens, requests=Counter(["ok"]), where=where)


# Of what several spans say of one call, the least vague holds.
VAGUE_PROVIDERS = ("openai_compatible", "openai")
VAGUE_REASONS = ("no_response", "no_usage")


def expected_of_all(
    name: str, received: dict[str, Any], instrumentations: tuple[str, ...]
) -> Counted | None:
    """What `/metrics` must say of one call of which several instrumentations tell."""
    told = [e for i in instrumentations if (e := expected(name, received, i)) is not None]
    if not told:
        return None
    places = [place for one in told for place in one.where]
    provider = min((place[0] for place in places), key=lambda said: rank(said, VAGUE_PROVIDERS))
    # Traceloop leaves the vendor out of a model's name, and gives the response's for the request's.
    models = {place[1].removesuffix("-2025-08-07") for place in places}
    where = {(provider, max(models, key=len), places[0][2])}
    if any(one.tokens for one in told):
        # The account that takes most apart.
        tokens = min(
            (one.tokens for one in told if one.tokens),
            key=lambda parts: parts["input"] + parts["output"],
        )
        return Counted(tokens=tokens, requests=Counter(["ok"]), where=where)
    status = "error" if any(one.requests["error"] for one in told) else "ok"
    reasons = [reason for one in told for reason in one.unmetered]
    reasons = sorted(reasons, key=lambda reason: rank(reason, VAGUE_REASONS))[:1]
    return Counted(requests=Counter([status]), unmetered=Counter(reasons), where=where)


def rank(value: str, vague: tuple[str, ...]) -> int:
    """0 for what says something, more for what says less."""
    return vague.index(value) + 1 if value in vague else 0


MODES = ["sync", "async"]
ALL_CALLS = {
    f"{mode} {name}"
    for mode in MODES
    for name in CALLS
    if mode == "async" or name not in ASYNC_ONLY
}
HERE = [name for name in CALLS if "_at_" not in name]
# Those of which the instrumentations tell in ways of their own.
MAIN = [
    "chat",
    "chat_cancelled",
    "chat_error_429",
    "chat_parse",
    "chat_raw_stream",
    "chat_retried",
    "chat_stream",
    "chat_stream_forgotten",
    "chat_stream_left",
    "chat_stream_lost",
    "chat_stream_without_usage",
    "chat_timeout",
    "completions",
    "embeddings",
    "responses",
    "responses_background",
    "responses_cancelled",
    "responses_raw_stream",
    "responses_retrieved_twice",
    "responses_stream",
    "responses_stream_forgotten",
    "responses_stream_left",
    "responses_stream_lost",
]

# Each call is told of by two instrumentations, or by all three.
TOGETHER = {
    "+".join(names): names
    for names in (*itertools.permutations(INSTRUMENTATIONS, 2), INSTRUMENTATIONS[::-1])
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    def ask(**question: object) -> Callable[[], dict[str, Any]]:
        data_dir = str(tmp_path_factory.mktemp("ledger"))
        given = {"server": demo.base_url, "data_dir": data_dir, "modes": MODES}
        return partial(run, "calls", given | question, env={"TOKEN_CAPTURE": "false"})

    with DemoServer() as demo:
        asked = {name: ask(instrumentation=name, calls=None) for name in INSTRUMENTATIONS}
        for name, names in TOGETHER.items():
            # All have the same usage: it tells no call from another.
            calls = MAIN if len(names) == 2 else HERE
            asked[name] = ask(instrumentations=names, calls=calls, alike=True)
        with ahead(asked) as told:
            yield told


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_metrics_say_what_the_client_received(answers: Answers, instrumentation: str) -> None:
    answer = answers(instrumentation)

    received = answer["received"]
    assert set(received) == ALL_CALLS
    assert answer["complaints"] == []
    assert counted(answer["metrics"]) == {
        name: said
        for name, got in received.items()
        if (said := expected(name, got, instrumentation)) is not None
    }
    assert health(answer["metrics"]) == {"hook_errors": 0, "dropped_spans": 0, "open_spans": 0}


@pytest.mark.parametrize("together", TOGETHER)
def test_a_call_told_of_twice_counts_once(answers: Answers, together: str) -> None:
    answer = answers(together)

    received = answer["received"]
    assert {name.partition(" ")[2] for name in received} >= set(MAIN)
    assert answer["complaints"] == []
    assert counted(answer["metrics"]) == {
        name: said
        for name, got in received.items()
        if (said := expected_of_all(name, got, TOGETHER[together])) is not None
    }
    assert health(answer["metrics"]) == {"hook_errors": 0, "dropped_spans": 0, "open_spans": 0}


def health(metrics: str) -> dict[str, int]:
    """What must be 0 when all is well."""
    names = ("hook_errors", "dropped_spans", "open_spans")
    return {
        name: int(sample.value)
        for name in names
        for suffix in ("", "_total")
        for sample in samples(metrics, f"otel_token_monitor_{name}{suffix}")
    }
