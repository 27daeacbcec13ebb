"""What was observed of a call below OpenAI's client: its usage, and nothing that was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from otel_token_monitor.usage import TokenUsage

__all__ = ["Observation"]


class Observation(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One request and its response; None is what was not seen.

    `host` is `host:port`; `usage` is the JSON that the server sent, unchecked; `estimate` what a
    call used that was left before its usage came. `unmetered` is the reason if there is no usage;
    without one the server refused, or will tell the usage to who asks for `response_id` later.
    `fetched`: the request asked for a response that another had begun.
    """

    end_ns: int
    host: str
    endpoint: str
    model: str | None
    response_model: str | None = None
    response_id: str | None = None
    usage: bytes | None = None
    estimate: TokenUsage | None = None
    unmetered: str | None = None
    error_type: str | None = None
    first_token_ns: int | None = None
    fetched: bool = False
