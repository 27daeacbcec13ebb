"""What a ledger keeps of alerts: what was notified, and what is still to be delivered to whom.

The functions run within a transaction of their caller. Times are UTC nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping

__all__ = [
    "GIVEN_UP",
    "LEASE_SECONDS",
    "BudgetState",
    "Delivery",
    "add_notification",
    "count_deliveries",
    "due_ns",
    "end_delivery",
    "forget_old",
    "lease",
    "note",
    "noted_ns",
    "postpone",
    "read_states",
    "read_targets",
    "remove_state",
    "see_targets",
    "unaddressed_since",
    "write_state",
]

GIVEN_UP: Final = "undelivered_alerts"
"""The health count of deliveries that were given up."""
LEASE_SECONDS: Final = 60
"""For so long a delivery is left to the process that has begun it."""

_NANO: Final = 1_000_000_000
_DAY_NS: Final = 86400 * _NANO
_DELIVERABLE_NS: Final = 7 * _DAY_NS
_TARGET_NS: Final = _DAY_NS
_NOTED_NS: Final = 30 * _DAY_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """What was last notified of a budget; the columns of `budget_state`."""

    budget: str
    status: int = 0
    window_start_ns: int = 0
    lower_since_ns: int | None = None
    reported_ppm: int = 0
    firing: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notification that this process is to bring to a target, before the lease ends.

    `attempts` is how many have failed.
    """

    target: str
    notification_id: int
    time_ns: int
    document: str
    attempts: int
    leased_ns: int

    @property
    def given_up_ns(self) -> int:
        """When it is too late."""
        return self.time_ns + _DELIVERABLE_NS


# What was notified.


def read_states(connection: sqlite3.Connection) -> dict[str, BudgetState]:
    """What was last notified of each budget; one that is missing is normal."""
    rows = connection.execute(
        "SELECT budget, status, window_start_ns, lower_since_ns, reported_ppm, firing "
        "FROM budget_state"
    ).fetchall()
    return {
        row[0]: BudgetState(
            budget=row[0],
            status=row[1],
            window_start_ns=row[2],
            lower_since_ns=row[3],
            reported_ppm=row[4],
            firing=row[5],
        )
        for row in rows
    }


def write_state(connection: sqlite3.Connection, state: BudgetState) -> None:
    """Note what is notified of a budget now."""
    connection.execute(
        "INSERT OR REPLACE INTO budget_state "
        "(budget, status, window_start_ns, lower_since_ns, reported_ppm, firing) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            state.budget,
            state.status,
            state.window_start_ns,
            state.lower_since_ns,
            state.reported_ppm,
            state.firing,
        ),
    )


def remove_state(connection: sqlite3.Connection, budget: str) -> None:
    """Forget a budget."""
    connection.execute("DELETE FROM budget_state WHERE budget = ?", (budget,))


def note(connection: sqlite3.Connection, key: str, now_ns: int) -> bool:
    """Note that something is notified; False if it was already (it is remembered for longer)."""
    cursor = connection.execute(
        "INSERT OR IGNORE INTO notified (key, seen_ns) VALUES (?, ?)", (key, now_ns)
    )
    if cursor.rowcount:
        return True
    connection.execute("UPDATE notified SET seen_ns = max(seen_ns, ?) WHERE key = ?", (now_ns, key))
    return False


