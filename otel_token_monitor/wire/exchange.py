"""One request of OpenAI's client and its response, as an observation in the making."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.dialects.bodies import usage_in_body
from otel_token_monitor.spans.observation import Observation
from otel_token_monitor.wire.endpoints import IN_PROGRESS, POLLED, place_of
from otel_token_monitor.wire.estimates import estimated_usage
from otel_token_monitor.wire.replies import read_whole

if TYPE_CHECKING:
    from otel_token_monitor.spans.processor import Stamp, TokenSpanProcessor
    from otel_token_monitor.usage import TokenUsage
    from otel_token_monitor.wire.replies import Reply

__all__ = ["Exchange"]

_HTTPS: Final = 443


class Exchange:
    """What is known of one request while it is under way.

    `server` is the client's base URL, `options` those that it was given; `above`: it was given them
    by a class that may have other requests made. Each exchange is observed at most once, whatever
    ends it first, in the process where it began. All times are UTC, in nanoseconds.
    """

    __slots__ = (
        "_done",
        "_is_get",
        "_pid",
        "_place",
        "_processor",
        "_request",
        "_stamp",
        "above",
        "asked",
        "host",
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
        self.options = options
        self.streams = streams
        self.above = above
        # Whether the server was asked for a usage that the caller did not ask for.
        self.asked = False
        # Whether its response was seen, and ends it sooner or later.
        self.received = False
        self._place = place_of(str(options.url))
        self._request: Any = options.json_data
        self._is_get = options.method.lower() == "get"
        # As the client was given it: a proxy or a transport may lead elsewhere.
        self.host = f"{server.host}:{server.port or _HTTPS}"
        self._stamp: Stamp | None = None
        self._done = not self._place.counts or (self._is_get and not self._may_be_polled)
        if self._place.is_call and not self._is_get and not self._done:
            self._stamp = processor.announce()

    @property
    def endpoint(self) -> str:
        """The path without `/v1/` and without ids."""
        return self._place.endpoint

    @property
    def done(self) -> bool:
        """Whether nothing more is to be seen of it."""
        return self._done

    @property
    def _may_be_polled(self) -> bool:
        return self._place.has_id and self._place.endpoint.startswith(tuple(POLLED))

    def withdraw(self) -> None:
        """Leave it to other exchanges: there was no such request, or it was theirs."""
        if not self._done:
            self._done = True
            self._emit(None)

    def missed(self) -> None:
        """Observe that the response went by unseen, if there was one."""
        if self.above:
            self.withdraw()
        else:
            self.replied(read_whole(b""))

    def failed(self, error: BaseException) -> None:
        """Observe that no response came, or one that refuses; if it was a call at all."""
        if self._done:
            return
        self._done = True
        observation = None
        if self._place.is_call and not self._is_get:
            observation = self._observation(
                None, unmetered=_why(error), error_type=type(error).__name__
            )
        self._emit(observation)

    def replied(
        self,
        reply: Reply,
        *,
        complete: bool = True,
        error: BaseException | None = None,
        first_token_ns: int | None = None,
    ) -> None:
        """Observe a body: all of it if it is `complete`, else what was read of it."""
        if self._done:
            return
        self._done = True
        fetched = self._fetched(reply)
        if fetched and reply.is_list:
            # It tells of calls that were counted when they were made.
            reply.usage = None
        known = reply.usage is not None and (complete or reply.final)
        if not known and (fetched or not self._place.is_call):
            self._emit(None)
            return
        pending = not known and self._pending(reply)
        abandoned = not known and not complete and not reply.final and not pending
        observation = self._observation(
            reply,
            usage_known=known,
            unmetered=None if known or pending else self._reason(abandoned=abandoned),
            estimate=self._estimate(reply) if abandoned else None,
            error_type=None if error is None or known or reply.final else type(error).__name__,
            first_token_ns=first_token_ns,
            fetched=fetched,
        )
        self._emit(observation)

    def _reason(self, *, abandoned: bool) -> str:
        if abandoned:
            return "abandoned"
        return "stream_without_usage" if self.streams else "no_usage"

    def _estimate(self, reply: Reply) -> TokenUsage:
        # Servers that count as they go have told better than any rule.
        partial = usage_in_body(reply.usage).usage
        return estimated_usage(self._request, reply.text_bytes) if partial is None else partial

    def _fetched(self, reply: Reply) -> bool:
        """Whether the response had been begun by an earlier request."""
        return self._is_get or (
            self._place.has_id
            and reply.response_id is not None
            and reply.response_id in str(self.options.url)
        )

    def _pending(self, reply: Reply) -> bool:
        if reply.usage is not None or reply.response_id is None or self._is_get:
            return False
        background = isinstance(self._request, dict) and self._request.get("background") is True
        unfinished = reply.status in IN_PROGRESS and (background or not self.streams)
        return self._place.endpoint in POLLED and unfinished

    def _observation(  # noqa: PLR0913 - what was seen, by name
        self,
        reply: Reply | None,
        *,
        usage_known: bool = True,
        unmetered: str | None = None,
        estimate: TokenUsage | None = None,
        error_type: str | None = None,
        first_token_ns: int | None = None,
        fetched: bool = False,
    ) -> Observation:
        model = self._request.get("model") if isinstance(self._request, dict) else None
        return Observation(
            end_ns=time.time_ns(),
            host=self.host,
            endpoint=self._place.endpoint,
            model=model if isinstance(model, str) and model else self._place.deployment,
            response_model=None if reply is None else reply.model,
            response_id=None if reply is None else reply.response_id,
            usage=reply.usage if reply is not None and usage_known else None,
            estimate=estimate,
            unmetered=unmetered,
            error_type=error_type,
            first_token_ns=first_token_ns,
            fetched=fetched,
        )

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
