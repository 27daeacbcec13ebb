"""Our routes in applications of FastAPI and Starlette."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import flask
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from otel_token_monitor.web.routes import expose
from tests.unit.web.ledgers import call, counts, reader_of, sources_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from otel_token_monitor.web.sources import Sources

OURS = ["/metrics", "/token-usage", "/token-status", "/healthz", "/"]
KINDS = [FastAPI, Starlette]


@pytest.fixture
def sources() -> Iterator[Sources]:
    with reader_of(call()) as reader:
        yield sources_of(reader, receive=counts)


def client_of(app: Any) -> TestClient:
    return TestClient(app, follow_redirects=False)


def own(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("own")


def is_own(app: Any, path: str) -> bool:
    return client_of(app).get(path).text == "own"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", [*OURS, *(f"{path}/" for path in OURS[:-1])])
def test_every_path_answers_without_redirect(kind: Any, path: str, sources: Sources) -> None:
    app = kind()
    expose(app, sources)
    assert client_of(app).get(path).status_code == 200
    assert client_of(app).head(path).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_alerts_are_taken(kind: Any, sources: Sources) -> None:
    app = kind()
    expose(app, sources)
    headers = {"Authorization": "Bearer secret"}
    response = client_of(app).post("/alerts", content=b"[1]", headers=headers)
    assert response.json() == {"alerts": {"forwarded": 1}}


def test_the_schema_of_the_application_stays_its_own(sources: Sources) -> None:
    app = FastAPI()
    expose(app, sources)
    assert client_of(app).get("/openapi.json").json()["paths"] == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/", "/alerts"])
def test_a_path_of_the_application_stays_its_own(
    kind: Any, path: str, sources: Sources, *, before: bool
) -> None:
    app = kind()
    if before:
        app.router.routes.append(Route(path, own))
    expose(app, sources)
    if not before:
        app.router.routes.append(Route(path, own))
    assert is_own(app, path)
    assert client_of(app).get("/token-usage").status_code == 200


def test_a_path_operation_of_the_application_stays_its_own(sources: Sources) -> None:
    app = FastAPI()
    expose(app, sources)

    @app.get("/healthz")
    def healthz() -> str:
        return "own"

    assert client_of(app).get("/healthz").json() == "own"


def test_a_path_of_an_included_router_stays_its_own(sources: Sources) -> None:
    router = APIRouter(prefix="/metrics")
    router.add_api_route("", lambda: "own")
    app = FastAPI()
    expose(app, sources)
    app.include_router(router)
    assert client_of(app).get("/metrics").json() == "own"


def test_with_a_path_its_other_form_stays_the_applications(sources: Sources) -> None:
    app = Starlette(routes=[Route("/metrics", own)])
    expose(app, sources)
    response = client_of(app).get("/metrics/")
    assert (response.status_code, response.headers["location"]) == (
        307,
        "http://testserver/metrics",
    )


def test_a_mount_of_the_application_stays_its_own(sources: Sources) -> None:
    app = Starlette(routes=[Mount("/metrics", routes=[Route("/", own)])])
    expose(app, sources)
    assert is_own(app, "/metrics/")


@pytest.mark.parametrize("path", OURS[:-1])
@pytest.mark.parametrize(
    "catch_all", [Route("/{rest:path}", own), Mount("/", routes=[Route("/{rest:path}", own)])]
)
def test_an_application_that_answers_everything_leaves_us_our_paths(
    path: str, catch_all: Any, sources: Sources
) -> None:
    app = Starlette(routes=[catch_all])
    expose(app, sources)
    assert not is_own(app, path)
    assert is_own(app, "/anything")


def test_an_application_that_answers_everything_keeps_its_root(sources: Sources) -> None:
    app = Starlette(routes=[Mount("/", routes=[Route("/", own)])])
    expose(app, sources)
    assert is_own(app, "/")


def test_below_a_prefix_everything_is_found(sources: Sources) -> None:
    inner = Starlette(routes=[Route("/healthz", own)])
    expose(inner, sources)
    app = Starlette(routes=[Mount("/inner", app=inner)])
    assert client_of(app).get("/inner/metrics").status_code == 200
    assert is_own(app, "/inner/healthz")


def spoken(app: Any) -> None:
    """Run an application's lifespan."""
    with TestClient(app):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_startup_and_shutdown_are_around_the_applications_own(kind: Any, sources: Sources) -> None:
    said: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[dict[str, str]]:
        said.append("begin")
        yield {"from": "the application"}
        said.append("end")

    app = kind(lifespan=lifespan)
    expose(
        app,
        sources,
        startup=lambda: said.append("startup"),
        shutdown=lambda: said.append("shutdown"),
    )
    spoken(app)
    assert said == ["startup", "begin", "end", "shutdown"]


def test_the_state_of_the_applications_lifespan_is_kept(sources: Sources) -> None:
    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[dict[str, str]]:
        yield {"greeting": "hello"}

    def greet(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.greeting)

    app = Starlette(lifespan=lifespan, routes=[Route("/greet", greet)])
    expose(app, sources)
    with TestClient(app) as client:
        assert client.get("/greet").text == "hello"


def test_shutdown_runs_when_the_application_does_not_start(sources: Sources) -> None:
    said: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        raise ZeroDivisionError
        yield

    app = Starlette(lifespan=lifespan)
    expose(app, sources, shutdown=lambda: said.append("shutdown"))
    with pytest.raises(ZeroDivisionError):
        spoken(app)
    assert said == ["shutdown"]


@pytest.mark.parametrize("kind", KINDS)
def test_exposed_again_it_is_exposed_once(kind: Any, sources: Sources) -> None:
    said: list[str] = []
    app = kind()
    expose(app, sources, startup=lambda: said.append("first"))
    routes = len(app.router.routes)
    expose(app, sources, startup=lambda: said.append("last"))
    spoken(app)
    assert (said, len(app.router.routes)) == (["last"], routes)


@pytest.mark.parametrize(
    ("app", "kind"), [(flask.Flask("x"), "flask.app.Flask"), (None, "builtins.NoneType")]
)
def test_what_has_no_routes_is_refused_by_name(app: Any, kind: str, sources: Sources) -> None:
    expected = (
        f"routes can be added to a FastAPI or Starlette application, not to a {kind}: "
        f"docs/web.md says how to serve the metrics from Flask, Django and others"
    )
    with pytest.raises(TypeError) as caught:
        expose(app, sources)
    assert str(caught.value) == expected
