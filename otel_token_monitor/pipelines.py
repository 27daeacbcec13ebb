"""The pipelines of this process, one a ledger, whoever counts into it; and what forks and ends.

Spans and calls that are logged by hand must come together to be seen as one, so all monitors of one
ledger share a pipeline.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.filesystem import network_file_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.pipeline import Pipeline

__all__ = ["finish", "join", "leave"]

_log = logging.getLogger("otel_token_monitor")

_MEMORY: Final = ":memory:"


class _Shared:
    """A pipeline, and who uses it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.users: WeakSet[object] = WeakSet()
        self.said_lost = False
        self._known_to_multiprocessing = False
        self.finish_with_multiprocessing()

    def finish(self) -> None:
        """Write what was counted; what still ends after this is written at once."""
        if not self.pipeline.close() and not self.said_lost:
            self.said_lost = True
            _log.error(
                "%d calls could not be written to the ledger %s before the process ended",
                self.pipeline.backlog,
                self.pipeline.location,
            )

    def finish_with_multiprocessing(self) -> None:
        """See that a child of multiprocessing writes what it has counted: most skip `atexit`."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is None:
            return
        _add_finalizer(self)
        if not self._known_to_multiprocessing:
            # A child that begins forgets all finalizers, and then does what was registered here.
            self._known_to_multiprocessing = True
            util.register_after_fork(self, _add_finalizer)

    def after_fork_in_child(self) -> None:
        """Count anew."""
        self.pipeline.after_fork_in_child()
        self.said_lost = False
        self.finish_with_multiprocessing()


def _add_finalizer(shared: _Shared) -> None:
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, shared.finish, exitpriority=0)


_shared: dict[str, _Shared] = {}
_changing = threading.Lock()
# Which pipelines stand still for the fork that a thread is about to make.
_forking: dict[int, list[_Shared]] = {}


def join(user: object, data_dir: str, make: Callable[[Location], Pipeline]) -> Pipeline:
    """The pipeline of the ledger in a directory, or in memory: `make` makes it, if need be.

    `user` uses it until it leaves, or is collected.
    """
    key = data_dir if data_dir == _MEMORY else str(Path(data_dir).resolve())
    stale = None
    with _changing:
        shared = _shared.get(key)
        if shared is None or not shared.users:
            # Those who set it up are gone, and their settings with them.
            stale, shared = shared, _Shared(make(_locate(data_dir)))
            _shared[key] = shared
        shared.users.add(user)
    if stale is not None:
        stale.finish()
    return shared.pipeline


def leave(user: object) -> None:
    """Have a user use its pipeline no more: all is written, and the last one closes it."""
    with _changing:
        left = [(key, shared) for key, shared in _shared.items() if user in shared.users]
        for key, shared in left:
            shared.users.discard(user)
            if not shared.users:
                del _shared[key]
    for _, shared in left:
        if shared.users:
            shared.pipeline.force_flush()
        else:
            shared.finish()


def finish() -> None:
    """Write what was counted: the process is about to end."""
    for shared in list(_shared.values()):
        shared.finish()


def _locate(data_dir: str) -> Location:
    """Where the ledger is kept: in the directory, unless SQLite cannot work there."""
    if data_dir == _MEMORY:
        return Location.in_memory()
    kind = network_file_system(Path(data_dir))
    if kind is None:
        return Location.in_directory(Path(data_dir))
    _log.error(
        "%s is on a network file system (%s), on which SQLite's write-ahead log does not work: "
        "counting in memory, and the totals end with this process. Set TOKEN_MONITOR_DATA_DIR to a "
        "local directory.",
        Path(data_dir).absolute(),
        kind,
    )
    return Location.in_memory()


def _before_fork() -> None:
    """Let nobody be in the midst of SQLite when the process forks."""
    standing = _forking[threading.get_ident()] = list(_shared.values())
    for shared in standing:
        shared.pipeline.before_fork()


def _after_fork_in_parent() -> None:
    for shared in _forking.pop(threading.get_ident(), []):
        shared.pipeline.after_fork_in_parent()


def _after_fork_in_child() -> None:
    """Count anew: the parent keeps its open calls and what it had queued."""
    global _changing  # noqa: PLW0603 - another thread may have held it, and does not exist here
    _changing = threading.Lock()
    for shared in list(_shared.values()):
        shared.after_fork_in_child()
    _forking.clear()


# Registered once, by name: they do nothing as long as there is no pipeline.
atexit.register(finish)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
