"""Applications that do to OpenAI's client what applications do, and then make calls."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import openai

import otel_token_monitor
from otel_token_monitor import project
from tests.integration.applications.application import asked, complaints, report, switch_on
from tests.integration.applications.scripted import Server
from tests.integration.applications.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor import TokenMonitor

Json = dict[str, Any]

SOME: Any = [{"role": "user", "content": "Hello there"}]


class Application:
    """One server, one ledger, and clients."""

    def __init__(self, server: Server, data_dir: str, instrumentation: str) -> None:
        self.server = server
        self._data_dir = data_dir
        self._instrumentation = instrumentation

    def instrument(self) -> TokenMonitor:
        """Count from now on."""
        return otel_token_monitor.instrument(
            data_dir=self._data_dir, serve=False, instrumentation=self._instrumentation
        )

    def client(self, kind: type[Any] = openai.OpenAI, **arguments: Any) -> Any:
        """A client of the server."""
        given = {"api_key": "k", "base_url": self.server.base_url, "max_retries": 0}
        return kind(**given, **arguments)


def call(client: Any, label: str, script: str = "chat", **arguments: Any) -> Any:
    """One call, as a project of its own."""
    given = {"model": "gpt-5-mini", "messages": SOME, "extra_headers": {"x-script": script}}
    with project(label):
        return client.chat.completions.create(**given, **arguments)


def fail(client: Any, label: str) -> None:
    """One call that is refused."""
    with contextlib.suppress(openai.BadRequestError):
        call(client, label, "refused")


# Who else stands there.


def unknown(app: Application) -> Json:
    """OpenAI's client is built otherwise than we know."""
    base = openai._base_client.SyncAPIClient
    base._process = base._process_response  # type: ignore[attr-defined]
    del base._process_response
    base.__getattr__ = lambda self, name: (  # type: ignore[attr-defined]
        object.__getattribute__(self, "_process") if name == "_process_response" else _no(name)
    )
    app.instrument()
    return {"tokens": call(app.client(), "call").usage.total_tokens}


def _no(name: str) -> None:
    raise AttributeError(name)


def again(app: Application) -> None:
    """Capture goes off and on."""
    client = app.client()
    call(client, "before")
    for number in (1, 2):
        app.instrument()
        call(client, f"on {number}")
        otel_token_monitor.uninstrument()
        call(client, f"off {number}")


def others_before(app: Application) -> None:
    """Another instrumentation replaced `request` before we came, and goes when we go."""
    other = switch_on("openinference")
    app.instrument()
    client = app.client()
    call(client, "beside")
    fail(client, "refused")
    other.uninstrument()
    call(client, "alone")
    for _ in call(client, "streamed", stream=True):
        pass


def others_after(app: Application) -> None:
    """Another instrumentation replaced `request` after we came, and goes before we go."""
    app.instrument()
    client = app.client()
    other = switch_on("openinference")
    call(client, "beside")
    fail(client, "refused")
    other.uninstrument()
    call(client, "alone")
    otel_token_monitor.uninstrument()
    switch_on("openinference")
    call(client, "off")
    app.instrument()
    call(client, "again")


# Whose client it is.


class Handing(openai.OpenAI):
    """Hands on what it is asked for."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return super().request(*args, **kwargs)


class Copying(openai.OpenAI):
    """Asks for something a little different."""

    def request(self, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        options = copy.copy(options)
        options.headers = {**options.headers, "x-more": "1"}
        return super().request(cast_to, options, **kwargs)


class Persisting(openai.OpenAI):
    """Tries again by itself, otherwise."""

    def request(self, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        try:
            return super().request(cast_to, options, **kwargs)
        except openai.BadRequestError:
            options = copy.copy(options)
            options.headers = {**options.headers, "x-script": "chat"}
            return super().request(cast_to, options, **kwargs)


class Remembering(openai.OpenAI):
    """Asks once."""

    known: Any = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if self.known is None:
            self.known = super().request(*args, **kwargs)
        return self.known


class Looking(openai.OpenAI):
    """Looks something up first."""

    def request(self, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        if options.method != "get":
            self.get("/models", cast_to=object, options={"headers": {"x-script": "chat"}})
        return super().request(cast_to, options, **kwargs)


class Odd(openai.OpenAI):
    """Has something else under the name."""

    request: Any = None


SUBCLASSES = (Handing, Copying, Persisting, Remembering, Looking)


def clients(app: Application) -> None:
    """Clients of all kinds, made before and after we came."""
    made: dict[str, Callable[[], Any]] = {
        "plain": app.client,
        "custom": lambda: app.client(http_client=httpx2.Client(follow_redirects=False)),
        **{
            kind.__name__: lambda kind=kind: app.client(kind)  # type: ignore[misc]
            for kind in SUBCLASSES
        },
    }
    early = {name: make() for name, make in made.items()}
    app.instrument()
    late = {name: make() for name, make in made.items()}

    class Later(Copying):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            return super().request(*args, **kwargs)

    late["Later"] = app.client(Later)
    for age, those in (("early", early), ("late", late)):
        for name, client in those.items():
            fail(client, f"{age} {name} refused")
            call(client, f"{age} {name}")
            for _ in call(client, f"{age} {name} streamed", stream=True):
                pass


# Many at once, and processes.


def threads(app: Application) -> None:
    """Many threads share a client."""
    app.instrument()
    client = app.client()

    def work(number: int) -> None:
        for _ in range(20):
            call(client, f"thread {number}")
            for _ in call(client, f"thread {number}", stream=True):
                pass

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def fork(app: Application) -> None:
    """A stream is open while the process forks; the child drops it, and makes a call of its own."""
    app.instrument()
    client = app.client()
    stream = call(client, "the parent's", stream=True, stream_options={"include_usage": True})
    next(stream)
    child = os.fork()
    if not child:
        del stream
        gc.collect()
        call(app.client(), "the child's")
        otel_token_monitor.uninstrument()
        os._exit(0)
    os.waitpid(child, 0)
    for _ in stream:
        pass


APPLICATIONS: dict[str, Callable[[Application], Json | None]] = {
    application.__name__: application
    for application in (unknown, again, others_before, others_after, clients, threads, fork)
}


def main() -> None:
    """Run the application that is asked for."""
    question = asked()
    with complaints() as said, Server(SCRIPTS) as server:
        app = Application(server, question["data_dir"], question["instrumentation"])
        answer = APPLICATIONS[question["application"]](app)
        otel_token_monitor.uninstrument()
    report(complaints=said, answer=answer)


if __name__ == "__main__":
    main()
