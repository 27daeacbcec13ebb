"""Names of time zones, and what was probably meant by a wrong one."""

from __future__ import annotations

import zoneinfo
from difflib import get_close_matches
from typing import Final

from otel_token_monitor.config.faults import PartsError, shown

__all__ = ["TIMEZONE", "check_timezone"]

TIMEZONE: Final = "the IANA name of a time zone, such as Asia/Seoul"

# Systems have these beside the zones: copies, with leap seconds even, and the machine's own.
_NO_ZONES: Final = ("posix", "right", "localtime", "Factory")


def check_timezone(name: str) -> str:
    """The name, if zoneinfo knows a zone by it.

    Raises PartsError, with the names that are close.
    """
    if not name.startswith(_NO_ZONES):
        try:
            return zoneinfo.ZoneInfo(name).key or name
        # A KeyError: there is none. Else it is a directory, no file, or no path.
        except (KeyError, OSError, ValueError):
            pass
    close = _close(name)
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    raise PartsError([f": {shown(name)} is not {TIMEZONE}{meant}"])


def _close(name: str) -> list[str]:
    known = {zone.lower(): zone for zone in sorted(zoneinfo.available_timezones())}
    wanted = name[:80].strip().lower().replace(" ", "_")
    cities = [zone for key, zone in known.items() if key.rpartition("/")[2] == wanted]
    return cities or [known[key] for key in get_close_matches(wanted, known)]
