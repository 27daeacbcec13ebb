"""Whose call it is: the project, carried in OpenTelemetry's context."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, cast

from opentelemetry import baggage, context

from otel_token_monitor.usage import check_project

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context

__all__ = ["BAGGAGE_KEY", "ProjectPolicy", "project"]

P = ParamSpec("P")
R = TypeVar("R")

BAGGAGE_KEY: Final = "token.project"
"""The name under which a project travels as baggage between services, where that is asked for."""

# Private: unlike baggage it never leaves the process, so no model provider gets to read it.
_PROJECT: Final = context.create_key("otel-token-monitor-project")


@dataclass(frozen=True, slots=True)
class ProjectPolicy:
    """Which project a call belongs to that no `with project(...)` encloses.

    `inbound` are the projects that other services may name in baggage; others are not believed.
    """

    default: str
    inbound: frozenset[str] = frozenset()

    def project_in(self, current: Context) -> str:
        """The project of a call made in a context."""
        name = current.get(_PROJECT)
        if name is not None:
            return cast("str", name)
        if self.inbound:
            sent = baggage.get_baggage(BAGGAGE_KEY, current)
            if sent in self.inbound:
                return sent
        return self.default


class project:  # noqa: N801 - used as `with project("search"):` and `@project("search")`
    """Counts the calls made within under another project.

    A context manager and a decorator, for sync and async code alike; of a generator, the decorator
    covers its whole run. With `baggage=True` the name is also sent on to other services as the
    baggage entry `token.project` (the model provider would see it too: so it is opt-in).

    Raises TypeError or ValueError if `name` cannot name a project.
    """

    __slots__ = ("_baggage", "_name", "_tokens")

    def __init__(self, name: str, *, baggage: bool = False) -> None:
        self._name = check_project(name)
        self._baggage = baggage
        self._tokens: list[Token[Context]] = []

    def __enter__(self) -> Self:
        inner = context.set_value(_PROJECT, self._name)
        if self._baggage:
            inner = baggage.set_baggage(BAGGAGE_KEY, self._name, inner)
        self._tokens.append(context.attach(inner))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        context.detach(self._tokens.pop())

    def _again(self) -> project:
        """A fresh one for each call of a decorated function, which may run many times at once."""
        return project(self._name, baggage=self._baggage)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, a coroutine function or a generator function."""
        return cast("Callable[P, R]", functools.wraps(function)(self._wrapper(function)))

    def _wrapper(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return coroutine
        if inspect.isasyncgenfunction(function):
            return lambda *args, **kwargs: _async_steps(function(*args, **kwargs), self._again)
        if inspect.isgeneratorfunction(function):
            return lambda *args, **kwargs: _steps(function(*args, **kwargs), self._again)

        def plain(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return plain


def _steps(
    inner: Generator[Any, Any, Any], again: Callable[[], project]
) -> Generator[Any, Any, Any]:
    """Run a generator, entering the project for each step: between steps the consumer's holds."""
    advance: Callable[[Any], Any] = inner.send
    value: Any = None
    while True:
        with again():
            try:
                item = advance(value)
            except StopIteration as stop:
                return stop.value
        try:
            value = yield item
            advance = inner.send
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # noqa: BLE001 - handed to the generator, which decides
            value = error
            advance = inner.throw


async def _async_steps(
    inner: AsyncGenerator[Any, Any], again: Callable[[], project]
) -> AsyncGenerator[Any, Any]:
    """As `_steps`, for an async generator."""
    advance: Callable[[Any], Any] = inner.asend
    value: Any = None
    while True:
        with again():
            try:
                item = await advance(value)
            except StopAsyncIteration:
                return
        try:
            value = yield item
            advance = inner.asend
        except GeneratorExit:
            await inner.aclose()
            raise
        except BaseException as error:  # noqa: BLE001 - handed to the generator, which decides
            value = error
            advance = inner.athrow
