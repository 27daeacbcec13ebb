"""Numbers, money, shares, times and names as they stand in a line of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.limits import Unit
from otel_token_monitor.usage import NANODOLLARS
from otel_token_monitor.views.sums import cost_usd

if TYPE_CHECKING:
    from otel_token_monitor.usage import Totals

__all__ = [
    "NOTHING",
    "amount_text",
    "cost_text",
    "count_text",
    "percent_text",
    "printable",
    "span_text",
]

NOTHING: Final = "—"
"""Stands where there is nothing to tell."""

# From here on, fractions of a cent tell nobody anything.
_LARGE_USD: Final = 100
_SMALL_USD: Final = NANODOLLARS // 10
_HUNDRED: Final = 100
_MOST_PERCENT: Final = 999
_NANO: Final = 1_000_000_000
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_THOUSAND: Final = 1000
_PREFIXES: Final = ("", "k", "M", "G", "T", "P")


def count_text(number: int, what: str) -> str:
    """A number and a noun, which takes an `s` unless it is one."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def cost_text(totals: Totals) -> str:
    """The cost in dollars; `unknown` if no call's price is known."""
    usd = cost_usd(totals)
    if usd is None:
        return "unknown"
    if usd >= _LARGE_USD:
        return f"${usd:,.2f}"
    return "<$0.0001" if 0 < usd < 0.0001 else f"${usd:.4f}"  # noqa: PLR2004 - as it is written


def amount_text(amount: int, unit: Unit) -> str:
    """An amount of a budget in three digits or so: `842k`, `1.00M`, `$8.20`.

    Money is in nano-dollars. Rounded down: what is not reached never looks as if it were.
    """
    if unit is not Unit.USD:
        return _three_digits(amount, 1, 0)
    if 0 < amount < _SMALL_USD:
        return "<$0.0001" if amount < NANODOLLARS // 10_000 else f"${_cut(amount, NANODOLLARS, 4)}"
    return f"${_three_digits(amount, NANODOLLARS, 2 if amount < _HUNDRED * NANODOLLARS else 0)}"


def percent_text(part: int, whole: int) -> str:
    """The share in whole percent, rounded down: 79.99 % is not 80 %, nor is 0.1 % nothing."""
    percent = part * _HUNDRED // whole
    if part and not percent:
        return "<1%"
    return f"{percent}%" if percent <= _MOST_PERCENT else f">{_MOST_PERCENT}%"


def span_text(nanoseconds: int) -> str:
    """How long something lasts, by its two largest parts: `7d 3h`, `7h 02m`, `12m`, `45s`."""
    seconds = max(nanoseconds, 0) // _NANO
    if seconds >= _DAY:
        return f"{seconds // _DAY}d {seconds % _DAY // _HOUR}h"
    if seconds >= _HOUR:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE:02}m"
    return f"{seconds // _MINUTE}m" if seconds > _MINUTE else f"{seconds}s"


def printable(name: str) -> str:
    """The name without what would steer the terminal: names come from anywhere."""
    marker = "\N{REPLACEMENT CHARACTER}"
    return "".join(letter if letter.isprintable() else marker for letter in name)


def _three_digits(number: int, one: int, places: int) -> str:
    """`number / one` with three digits and a prefix; below a thousand with so many `places`."""
    power = 0
    while number >= one * _THOUSAND and power < len(_PREFIXES) - 1:
        power, one = power + 1, one * _THOUSAND
    if power:
        places = 2 if number < 10 * one else 1 if number < _HUNDRED * one else 0
    return f"{_cut(number, one, places)}{_PREFIXES[power]}"


def _cut(number: int, one: int, places: int) -> str:
    """`number / one` with so many decimal places, rounded down."""
    scaled = number * 10**places // one
    if not places:
        return str(scaled)
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}}"
