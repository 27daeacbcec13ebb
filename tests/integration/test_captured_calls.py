"""What `/metrics` says with capture, alone and beside each instrumentation: every kind of call.

Here no table says what an instrumentation does not tell: what reached the client is there, in all
parts; of all else the reason is.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.demo.server import DemoServer
from tests.integration.processes import (
    OPENAI_LINES,
    Counted,
    ahead,
    counted,
    openai_line,
    run,
)
from tests.integration.test_calls import ALL_CALLS, HOSTS, MODES, health, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

# All instrumentations together …
ALL = ("openinference", "traceloop", "official")
# … and those that are tried under each major version of openai: OpenInference refuses openai 1.
WAYS = {
    1: ("wire", "traceloop"),
    2: ("wire", "traceloop", "all"),
    3: ("wire", "traceloop", "official", "openinference", "all"),
}

# No kind of call is missing in the versions before the last; this is what the caller gets there
# that differs: HTTP's own error comes through from a stream.
RAISED_BEFORE = {
    "chat_stream_lost": "RemoteProtocolError",
    "responses_stream_lost": "RemoteProtocolError",
}

# Calls that ended before their usage came: the call's status, and the reason.
UNMETERED = {
    "chat_cancelled": ("error", "abandoned"),
    "chat_lost": ("error", "no_response"),
    "chat_refused": ("error", "no_response"),
    "chat_stream_cancelled": ("error", "abandoned"),
    "chat_stream_forgotten": ("ok", "abandoned"),
    "chat_stream_left": ("ok", "abandoned"),
    "chat_stream_left_in_error": ("ok", "abandoned"),
    "chat_stream_lost": ("error", "abandoned"),
    "chat_stream_never_read": ("ok", "abandoned"),
    "chat_timeout": ("error", "no_response"),
    "chat_without_usage": ("ok", "no_usage"),
    "responses_cancelled": ("error", "abandoned"),
    "responses_stream_forgotten": ("ok", "abandoned"),
    "responses_stream_left": ("ok", "abandoned"),
    "responses_stream_lost": ("error", "abandoned"),
}

# Streams whose caller did not ask for the usage: it was asked for on their behalf.
ASKED = {"chat_stream_without_usage", "completions_stream_without_usage"}


def place_of(name: str) -> tuple[str, str, str]:
    """Provider, model and endpoint."""
    kind, _, host = name.partition("_at_")
    endpoint = kind.partition("_")[0].replace("chat", "chat/completions")
    if host:
        return *HOSTS[host], endpoint
    model = {"completions": "gpt-3.5-turbo-instruct", "embeddings": "text-embedding-3-small"}.get(
        endpoint, "gpt-5-mini"
    )
    return "openai_compatible" if name == "chat_refused" else "openai", model, endpoint


def expected(name: str, received: dict[str, Any]) -> Counted:
    """What `/metrics` must say of one call."""
    kind = name.partition(" ")[2]
    where = {place_of(kind)}
    if kind in UNMETERED:
        status, reason = UNMETERED[kind]
        return Counted(requests=Counter([status]), unmetered=Counter([reason]), where=where)
    if received["error"] is not None and received["usage"] is None:
        return Counted(requests=Counter(["error"]), where=where)
    tokens = parts_of(received["sent"] if kind in ASKED else received["usage"])
    assert tokens, f"{name}: the client received no usage: say so in the table"
    return Counted(tokens=+tokens, requests=Counter(["ok"]), where=where)


def key(line: int, way: str) -> str:
    """The name of one run of the application."""
    return f"{way}, under openai {line}"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    def ask(line: int, way: str) -> Callable[[], dict[str, Any]]:
        data_dir = str(tmp_path_factory.mktemp("ledger"))
        question: dict[str, object] = {"server": demo.base_url, "data_dir": data_dir}
        question |= {"modes": MODES, "calls": None}
        if way == "all":
            # All have the same usage: it tells no call from another.
            question |= {"instrumentations": ALL, "alike": True}
        else:
            question |= {"instrumentation": way}
        return partial(run, "calls", question, env=openai_line(line))

    with DemoServer() as demo:
        asked = {key(line, way): ask(line, way) for line in OPENAI_LINES for way in WAYS[line]}
        with ahead(asked) as told:
            yield told


@pytest.mark.parametrize(("line", "way"), [(line, way) for line in WAYS for way in WAYS[line]])
def test_each_call_is_exact_or_has_a_reason(answers: Answers, line: int, way: str) -> None:
    answer = answers(key(line, way))

    received = answer["received"]
    assert set(received) == ALL_CALLS
    assert answer["complaints"] == []
    assert counted(answer["metrics"]) == {
        name: expected(name, got) for name, got in received.items()
    }
    assert health(answer["metrics"]) == {"hook_errors": 0, "dropped_spans": 0, "open_spans": 0}


@pytest.mark.parametrize("line", OPENAI_LINES[:-1])
def test_what_the_caller_gets_differs_where_the_table_says(answers: Answers, line: int) -> None:
    received = answers(key(line, "wire"))["received"]
    of_last = answers(key(OPENAI_LINES[-1], "wire"))["received"]

    differing = {name: got for name, got in received.items() if got != of_last[name]}
    assert {name: got["error"] for name, got in differing.items()} == {
        f"{mode} {kind}": raised for mode in MODES for kind, raised in RAISED_BEFORE.items()
    }
    assert {got["usage"] for got in differing.values()} == {None}
