"""The application by itself, and its routes within an application that exists."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Match, Route, Router

from otel_token_monitor.web.endpoints import ALERTS, LANDING, endpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp, Scope

    from otel_token_monitor.web.sources import Sources

__all__ = ["create_app", "expose"]


def create_app(sources: Sources) -> ASGIApp:
    """The application, for a server of its own."""
    # A router is all that is needed. The Starlette class would bring redirects, and whoever
    # instruments that class for tracing would have a span for each scrape.
    return Router(_routes(sources, Route), redirect_slashes=False)


def expose(
    app: Any,
    sources: Sources,
    *,
    startup: Callable[[], object] = lambda: None,
    shutdown: Callable[[], object] = lambda: None,
) -> None:
    """Add the routes to a FastAPI or Starlette application; call it at any time before it serves.

    A path that the application has itself, now or later, stays its own. `startup` is called in a
    worker thread before the application's own lifespan begins, `shutdown` after it has ended.
    Called again, the last call holds.

    Raises TypeError if `app` is no such application.
    """
    router = getattr(app, "router", None)
    routes = getattr(router, "routes", None)
    if router is None or not isinstance(routes, list) or not hasattr(router, "lifespan_context"):
        kind = f"{type(app).__module__}.{type(app).__qualname__}"
        raise TypeError(
            f"routes can be added to a FastAPI or Starlette application, not to a {kind}: "
            f"docs/web.md says how to serve the metrics from Flask, Django and others"
        )
    routes[:] = [route for route in routes if not isinstance(route, _GuestRoute)]
    # First, because an application's `/{path:path}` takes all that comes after it.
    routes[:0] = _routes(sources, lambda *given, **more: _GuestRoute(router, *given, **more))
    inner = router.lifespan_context
    if isinstance(inner, _Lifespan):
        inner = inner.inner
    router.lifespan_context = _Lifespan(inner, startup, shutdown)


def _routes(sources: Sources, route: Callable[..., BaseRoute]) -> list[BaseRoute]:
    """Each path with a slash at its end and without: scrapers follow no redirects."""
    return [
        route(
            variant,
            endpoint,
            methods=["POST"] if path == ALERTS else ["GET"],
            name=f"otel-token-monitor {variant}",
            include_in_schema=False,
        )
        for path, endpoint in endpoints(sources).items()
        for variant in dict.fromkeys((path, path.rstrip("/") + "/"))
    ]


class _GuestRoute(Route):
    """A route of ours in another's router: it gives way to the host's own route of its path."""

    def __init__(self, host: Any, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(path, *args, **kwargs)
        self._host = host

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route's, unless the host has the path itself."""
        match, child_scope = super().matches(scope)
        if match is not Match.NONE and self._is_taken(scope):
            return Match.NONE, {}
        return match, child_scope

    def _is_taken(self, scope: Scope) -> bool:
        own = self.path.rstrip("/")
        prefix = scope["path"].removesuffix(self.path)
        here = [{**scope, "path": prefix + path} for path in dict.fromkeys((own or "/", own + "/"))]
        # What matches any other path, too, is a catch-all, which the host has not for this path;
        # but whatever it has at its root is its face.
        other = {**scope, "path": f"{prefix}{own}-of-no-application"}
        return any(
            any(_matches(route, at) for at in here)
            and (self.path == LANDING or not _matches(route, other))
            for route in self._host.routes
            if not isinstance(route, _GuestRoute)
        )


def _matches(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is not Match.NONE


class _Lifespan:
    """A lifespan around the application's own."""

    def __init__(
        self,
        inner: Callable[[Any], AbstractAsyncContextManager[Any]],
        startup: Callable[[], object],
        shutdown: Callable[[], object],
    ) -> None:
        self.inner = inner
        self._startup = startup
        self._shutdown = shutdown

    def __call__(self, app: Any) -> AbstractAsyncContextManager[Any]:
        return self._around(app)

    @asynccontextmanager
    async def _around(self, app: Any) -> AsyncIterator[Any]:
        await run_in_threadpool(self._startup)
        try:
            async with self.inner(app) as state:
                yield state
        finally:
            await run_in_threadpool(self._shutdown)
