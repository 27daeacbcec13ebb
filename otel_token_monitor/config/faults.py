"""What is wrong with a configuration, said so that it can be mended."""

from __future__ import annotations

from reprlib import Repr
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SHOWN_LENGTH", "ConfigError", "shown"]

SHOWN_LENGTH: Final = 80


class ConfigError(ValueError):
    """The configuration cannot be used; the message has a line for each of its `faults`."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(("the configuration cannot be used:", *self.faults)))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)


class _Shortened(Repr):
    """The start of a `repr`, also of values whose own would be too long to make."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxlong = self.maxother = SHOWN_LENGTH

    def repr_int(self, value: int, level: int) -> str:
        """As its parent; Python refuses to write out a number of thousands of digits."""
        try:
            return super().repr_int(value, level)
        except ValueError:
            return f"<a number of {value.bit_length()} bits>"


def shown(value: object) -> str:
    """The start of a value's `repr`, 80 characters at most."""
    text = _Shortened().repr(value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 3]}..."
