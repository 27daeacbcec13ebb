"""What is wrong with a configuration, said so that it can be mended."""

from __future__ import annotations

from difflib import get_close_matches
from reprlib import Repr
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["ConfigError", "PartsError", "key_text", "shown", "unknown"]

_SHOWN_LENGTH: Final = 80


class ConfigError(ValueError):
    """The configuration cannot be used; the message has a line for each of its `faults`."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(("the configuration cannot be used:", *self.faults)))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)


class PartsError(ValueError):
    """What is wrong within a value: each of `lines` continues the key that the value has.

    As in `.checkout.daily_limit: 0 is not a whole number from 1 up`.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class _Shortened(Repr):
    """The start of a `repr`, also of values whose own would be too long to make."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxlong = self.maxother = _SHOWN_LENGTH

    def repr_int(self, value: int, level: int) -> str:
        """As its parent; Python refuses to write out a number of thousands of digits."""
        try:
            return super().repr_int(value, level)
        except ValueError:
            return f"<a number of {value.bit_length()} bits>"


def shown(value: object) -> str:
    """The start of a value's `repr`, 80 characters at most."""
    text = _Shortened().repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}..."


def key_text(key: object) -> str:
    """A key as the user wrote it, if it can stand in a line as it is; else its `repr`."""
    plain = isinstance(key, str) and key.isprintable() and 0 < len(key) <= _SHOWN_LENGTH
    return key if plain and isinstance(key, str) and not set(key) & set(" '\":") else shown(key)


def unknown(key: object, known: Collection[str]) -> str:
    """Say that `key` is none of those known; its value stays unsaid, it may be a secret."""
    close = get_close_matches(key.lower() if isinstance(key, str) else "", known)
    remedy = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}"
    return f"{key_text(key)} is unknown; {remedy}"
