"""What recorded responses say of usage, read with the standard library alone.

Nothing here is the package's: it is what the package is held against.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cassettes.recordings import Recording

__all__ = ["PARTS", "Tokens", "expected"]

_ENDS: Final = {f"response.{end}" for end in ("cancelled", "completed", "failed", "incomplete")}
_GOES_ON: Final = {
    *("in_progress", "queued", "requires_action"),
    # Of batches, whose usage is 0 until then.
    *("cancelling", "finalizing", "validating"),
}
_ADMINISTRATION: Final = {"dashboard", "organization"}
_FIRST_ERROR: Final = 400


class Tokens(NamedTuple):
    """The five parts."""

    input: int
    input_cached: int
    input_cache_write: int
    output: int
    output_reasoning: int


PARTS: Final = Tokens._fields


class _Said(NamedTuple):
    """What a response says, whole or by its events."""

    usage: Any = None
    id: Any = None
    status: Any = None
    is_list: bool = False


def expected(recordings: Iterable[Recording]) -> dict[str, Tokens]:
    """The tokens of each recorded request that is to have some, by the recording's name.

    A response that was fetched counts for the request that began it, if that had no usage yet, and
    once.
    """
    found: dict[str, Tokens] = {}
    awaited: dict[str, str] = {}
    for recording in recordings:
        said = _said(recording)
        usage = None if said.status in _GOES_ON else _tokens(said.usage)
        segments = urlsplit(recording.uri).path.split("/")
        if _ADMINISTRATION & set(segments) or recording.status >= _FIRST_ERROR:
            continue
        if recording.method == "GET" or said.id in segments:
            began = awaited.pop(said.id, None) if usage is not None else None
            if began is not None and usage is not None and not said.is_list:
                found[began] = usage
        elif usage is not None:
            found[recording.name] = usage
        elif isinstance(said.id, str) and said.status in _GOES_ON:
            awaited[said.id] = recording.name
    return found


def _said(recording: Recording) -> _Said:
    text = recording.text
    if text is None:
        return _Said()
    if not text.lstrip().startswith("{"):
        return _said_in_events(text)
    try:
        body = json.loads(text)
    except ValueError:
        return _Said()
    return _Said(
        body.get("usage"), body.get("id"), body.get("status"), body.get("object") == "list"
    )


def _said_in_events(text: str) -> _Said:
    usage = response_id = status = None
    for event in _events(text):
        response = event.get("response")
        if isinstance(response, dict):
            response_id, status = response.get("id"), response.get("status")
            if event.get("type") in _ENDS:
                usage = response.get("usage")
        elif event.get("object") == "thread.run":
            response_id, status = event.get("id"), event.get("status")
        if event.get("usage") is not None and event.get("object") != "thread.run.step":
            usage = event["usage"]
    return _Said(usage, response_id, status)


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("data:"):
            try:
                event = json.loads(line[5:])
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def _tokens(usage: Any) -> Tokens | None:
    """The five parts of a `usage` that has tokens."""
    if not isinstance(usage, dict):
        return None
    given = _first(usage, "input_tokens", "prompt_tokens")
    made = _first(usage, "output_tokens", "completion_tokens")
    total = _first(usage, "total_tokens")
    if given is None:
        return None
    if made is None:
        made = 0 if total is None else total - given
    cached = _detail(usage, "cached_tokens")
    written = _detail(usage, "cache_write_tokens")
    reasoning = _detail(usage, "reasoning_tokens")
    return Tokens(given - cached - written, cached, written, made - reasoning, reasoning)


def _first(usage: dict[str, Any], *names: str) -> int | None:
    return next((usage[name] for name in names if type(usage.get(name)) is int), None)


def _detail(usage: dict[str, Any], name: str) -> int:
    details = [value for key, value in usage.items() if key.endswith("_details")]
    return sum(found.get(name) or 0 for found in details if isinstance(found, dict))
