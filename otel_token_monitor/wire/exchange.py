"""One request of OpenAI's client and its response, as an observation in the making."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from otel_token_monitor.dialects.bodies import parsed_usage, usage_in_body
from otel_token_monitor.spans.observation import Observation
from otel_token_monitor.wire.endpoints import IN_PROGRESS, POLLED, host_of, place_of
from otel_token_monitor.wire.estimates import estimated_usage
from otel_token_monitor.wire.replies import Reply

if TYPE_CHECKING:
    from otel_token_monitor.spans.processor import Stamp, TokenSpanProcessor
    from otel_token_monitor.usage import TokenUsage

__all__ = ["Exchange"]


class Exchange:
    """What is known of one request while it is under way.

    `server` is the client's base URL, `options` those that it was given; `above`: it was given them
    by a class that may have other requests made. Each exchange is observed at most once, whatever
    ends it first, in the process where it began. All times are UTC, in nanoseconds.
    """

    __slots__ = (
        "_is_get",
        "_pid",
        "_place",
        "_processor",
        "_request",
        "_server",
        "_stamp",
        "above",
        "asked",
        "done",
        "options",
        "received",
        "streams",
    )

    def __init__(
        self,
        processor: TokenSpanProcessor,
        server: Any,
        options: Any,
        *,
        streams: bool,
        above: bool = False,
    ) -> None:
        self._processor = processor
        self._pid = os.getpid()
        # As the client was given it: a proxy or a transport may lead elsewhere.
        self._server = server
        self.options = options
        self._request: Any = options.json_data
        self.streams = streams
        self.above = above
        # Whether the server was asked for a usage that the caller did not ask for.
        self.asked = False
        # Whether its response was seen, and ends it sooner or later.
        self.received = False
        self._place = place = place_of(str(options.url))
        self._is_get = is_get = options.method.lower() == "get"
        # Whether nothing more is to be seen of it.
        self.done = not (self._may_be_polled if is_get else place.counts)
        self._stamp: Stamp | None = None
        if place.is_call and not is_get:
            self._stamp = processor.announce()

    @property
    def endpoint(self) -> str:
        """The path without `/v1/` and without ids."""
        return self._place.endpoint

    @property
    def host(self) -> str:
        """The server's `host:port`."""
        return host_of(self._server)

    @property
    def _may_be_polled(self) -> bool:
        return self._place.has_id and self._place.endpoint.startswith(POLLED)

    def withdraw(self) -> None:
        """Leave it to other exchanges: there was no such request, or it was theirs."""
        if not self.done:
            self.done = True
            self._emit(None)

    def missed(self) -> None:
        """Observe that the response went by unseen, if there was one."""
        if self.above:
            self.withdraw()
        else:
            self.replied(Reply())

    def failed(self, error: BaseException) -> None:
        """Observe that no response came, or one that refuses; if it was a call at all."""
        if self.done:
            return
        self.done = True
        if self._place.is_call and not self._is_get:
            self._observe(unmetered=_why(error), error_type=type(error).__name__)
        else:
            self._emit(None)

    def replied(
        self,
        reply: Reply,
        *,
        complete: bool = True,
        error: BaseException | None = None,
        first_token_ns: int | None = None,
    ) -> None:
        """Observe a body: all of it if it is `complete`, else what was read of it."""
        if self.done:
            return
        self.done = True
        fetched = self._is_get or (self._place.has_id and self._is_named(reply.response_id))
        goes_on = reply.status in IN_PROGRESS and self._place.endpoint.startswith(POLLED)
        if goes_on or (fetched and reply.is_list):
            # Not all that it will use; or of calls that were counted when they were made.
            reply.usage = None
        if reply.usage is not None and (complete or reply.final):
            self._observe(reply, reply.usage, first_token_ns=first_token_ns, fetched=fetched)
        elif fetched and reply.status is not None and not goes_on:
            self._observe(reply, unmetered="no_usage", fetched=True)
        elif fetched or not self._place.is_call:
            self._emit(None)
        else:
            self._observe_without_usage(reply, first_token_ns, error, complete=complete)

    def _observe_without_usage(
        self,
        reply: Reply,
        first_token_ns: int | None,
        error: BaseException | None,
        *,
        complete: bool,
    ) -> None:
        unmetered = estimate = None
        error_type = reply.error
        if error_type is None and error is not None and not reply.final:
            error_type = type(error).__name__
        if not self._is_pending(reply):
            unmetered = "stream_without_usage" if self.streams else "no_usage"
            if reply.error is not None or not (complete or reply.final):
                unmetered = "abandoned"
                estimate = self._estimate(reply)
        self._observe(
            reply,
            estimate=estimate,
            unmetered=unmetered,
            error_type=error_type,
            first_token_ns=first_token_ns,
        )

    def _estimate(self, reply: Reply) -> TokenUsage:
        # Servers that count as they go have told better than any rule.
        told = None if reply.usage is None else usage_in_body(parsed_usage(reply.usage)).usage
        return estimated_usage(self._request, reply.text_bytes) if told is None else told

    def _is_named(self, response_id: str | None) -> bool:
        """Whether the request asked for this response, which had been begun by an earlier one."""
        return response_id is not None and response_id in str(self.options.url)

    def _is_pending(self, reply: Reply) -> bool:
        """Whether the call goes on at the server, who will tell the usage later."""
        if reply.usage is not None or reply.response_id is None:
            return False
        background = isinstance(self._request, dict) and self._request.get("background") is True
        unfinished = reply.status in IN_PROGRESS and (background or not self.streams)
        return self._place.endpoint in POLLED and unfinished

    def _observe(  # noqa: PLR0913 - what was seen, by name
        self,
        reply: Reply | None = None,
        usage: bytes | None = None,
        *,
        estimate: TokenUsage | None = None,
        unmetered: str | None = None,
        error_type: str | None = None,
        first_token_ns: int | None = None,
        fetched: bool = False,
    ) -> None:
        model = self._request.get("model") if isinstance(self._request, dict) else None
        observation = Observation(
            end_ns=time.time_ns(),
            host=self.host,
            endpoint=self._place.endpoint,
            model=model if isinstance(model, str) and model else self._place.deployment,
            response_model=None if reply is None else reply.model,
            response_id=None if reply is None else reply.response_id,
            usage=usage,
            estimate=estimate,
            unmetered=unmetered,
            error_type=error_type,
            first_token_ns=first_token_ns,
            fetched=fetched,
        )
        self._emit(observation)

    def first_token_after(self, instant_ns: int) -> int | None:
        """The time from the request to an instant."""
        return None if self._stamp is None else max(instant_ns - self._stamp.start_ns, 0)

    def _emit(self, observation: Observation | None) -> None:
        stamp, self._stamp = self._stamp, None
        self._request = self.options = None
        if self._pid != os.getpid():
            # It is the parent that will see it end.
            return
        if stamp is None:
            if observation is None:
                return
            stamp = self._processor.announce()
        self._processor.observe(stamp, observation)


def _why(error: BaseException) -> str | None:
    """Why there is no usage; None if the server answered and refused."""
    if not isinstance(error, Exception):
        # Cancelled, closed, interrupted: the server may go on, and will be paid.
        return "abandoned"
    return None if isinstance(getattr(error, "status_code", None), int) else "no_response"
