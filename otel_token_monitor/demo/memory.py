"""What the demo server remembers between two requests."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from otel_token_monitor.demo import batches, responses

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.demo.replies import Json

__all__ = ["REMEMBERED", "Memory"]

REMEMBERED = 1000
"""How many of each a server remembers."""


class _Made:
    """What may still be in progress when it is asked for; `unfinished` is how it looks then."""

    def __init__(self, body: Json, polls: int, unfinished: Callable[[Json, str], Json]) -> None:
        self._body = body
        self._polls = polls
        self._unfinished = unfinished
        self._ended = False

    def retrieve(self, *, wait: bool = False) -> Json:
        """The body as it is now, or when it has ended; to ask brings it on."""
        if self._polls > 0 and not self._ended and not wait:
            self._polls -= 1
            return self._unfinished(self._body, "in_progress")
        self._ended = True
        return self._body


class _Response(_Made):
    """A response, which goes on in the background, or has ended."""

    def __init__(self, body: Json, polls: int) -> None:
        super().__init__(body, polls, responses.unfinished)
        self._ended = not body["background"]

    def cancel(self) -> Json | None:
        """The response, cancelled unless it has ended; None if it is not in the background."""
        if not self._body["background"]:
            return None
        if not self._ended:
            self._body = responses.unfinished(self._body, "cancelled")
            self._ended = True
        return self._body


class Memory:
    """Responses, batches, stored chat completions, and how often a key has failed."""

    def __init__(self) -> None:
        self._batches: OrderedDict[str, _Made] = OrderedDict()
        self._responses: OrderedDict[str, _Response] = OrderedDict()
        self._chats: OrderedDict[str, Json] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()

    def keep(self, body: Json, *, polls: int) -> None:
        """Remember a response, a batch, or a chat completion."""
        if body["object"] == "response":
            _remember(self._responses, body["id"], _Response(body, polls))
        elif body["object"] == "batch":
            _remember(self._batches, body["id"], _Made(body, polls, batches.unfinished))
        else:
            _remember(self._chats, body["id"], body)

    def response(self, response_id: str) -> _Response | None:
        """The response of an id."""
        return self._responses.get(response_id)

    def batch(self, batch_id: str) -> Json | None:
        """The batch of an id as it is now; to ask brings it on."""
        made = self._batches.get(batch_id)
        return None if made is None else made.retrieve()

    def chat(self, chat_id: str) -> Json | None:
        """The stored chat completion of an id."""
        return self._chats.get(chat_id)

    def chats(self) -> Json:
        """The list of all stored chat completions."""
        return _list(list(self._chats.values()))

    def batches(self) -> Json:
        """The list of all batches."""
        return _list([made.retrieve(wait=True) for made in self._batches.values()])

    def fails(self, key: str, times: int) -> bool:
        """Whether a request with this key is among the first so many; counts it if so."""
        failed = self._failures.get(key, 0)
        if failed >= times:
            return False
        _remember(self._failures, key, failed + 1)
        return True


def _list(bodies: list[Json]) -> Json:
    return {
        "object": "list",
        "data": bodies,
        "first_id": bodies[0]["id"] if bodies else None,
        "last_id": bodies[-1]["id"] if bodies else None,
        "has_more": False,
    }


def _remember(memory: OrderedDict[str, Any], key: str, value: object) -> None:
    """Store a value, forgetting the oldest beyond ``REMEMBERED``."""
    memory[key] = value
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
