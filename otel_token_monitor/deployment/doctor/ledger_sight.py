"""Looking at a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.budgets.windows import Window
from otel_token_monitor.deployment.doctor.ledgers import LedgerSeen
from otel_token_monitor.ledger.alert_book import GIVEN_UP
from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.ledger.filesystem import network_file_system
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.usage import QUARTER_SECONDS

if TYPE_CHECKING:
    import sqlite3

    from otel_token_monitor.config import TokenMonitorConfig
    from otel_token_monitor.ledger.database import Location

__all__ = ["look_at_ledger"]

_NANO: Final = 1_000_000_000
_WAITING: Final = (
    "SELECT count(*), coalesce(min(n.time_ns), 0) FROM delivery d "
    "JOIN notification n ON n.id = d.notification_id WHERE d.attempts > 0"
)
_CALLS: Final = (
    "SELECT (SELECT coalesce(sum(requests_ok + requests_error), 0) FROM counter), "
    "(SELECT max(time_ns) FROM record)"
)


def look_at_ledger(location: Location, settings: TokenMonitorConfig) -> LedgerSeen:
    """What is to be seen of the ledger of a file; nothing is changed."""
    reader = LedgerReader(location)
    place = str(location)
    network = None if location.path is None else network_file_system(location.path.parent)
    try:
        with reader.moment():
            standing = reader.policy()
            limits = Policy.held(standing.document, Policy.of(settings)).limits
            calls, last_call_ns = reader.query(_calls)
            waiting, waiting_since_ns, given_up = reader.query(_deliveries)
            return LedgerSeen(
                place=place,
                ledger_id=reader.ledger_id(),
                network=network,
                calls=calls,
                last_call_ns=_last_ns(reader.extent(), last_call_ns),
                limits=len(limits),
                per_minute=any(limit.window is Window.MINUTE for limit in limits),
                contested=standing.contested,
                waiting=waiting,
                waiting_since_ns=waiting_since_ns,
                given_up=given_up,
            )
    except LedgerError as error:
        return LedgerSeen(place=place, trouble=str(error), network=network)
    finally:
        reader.close()


def _calls(connection: sqlite3.Connection) -> tuple[int, int | None]:
    calls, last_ns = connection.execute(_CALLS).fetchone()
    return int(calls), last_ns


def _deliveries(connection: sqlite3.Connection) -> tuple[int, int, int]:
    waiting, since_ns = connection.execute(_WAITING).fetchone()
    given_up = connection.execute("SELECT value FROM health WHERE name = ?", (GIVEN_UP,)).fetchone()
    return int(waiting), int(since_ns), 0 if given_up is None else int(given_up[0])


def _last_ns(extent: tuple[int, int] | None, recorded_ns: int | None) -> int | None:
    """When the last call ended; of one whose record is gone, the quarter-hour."""
    if extent is None:
        return recorded_ns
    return max(extent[1] * QUARTER_SECONDS * _NANO, recorded_ns or 0)
