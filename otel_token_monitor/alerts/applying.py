"""Noting moves in the ledger: of many processes that see the same, one notifies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_token_monitor.alerts.alert_log import LOG
from otel_token_monitor.alerts.notices import key_of
from otel_token_monitor.ledger import alert_book
from otel_token_monitor.ledger.policies import read_policy

if TYPE_CHECKING:
    import sqlite3

    from otel_token_monitor.alerts.planning import Move
    from otel_token_monitor.alerts.readings import Reading

__all__ = ["Applied", "apply_moves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The moves that this process made. `overtaken`: others were already, so look again."""

    moves: tuple[Move, ...]
    overtaken: bool


def apply_moves(
    connection: sqlite3.Connection, reading: Reading, moves: list[Move], external_url: str
) -> Applied:
    """Make each move whose budget is still as it was when it was read, within a transaction."""
    now_ns = reading.now_ns
    if read_policy(connection, now_ns).document != reading.document:
        return Applied(moves=(), overtaken=True)
    states = alert_book.read_states(connection)
    targets = list(alert_book.read_targets(connection, now_ns))
    made = []
    for move in moves:
        if states.get(move.budget) != move.before:
            continue
        made.append(move)
        if move.after is None:
            alert_book.remove_state(connection, move.budget)
        else:
            alert_book.write_state(connection, move.after)
        for key in move.own_keys:
            alert_book.note(connection, key, now_ns)
        for notice in move.notices:
            for alert in notice.alerts:
                alert_book.note(connection, key_of(alert), now_ns)
            alert_book.add_notification(
                connection,
                notice.document(external_url),
                notice.targets(targets, LOG),
                now_ns,
            )
    return Applied(moves=tuple(made), overtaken=len(made) < len(moves))