def noted_ns(connection: sqlite3.Connection, key: str) -> int | None:
    """When something was last notified; None if it was not."""
    row = connection.execute("SELECT seen_ns FROM notified WHERE key = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


# What is to be delivered.


def see_targets(connection: sqlite3.Connection, targets: Mapping[str, str], now_ns: int) -> None:
    """Note that a process delivers to these targets (to their origins, '' for a file) now."""
    connection.executemany(
        "INSERT INTO alert_target (target, origin, seen_ns) VALUES (?, ?, ?) "
        "ON CONFLICT (target) DO UPDATE SET seen_ns = max(seen_ns, excluded.seen_ns)",
        [(target, origin, now_ns) for target, origin in targets.items()],
    )


def unaddressed_since(connection: sqlite3.Connection, targets: Iterable[str]) -> dict[str, int]:
    """Since when notifications have no longer been for each of these targets; 0: they never were.

    A time to come says that they still are.
    """
    seen = dict(connection.execute("SELECT target, seen_ns FROM alert_target").fetchall())
    return {target: seen[target] + _TARGET_NS if target in seen else 0 for target in targets}


def read_targets(connection: sqlite3.Connection, now_ns: int) -> dict[str, str]:
    """The origins of the targets that processes delivered to within the last day."""
    return dict(
        connection.execute(
            "SELECT target, origin FROM alert_target WHERE seen_ns >= ? ORDER BY target",
            (now_ns - _TARGET_NS,),
        ).fetchall()
    )


def add_notification(
    connection: sqlite3.Connection, document: str, targets: Collection[str], now_ns: int
) -> None:
    """Have a notification delivered to each of the targets; nothing if there is none."""
    if not targets:
        return
    cursor = connection.execute(
        "INSERT INTO notification (time_ns, document) VALUES (?, ?)", (now_ns, document)
    )
    connection.executemany(
        "INSERT INTO delivery (target, notification_id, attempts, next_ns, leased_ns) "
        "VALUES (?, ?, 0, 0, 0)",
        [(target, cursor.lastrowid) for target in targets],
    )


def count_deliveries(connection: sqlite3.Connection) -> int:
    """How many deliveries wait."""
    return int(connection.execute("SELECT count(*) FROM delivery").fetchone()[0])


def due_ns(connection: sqlite3.Connection, targets: Iterable[str]) -> dict[str, int]:
    """When the oldest delivery to each target may be tried; targets without any are left out."""
    found: dict[str, int] = {}
    for target in targets:
        row = connection.execute(
            "SELECT max(next_ns, leased_ns) FROM delivery WHERE target = ? "
            "ORDER BY notification_id LIMIT 1",
            (target,),
        ).fetchone()
        if row is not None:
            found[target] = int(row[0])
    return found


def lease(connection: sqlite3.Connection, target: str, now_ns: int) -> Delivery | None:
    """Take on the oldest delivery to a target; None if there is none that may be tried now."""
    row = connection.execute(
        "SELECT d.notification_id, n.time_ns, n.document, d.attempts, max(d.next_ns, d.leased_ns) "
        "FROM delivery d JOIN notification n ON n.id = d.notification_id "
        "WHERE d.target = ? ORDER BY d.notification_id LIMIT 1",
        (target,),
    ).fetchone()
    if row is None or row[4] > now_ns:
        return None
    leased_ns = now_ns + LEASE_SECONDS * _NANO
    connection.execute(
        "UPDATE delivery SET leased_ns = ? WHERE target = ? AND notification_id = ?",
        (leased_ns, target, row[0]),
    )
    return Delivery(
        target=target,
        notification_id=row[0],
        time_ns=row[1],
        document=row[2],
        attempts=row[3],
        leased_ns=leased_ns,
    )


def postpone(connection: sqlite3.Connection, delivery: Delivery, next_ns: int) -> None:
    """Give a delivery that failed back, unless another process has taken it over."""
    connection.execute(
        "UPDATE delivery SET attempts = attempts + 1, next_ns = ?, leased_ns = 0 "
        "WHERE target = ? AND notification_id = ? AND leased_ns = ?",
        (next_ns, delivery.target, delivery.notification_id, delivery.leased_ns),
    )


def end_delivery(
    connection: sqlite3.Connection, delivery: Delivery, *, given_up: bool = False
) -> None:
    """A delivery is done, or given up and counted; its notification goes with the last one."""
    cursor = connection.execute(
        "DELETE FROM delivery WHERE target = ? AND notification_id = ?",
        (delivery.target, delivery.notification_id),
    )
    if given_up:
        _count_given_up(connection, cursor.rowcount)
    connection.execute(
        "DELETE FROM notification WHERE id = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM delivery WHERE notification_id = ?1)",
        (delivery.notification_id,),
    )


def forget_old(connection: sqlite3.Connection, now_ns: int) -> int:
    """Forget what is long past; returns how many deliveries were given up, for want of a process.

    Whoever has a target gives its deliveries up at the same age.
    """
    late = "SELECT id FROM notification WHERE time_ns < ?"
    before = now_ns - _DELIVERABLE_NS - LEASE_SECONDS * _NANO
    given_up = connection.execute(
        f"DELETE FROM delivery WHERE notification_id IN ({late})",  # noqa: S608 - a literal
        (before,),
    ).rowcount
    _count_given_up(connection, given_up)
    connection.execute("DELETE FROM notification WHERE time_ns < ?", (before,))
    connection.execute("DELETE FROM alert_target WHERE seen_ns < ?", (now_ns - _NOTED_NS,))
    connection.execute("DELETE FROM notified WHERE seen_ns < ?", (now_ns - _NOTED_NS,))
    return given_up


def _count_given_up(connection: sqlite3.Connection, number: int) -> None:
    if number:
        connection.execute(
            "INSERT INTO health (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            (GIVEN_UP, number),
        )
