"""Numbers as users write them: counts, dollars and shares, read exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COUNT", "DOLLARS", "SHARE", "Amount", "plain_number"]

_MAX_COUNT: Final = 10**15
_MAX_DOLLARS: Final = 10**9
_NANO: Final = Decimal("1e-9")


class Amount(NamedTuple):
    """A kind of number: `read` gives it from what a user wrote, or raises ValueError."""

    takes: str
    read: Callable[[object], Any]


def plain_number(number: int | Decimal) -> int | float | str:
    """A number as JSON and YAML have it; text where a float would not be exact."""
    if number == int(number):
        return int(number)
    return float(number) if Decimal(repr(float(number))) == number else f"{number:f}"


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("no number")  # noqa: TRY004 - pydantic lets a TypeError pass
    try:
        # A float by its shortest text: 0.1 is meant as 0.1.
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except ArithmeticError:
        raise ValueError("no number") from None
    if not number.is_finite():
        raise ValueError("not finite")
    return number


def _count(value: object) -> int:
    number = _number(value)
    if not 1 <= number <= _MAX_COUNT or number != number.to_integral_value():
        raise ValueError("no count")
    return int(number)


def _dollars(value: object) -> Decimal:
    number = _number(value)
    if not 0 < number <= _MAX_DOLLARS or number != number.quantize(_NANO):
        raise ValueError("no amount")
    return Decimal(f"{number.quantize(_NANO).normalize():f}")


def _share(value: object) -> float:
    share = float(_number(value)) if not isinstance(value, float) else value
    if not 0 < share <= 1:  # nor is NaN
        raise ValueError("no share")
    return share


COUNT: Final = Amount(
    "a whole number from 1 to 10^15; leave it out for no limit",
    _count,
)
DOLLARS: Final = Amount(
    "US dollars over 0 and up to 10^9, with at most 9 decimal places; leave it out for no limit",
    _dollars,
)
SHARE: Final = Amount("a share over 0 and up to 1, such as 0.8", _share)
