"""Whose call it is, in every kind of code."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from opentelemetry import baggage, context
from opentelemetry.context import Context

from otel_token_monitor.spans.project import BAGGAGE_KEY, ProjectPolicy, project

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

POLICY = ProjectPolicy("default")


def now() -> str:
    """The project of a call made here."""
    return POLICY.project_in(context.get_current())


def test_without_a_block_a_call_belongs_to_the_default() -> None:
    assert now() == "default"


def test_a_block_names_the_project() -> None:
    with project("search"):
        inside = now()
    assert (inside, now()) == ("search", "default")


def test_of_nested_blocks_the_inner_one_holds() -> None:
    with project("outer"):
        with project("inner"):
            inside = now()
        after = now()
    assert (inside, after) == ("inner", "outer")


def test_a_block_ends_also_when_it_raises() -> None:
    with pytest.raises(KeyError), project("search"):
        raise KeyError
    assert now() == "default"


def test_one_object_may_be_entered_again_while_entered() -> None:
    search = project("search")
    with search, project("other"), search:
        inside = now()
    assert (inside, now()) == ("search", "default")


@pytest.mark.parametrize("name", ["", "\n", "x" * 129])
def test_a_name_that_no_label_could_show_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a project"):
        project(name)


def test_the_project_does_not_travel_as_baggage() -> None:
    with project("search"):
        assert baggage.get_all() == {}


def test_the_project_travels_as_baggage_if_asked_to() -> None:
    with project("search", baggage=True):
        assert baggage.get_all() == {BAGGAGE_KEY: "search"}


def sent(name: object) -> Context:
    """The context of a request that names a project in its baggage."""
    return baggage.set_baggage(BAGGAGE_KEY, name, Context())


def test_baggage_is_not_believed() -> None:
    assert POLICY.project_in(sent("theirs")) == "default"


def test_baggage_on_the_list_is_believed() -> None:
    assert ProjectPolicy("default", frozenset({"theirs"})).project_in(sent("theirs")) == "theirs"


@pytest.mark.parametrize("name", ["others", "", None, 7])
def test_baggage_that_is_not_on_the_list_is_not_believed(name: object) -> None:
    assert ProjectPolicy("default", frozenset({"theirs"})).project_in(sent(name)) == "default"


def test_a_block_goes_before_baggage() -> None:
    policy = ProjectPolicy("default", frozenset({"theirs"}))
    token = context.attach(sent("theirs"))
    with project("search"):
        inside = policy.project_in(context.get_current())
    context.detach(token)
    assert inside == "search"


def test_a_decorated_function_runs_in_the_project() -> None:
    @project("search")
    def function(prefix: str) -> str:
        return prefix + now()

    assert (function("in "), now()) == ("in search", "default")


def test_a_decorated_function_keeps_its_name() -> None:
    @project("search")
    def function() -> None:
        """What it does."""

    assert (function.__name__, function.__doc__) == ("function", "What it does.")


def test_a_decorated_function_may_recurse() -> None:
    @project("search")
    def function(depth: int) -> list[str]:
        return [now()] if depth == 0 else [*function(depth - 1), now()]

    assert (function(2), now()) == (["search"] * 3, "default")


async def test_a_decorated_coroutine_runs_in_the_project() -> None:
    @project("search")
    async def function() -> str:
        await asyncio.sleep(0)
        return now()

    assert (await function(), now()) == ("search", "default")


async def test_decorated_coroutines_that_run_at_once_keep_apart() -> None:
    async def ask() -> str:
        await asyncio.sleep(0.001)
        return now()

    one, two = project("one")(ask), project("two")(ask)
    seen = [*await asyncio.gather(one(), two(), ask(), one())]
    assert seen == ["one", "two", "default", "one"]


async def test_a_task_begun_in_a_block_stays_in_it() -> None:
    async def ask() -> str:
        await asyncio.sleep(0.001)
        return now()

    with project("search"):
        task = asyncio.create_task(ask())
    assert await task == "search"


async def test_a_block_reaches_a_worker_thread() -> None:
    with project("search"):
        assert await asyncio.to_thread(now) == "search"


def test_a_block_does_not_reach_a_bare_thread() -> None:
    seen: list[str] = []
    with project("search"):
        thread = threading.Thread(target=lambda: seen.append(now()))
        thread.start()
        thread.join()
    assert seen == ["default"]


def test_a_decorated_generator_leaves_its_consumer_alone() -> None:
    @project("search")
    def steps() -> Generator[str, None, None]:
        yield now()
        yield now()

    assert [(step, now()) for step in steps()] == [("search", "default")] * 2


def test_a_decorated_generator_hands_values_and_results_on() -> None:
    @project("search")
    def steps() -> Generator[str, str, str]:
        got = yield "first"
        return got + now()

    generator = steps()
    assert next(generator) == "first"
    with pytest.raises(StopIteration) as stopped:
        generator.send("got ")
    assert stopped.value.value == "got search"


def test_what_is_thrown_into_a_decorated_generator_reaches_it() -> None:
    @project("search")
    def steps() -> Generator[str, None, None]:
        try:
            yield "first"
        except KeyError:
            yield "caught in " + now()

    generator = steps()
    next(generator)
    assert generator.throw(KeyError()) == "caught in search"


def test_closing_a_decorated_generator_closes_it_within() -> None:
    closed: list[str] = []

    @project("search")
    def steps() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            closed.append("closed")

    generator = steps()
    next(generator)
    generator.close()
    assert (closed, now()) == (["closed"], "default")


async def test_a_decorated_async_generator_leaves_its_consumer_alone() -> None:
    @project("search")
    async def steps() -> AsyncGenerator[str, None]:
        yield now()
        await asyncio.sleep(0)
        yield now()

    assert [(step, now()) async for step in steps()] == [("search", "default")] * 2


async def test_what_is_thrown_into_a_decorated_async_generator_reaches_it() -> None:
    @project("search")
    async def steps() -> AsyncGenerator[str, None]:
        try:
            yield "first"
        except KeyError:
            yield "caught in " + now()

    generator = steps()
    await anext(generator)
    assert await generator.athrow(KeyError()) == "caught in search"


async def test_closing_a_decorated_async_generator_closes_it_within() -> None:
    closed: list[str] = []

    @project("search")
    async def steps() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            closed.append("closed")

    generator = steps()
    await anext(generator)
    await generator.aclose()
    assert (closed, now()) == (["closed"], "default")
