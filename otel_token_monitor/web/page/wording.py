"""How the page writes names, amounts and times. All that comes from outside is escaped here."""

from __future__ import annotations

from datetime import datetime
from html import escape
from math import floor
from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.limits import Unit
from otel_token_monitor.views.sums import cost_usd

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from otel_token_monitor.usage import Totals

__all__ = [
    "NANO",
    "amount_text",
    "cost_text",
    "count_text",
    "dollars_text",
    "duration_text",
    "html",
    "moment",
    "percent_text",
    "printable",
    "time_html",
]

NANO: Final = 1_000_000_000

_DAY: Final = 86400
_HOUR: Final = 3600
_MINUTE: Final = 60


def html(text: str) -> str:
    """A text from anywhere, as HTML."""
    return escape(printable(text))


def printable(text: str) -> str:
    """A text without what would turn its neighbours round; bytes of a path that are no UTF-8 shown.

    The name of a file may have any bytes, and the name of a model any characters.
    """
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    marker = "\N{REPLACEMENT CHARACTER}"
    return "".join(letter if letter.isprintable() else marker for letter in encodable)


def count_text(number: int, what: str) -> str:
    """A number and a noun, which takes an `s` unless it is one."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def dollars_text(usd: float) -> str:
    """Money, to the cent from a dime up: below that, fractions of a cent tell something."""
    if 0 < usd < 0.0001:  # noqa: PLR2004 - as it is written
        return "<$0.0001"
    return f"${usd:,.2f}" if usd >= 0.1 or not usd else f"${usd:.4f}"  # noqa: PLR2004 - as above


def cost_text(totals: Totals) -> str:
    """The cost of calls; `unknown` if no call's price is known."""
    usd = cost_usd(totals)
    return "unknown" if usd is None else dollars_text(usd)


def amount_text(unit: Unit, amount: int) -> str:
    """An amount of a budget's unit without the unit's name."""
    return dollars_text(unit.shown(amount)) if unit is Unit.USD else f"{amount:,}"


def percent_text(part: int, whole: int) -> str:
    """A share to one decimal, rounded down: nothing reads `90.0 %` before it is."""
    tenths = floor(part * 1000 / whole) if whole else 0
    return f"{tenths // 10:,}.{tenths % 10}\N{NO-BREAK SPACE}%"


def duration_text(duration_ns: int) -> str:
    """A time to come in its two largest units: `2 d 3 h`, `7 h 12 m`, `45 s`."""
    seconds = max(duration_ns // NANO, 0)
    days, hours = seconds // _DAY, seconds % _DAY // _HOUR
    minutes = seconds % _HOUR // _MINUTE
    if days:
        text = f"{days} d {hours} h"
    elif hours:
        text = f"{hours} h {minutes} m"
    else:
        text = f"{minutes} m" if minutes else f"{seconds} s"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def moment(time_ns: int, zone: ZoneInfo) -> datetime:
    """An instant in a time zone, to the second."""
    return datetime.fromtimestamp(time_ns // NANO, zone)


def time_html(time_ns: int, zone: ZoneInfo, text: str) -> str:
    """A text that says when, with the exact time behind it."""
    when = moment(time_ns, zone)
    shown = f"{when:%Y-%m-%d %H:%M:%S} {when.tzname()}"
    return f'<time datetime="{when.isoformat()}" title="{html(shown)}">{text}</time>'
