"""What the demo server remembers between two requests."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from otel_token_monitor.demo import responses

if TYPE_CHECKING:
    from otel_token_monitor.demo.replies import Json

__all__ = ["REMEMBERED", "Memory"]

REMEMBERED = 1000
"""How many of each a server remembers."""


class _Response:
    """A response, which may still be in progress when it is asked for."""

    def __init__(self, body: Json, polls: int) -> None:
        self._body = body
        self._polls = polls
        self._ended = not body["background"]

    def retrieve(self, *, wait: bool = False) -> Json:
        """The response as it is now, or when it has ended; to ask brings it on."""
        if self._polls > 0 and not self._ended and not wait:
            self._polls -= 1
            return responses.unfinished(self._body, "in_progress")
        self._ended = True
        return self._body

    def cancel(self) -> Json | None:
        """The response, cancelled unless it has ended; None if it is not in the background."""
        if not self._body["background"]:
            return None
        if not self._ended:
            self._body = responses.unfinished(self._body, "cancelled")
            self._ended = True
        return self._body


class Memory:
    """Responses, stored chat completions, and how often a key has failed."""

    def __init__(self) -> None:
        self._responses: OrderedDict[str, _Response] = OrderedDict()
        self._chats: OrderedDict[str, Json] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()

    def keep(self, body: Json, *, polls: int) -> None:
        """Remember a response, or a chat completion."""
        if body["object"] == "response":
            _remember(self._responses, body["id"], _Response(body, polls))
        else:
            _remember(self._chats, body["id"], body)

    def response(self, response_id: str) -> _Response | None:
        """The response of an id."""
        return self._responses.get(response_id)

    def chat(self, chat_id: str) -> Json | None:
        """The stored chat completion of an id."""
        return self._chats.get(chat_id)

    def chats(self) -> Json:
        """The list of all stored chat completions."""
        ids = list(self._chats)
        return {
            "object": "list",
            "data": list(self._chats.values()),
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "has_more": False,
        }

    def fails(self, key: str, times: int) -> bool:
        """Whether a request with this key is among the first so many; counts it if so."""
        failed = self._failures.get(key, 0)
        if failed >= times:
            return False
        _remember(self._failures, key, failed + 1)
        return True


def _remember(memory: OrderedDict[str, Any], key: str, value: object) -> None:
    """Store a value, forgetting the oldest beyond ``REMEMBERED``."""
    memory[key] = value
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
