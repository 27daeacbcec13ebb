"""Standing inside OpenAI's client: below its resources, above the network.

`request` sees each call begin, and its errors, timeouts and cancellation; `_process_response` each
response, whatever the way of calling. Both are methods of the client's two base classes. Some
instrumentations replace `request` on a class above those: what they wrapped is wrapped again, from
outside, and one request seen twice is told by its options. What was wrapped stays wrapped, and
does nothing while no capture is active: others may have wrapped it since.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
from contextvars import ContextVar
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.wire.asking import asking, keep_back
from otel_token_monitor.wire.boundary import faults, guarded
from otel_token_monitor.wire.exchange import Exchange
from otel_token_monitor.wire.replies import read_whole
from otel_token_monitor.wire.taps import tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_token_monitor.dialects.providers import ProviderHosts
    from otel_token_monitor.spans.processor import TokenSpanProcessor
    from otel_token_monitor.wire.asking import StreamUsage

__all__ = ["Capture"]

_log = logging.getLogger("otel_token_monitor")

_BASES: Final = {"SyncAPIClient": False, "AsyncAPIClient": True}
_NEEDED: Final = {
    "request": {"options"},
    "_process_response": {"options", "response", "stream"},
}
_OURS: Final = "_otel_token_monitor_wrapped"

_current: ContextVar[Exchange | None] = ContextVar("otel_token_monitor_exchange", default=None)
_active: Capture | None = None


class Capture:
    """Observes the requests of all of OpenAI's clients in this process, while it is on.

    `hosts` are names for providers by their address; `stream_usage` says whether servers are asked
    for the usage of streams whose caller did not: see `asking`.
    """

    def __init__(
        self, processor: TokenSpanProcessor, hosts: ProviderHosts, stream_usage: StreamUsage
    ) -> None:
        self._processor = processor
        self._hosts = hosts
        self._stream_usage = stream_usage

    def on(self) -> bool:
        """Begin; whether it could: False without openai, or with one that is built otherwise."""
        global _active  # noqa: PLW0603 - one capture a process
        client = _client_module()
        if client is None:
            return False
        for name, asynchronous in _BASES.items():
            base = getattr(client, name)
            _wrap(base, "_process_response", _async_process if asynchronous else _sync_process)
            request = _async_request if asynchronous else _sync_request
            _wrap(base, "request", partial(request, above=False))
            for kind in _subclasses(base):
                if "request" in vars(kind):
                    _wrap(kind, "request", partial(request, above=True))
        faults.note = self._processor.complain
        _active = self
        return True

    def off(self) -> None:
        """End: what has begun is still observed."""
        global _active  # noqa: PLW0603 - one capture a process
        if _active is self:
            _active = None

    # What the wrappers do. None of it may raise. `begin` and `_receive` guard themselves: they run
    # in each call, and a wrapper more is a tenth of their cost.

    def begin(
        self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, above: bool
    ) -> Exchange | None:
        """The exchange that begins; None if it has begun already, `above` this class's request."""
        try:
            options = args[1] if len(args) > 1 else kwargs["options"]
            outer = _current.get()
            if outer is not None:
                if outer.options is options:
                    return None
                if outer.above:
                    # A class that has other requests made for the one that it was asked for.
                    outer.withdraw()
            streams = bool(kwargs.get("stream"))
            return Exchange(self._processor, client.base_url, options, streams=streams, above=above)
        except Exception:  # noqa: BLE001 - the boundary: see `wire.boundary`
            faults.note()
            return None

    def ask(
        self, exchange: Exchange, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What to call the client with: where its usage is to be asked for, with that question."""
        asked = asking(exchange, client, self._stream_usage, self._hosts)
        if asked is None:
            return args, kwargs
        exchange.options = asked
        exchange.asked = True
        if len(args) > 1:
            return (args[0], asked, *args[2:]), kwargs
        return args, {**kwargs, "options": asked}

    @guarded
    def late(self, client: Any, kwargs: dict[str, Any]) -> Exchange | None:
        """The exchange of a response whose request went by unseen; None if there is none to see.

        Who takes an instrumentation off may take our wrapper off with it.
        """
        streams = bool(kwargs["stream"])
        return Exchange(self._processor, client.base_url, kwargs["options"], streams=streams)


def _exchange_of(client: Any, kwargs: dict[str, Any]) -> Exchange | None:
    """The exchange that a response ends; None if there is none to see."""
    exchange = _current.get()
    if exchange is None and _active is not None:
        exchange = _active.late(client, kwargs)
    return None if exchange is None or exchange.done else exchange


def _receive(exchange: Exchange, kwargs: dict[str, Any]) -> None:
    """See a response: its body is there, or it is read as the caller reads it."""
    try:
        response = kwargs["response"]
        if "_content" not in vars(response):
            exchange.received = tap(exchange, response)
            return
        exchange.replied(read_whole(response.content))
        exchange.received = True
    except Exception:  # noqa: BLE001 - the boundary: see `wire.boundary`
        faults.note()


@guarded
def _keep_back(result: Any, *, asynchronous: bool) -> None:
    """Have the caller get its stream without the chunk that it did not ask for."""
    if hasattr(result, "_iterator"):
        keep_back(result, asynchronous=asynchronous)


@guarded
def _fail(exchange: Exchange, error: BaseException) -> None:
    exchange.failed(error)


@guarded
def _miss(exchange: Exchange) -> None:
    """The caller has its result, of a response that went by unseen."""
    exchange.missed()


def _leave(token: Any) -> None:
    try:
        _current.reset(token)
    except ValueError:
        # A coroutine that was left is closed by whoever finds it, in another context.
        return


def _sync_request(original: Any, *, above: bool) -> Callable[..., Any]:
    call = _called_on(original)

    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        capture = _active
        if capture is None:
            return call(self, *args, **kwargs)
        exchange = capture.begin(self, args, kwargs, above=above)
        if exchange is None:
            return call(self, *args, **kwargs)
        if exchange.streams:
            args, kwargs = capture.ask(exchange, self, args, kwargs)
        token = _current.set(exchange)
        try:
            result = call(self, *args, **kwargs)
        except BaseException as error:
            _fail(exchange, error)
            raise
        finally:
            _leave(token)
        if not exchange.received:
            _miss(exchange)
        return result

    return request


def _async_request(original: Any, *, above: bool) -> Callable[..., Any]:
    call = _called_on(original)

    async def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        capture = _active
        if capture is None:
            return await call(self, *args, **kwargs)
        exchange = capture.begin(self, args, kwargs, above=above)
        if exchange is None:
            return await call(self, *args, **kwargs)
        if exchange.streams:
            args, kwargs = capture.ask(exchange, self, args, kwargs)
        token = _current.set(exchange)
        try:
            result = await call(self, *args, **kwargs)
        except BaseException as error:
            _fail(exchange, error)
            raise
        finally:
            _leave(token)
        if not exchange.received:
            _miss(exchange)
        return result

    return request


def _sync_process(original: Any) -> Callable[..., Any]:
    call = _called_on(original)

    def _process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _exchange_of(self, kwargs)
        if exchange is None:
            return call(self, *args, **kwargs)
        _receive(exchange, kwargs)
        result = call(self, *args, **kwargs)
        if exchange.asked:
            _keep_back(result, asynchronous=False)
        return result

    return _process_response


def _async_process(original: Any) -> Callable[..., Any]:
    call = _called_on(original)

    async def _process_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _exchange_of(self, kwargs)
        if exchange is None:
            return await call(self, *args, **kwargs)
        _receive(exchange, kwargs)
        result = await call(self, *args, **kwargs)
        if exchange.asked:
            _keep_back(result, asynchronous=True)
        return result

    return _process_response


def _called_on(original: Any) -> Callable[..., Any]:
    """A method as a function of its object, whatever kind of wrapper it may be."""
    if isinstance(original, FunctionType):
        return original
    return lambda self, *args, **kwargs: original.__get__(self, type(self))(*args, **kwargs)


def _wrap(kind: type[Any], name: str, wrap: Callable[[Any], Callable[..., Any]]) -> None:
    original = vars(kind)[name]
    if _is_ours(original) or not callable(original) or not hasattr(original, "__get__"):
        return
    wrapper = wrap(original)
    functools.update_wrapper(wrapper, original)
    setattr(wrapper, _OURS, True)
    setattr(kind, name, wrapper)


def _is_ours(method: Any) -> bool:
    """Whether a method, or what it wraps, is one of our wrappers."""
    while method is not None:
        if _OURS in getattr(method, "__dict__", {}):
            return True
        method = getattr(method, "__wrapped__", None)
    return False


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for subclass in type.__subclasses__(kind):
        yield subclass
        yield from _subclasses(subclass)


def _client_module() -> Any:
    """The module of OpenAI's base clients; None if there is none, or it is built otherwise."""
    try:
        module = importlib.import_module("openai._base_client")
    except ImportError:
        return None
    if all(_is_known(getattr(module, name, None)) for name in _BASES):
        return module
    _log.warning(
        "otel_token_monitor does not know how the client of openai %s is built, so usage that no "
        "span carries is not captured: use a version from 1.0 to 3.x, or upgrade "
        "otel-token-monitor",
        getattr(importlib.import_module("openai"), "__version__", "of an unknown version"),
    )
    return None


def _is_known(base: Any) -> bool:
    """Whether a base client has the places where capture stands."""
    methods = getattr(base, "__dict__", {})
    return all(
        name in methods and needed <= set(inspect.signature(methods[name]).parameters)
        for name, needed in _NEEDED.items()
    )
