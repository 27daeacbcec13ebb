"""What tells alerts apart: a short number over their labels, the same that Alertmanager has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["fingerprint", "notice_key"]

# FNV-1a, 64 bits.
_OFFSET: Final = 14695981039346656037
_PRIME: Final = 1099511628211
_MASK: Final = 2**64 - 1
_SEPARATOR: Final = b"\xff"


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hexadecimal digits over the labels."""
    number = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in name.encode() + _SEPARATOR + value.encode() + _SEPARATOR:
            number = ((number ^ byte) * _PRIME) & _MASK
    return f"{number:016x}"


def notice_key(fingerprint_: str, starts_ns: int, status: str) -> str:
    """The key under which a notice is known: a repeat, from wherever, has the same."""
    return f"alert/{fingerprint_}/{starts_ns // 1_000_000}/{status}"
