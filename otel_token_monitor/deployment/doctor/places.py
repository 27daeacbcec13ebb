"""Whether two addresses lead to the same place, as far as their texts tell."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

__all__ = ["host_and_port", "same_place"]

_HERE: Final = "localhost"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on
_PORTS: Final = {"http": 80, "https": 443}


def same_place(one: str, other: str) -> bool:
    """Whether both have the same port and host; all names of this machine's own are one."""
    return _place(one) == _place(other)


def host_and_port(url: str) -> str:
    """Such as localhost:9464, as a target is written."""
    parts = urlsplit(url)
    host = parts.hostname or _HERE
    port = parts.port or _PORTS.get(parts.scheme, 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return url, 0
    host = parts.hostname or ""
    return (_HERE if host in _LOOPBACK else host), port
