"""Which requests of OpenAI's client are calls to models, and under which endpoint they count."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

__all__ = ["IN_PROGRESS", "POLLED", "Place", "host_of", "place_of"]

_CALLS: Final = frozenset(
    {
        "audio/speech",
        "audio/transcriptions",
        "audio/translations",
        "batches",
        "chat/completions",
        "completions",
        "decisions",
        "embeddings",
        "images/edits",
        "images/generations",
        "images/variations",
        "responses",
        "responses/compact",
        "threads/runs",
    }
)

POLLED: Final = ("batches", "responses", "threads/runs")
"""Endpoints that may answer before the call has ended: it is asked for again by its id."""

IN_PROGRESS: Final = frozenset(
    {"cancelling", "finalizing", "in_progress", "queued", "requires_action", "validating"}
)
"""The status of a response, run or batch that goes on at the server."""

# What reports usage, and is none.
_ADMINISTRATION: Final = ("organization", "dashboard")
_DEPLOYMENT: Final = re.compile(r"(?:^|.*/)deployments/(?P<model>[^/]+)/(?P<rest>.+)")
# An id: a word, a separator, and at least eight characters with a digit among them.
_ID: Final = re.compile(r"(?=.*\d)[A-Za-z]+[-_][-\w]{8,}")

_HTTPS: Final = 443
_MAX_HOSTS: Final = 256
# By identity: a client has one URL, which takes itself apart each time that it is compared.
_hosts: dict[int, tuple[Any, str]] = {}
_NO_HOST: Final = (None, "")


class Place(NamedTuple):
    """Where a request goes: OpenAI's path without `/v1/` and without ids; Azure's deployment.

    `is_call`: it is a call to a model also if it has no usage; `counts`: usage there is usage.
    """

    endpoint: str
    deployment: str | None
    has_id: bool
    is_call: bool
    counts: bool


def host_of(server: Any) -> str:
    """The `host:port` of a URL as clients have it."""
    known, host = _hosts.get(id(server), _NO_HOST)
    if known is not server:
        host = f"{server.host}:{server.port or _HTTPS}"
        if len(_hosts) >= _MAX_HOSTS:
            _hosts.clear()
        _hosts[id(server)] = server, host
    return host


@lru_cache(maxsize=1024)
def place_of(url: str) -> Place:
    """The place of a URL as a client's resource gives it: a path, or a whole one."""
    whole = "://" in url
    try:
        path = urlsplit(url).path
    except ValueError:
        path = url
    if whole:
        path = path.rpartition("/v1/")[2]
    path = path.strip("/")
    deployment = None
    match = _DEPLOYMENT.fullmatch(path)
    if match is not None:
        deployment, path = match["model"], match["rest"]
    segments = path.split("/")
    words = [segment for segment in segments if _ID.fullmatch(segment) is None]
    endpoint = "/".join(words)
    return Place(
        endpoint,
        deployment,
        has_id=len(words) < len(segments),
        is_call=endpoint in _CALLS,
        counts=words[:1] == [] or words[0] not in _ADMINISTRATION,
    )
