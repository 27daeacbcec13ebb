"""Whose limits hold in a ledger that several applications write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

__all__ = ["LIVE_SECONDS", "PolicyRow", "PolicyStanding", "declare_policy", "read_policy"]

LIVE_SECONDS: Final = 300
"""An application that has not declared its policy for so long has ended."""

_NANO: Final = 1_000_000_000
_KEPT_NS: Final = 30 * 86400 * _NANO
_KEY: Final = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """What an application goes by: `document` is JSON, `digest` names it and its owner.

    `owner` is the application's project. `silent`: it sets nothing of its own.
    """

    digest: str
    document: str
    owner: str
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStanding:
    """The policy that holds in a ledger (None if none was ever declared).

    `contested`: running applications declare different ones.
    """

    document: str | None = None
    contested: bool = False


def declare_policy(
    connection: sqlite3.Connection, row: PolicyRow, now_ns: int, *, starting: bool
) -> PolicyStanding:
    """Say what this application goes by, when it starts and then about once a minute.

    The application that started last decides; whose policy was overruled gets its way when the
    other has ended. One that sets nothing changes nothing, but for limits that its own project had:
    they were taken away, which holds once nobody goes by them any more.
    """
    connection.execute(
        "INSERT INTO policy (digest, document, owner, silent, seen_ns) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (digest) DO UPDATE SET seen_ns = max(seen_ns, excluded.seen_ns)",
        (row.digest, row.document, row.owner, row.silent, now_ns),
    )
    holder = connection.execute(
        "SELECT p.owner, p.silent, p.seen_ns FROM ledger l JOIN policy p ON p.digest = l.value "
        "WHERE l.key = ?",
        (_KEY,),
    ).fetchone()
    if holder is None or _yields(*holder, to=row, now_ns=now_ns, starting=starting):
        connection.execute(
            "INSERT OR REPLACE INTO ledger (key, value) VALUES (?, ?)", (_KEY, row.digest)
        )
    connection.execute(
        "DELETE FROM policy WHERE seen_ns < ? AND digest <> ?", (now_ns - _KEPT_NS, row.digest)
    )
    return read_policy(connection, now_ns)


def _yields(  # noqa: PLR0913 - the columns of a row, and who comes
    owner: str, silent: int, seen_ns: int, *, to: PolicyRow, now_ns: int, starting: bool
) -> bool:
    """Whether the policy that holds gives way to another."""
    has_ended = seen_ns < now_ns - LIVE_SECONDS * _NANO
    if to.silent:
        return has_ended and owner == to.owner
    return starting or has_ended or bool(silent)


def read_policy(connection: sqlite3.Connection, now_ns: int) -> PolicyStanding:
    """The policy that holds, and whether running applications disagree."""
    held = connection.execute(
        "SELECT p.document FROM ledger l JOIN policy p ON p.digest = l.value WHERE l.key = ?",
        (_KEY,),
    ).fetchone()
    (live,) = connection.execute(
        "SELECT count(DISTINCT document) FROM policy WHERE NOT silent AND seen_ns >= ?",
        (now_ns - LIVE_SECONDS * _NANO,),
    ).fetchone()
    return PolicyStanding(document=None if held is None else held[0], contested=live > 1)
