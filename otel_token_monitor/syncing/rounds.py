"""One round after the other: every project's ledger, or its data files, into the global ledger."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from otel_token_monitor.ledger.errors import LedgerError
from otel_token_monitor.ledger.following import DATA_FILES, LEDGER
from otel_token_monitor.ledger.source_book import SourceNote
from otel_token_monitor.syncing.data_files import DataFilesFollower
from otel_token_monitor.syncing.keeping import Keeping, NotKeptError
from otel_token_monitor.syncing.ledgers import LedgerFollower
from otel_token_monitor.syncing.projects import Project, ProjectSync, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from otel_token_monitor.alerts.access import LedgerAccess

__all__ = ["Rounds"]


class _Followers:
    """What follows one project, whichever it has."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.ledger = LedgerFollower(project)
        self.data_files = DataFilesFollower(project)


class Rounds:
    """Follows projects into the ledger of `access`; days of data files are those of `zone`."""

    def __init__(
        self,
        access: LedgerAccess,
        projects: Iterable[Project],
        zone: ZoneInfo,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._access = access
        self._followers = tuple(map(_Followers, projects))
        self._zone = zone
        self._clock = clock

    def round(self, is_over: Callable[[], bool]) -> tuple[ProjectSync, ...]:
        """Take over what has changed; what became of each project, up to where `is_over` says so.

        Raises nothing that may be expected to go wrong.
        """
        keeping = Keeping(self._access, is_over)
        done: list[ProjectSync] = []
        notes: dict[str, SourceNote] = {}
        try:
            keeping.place_days(self._zone.key)
            counted: dict[str, str] = {}
            for followers in self._followers:
                if is_over():
                    break
                sync, note = self._follow(followers, keeping, counted, is_over)
                done.append(sync)
                if not is_over():
                    notes[sync.name] = note
            keeping.note(notes, self._clock())
        except NotKeptError as error:
            return self._failed(done, str(error))
        return tuple(done)

    def forget_after_fork(self) -> None:
        """In a forked child: what is open is the parent's."""
        for followers in self._followers:
            followers.ledger.forget_after_fork()

    def _failed(self, done: list[ProjectSync], problem: str) -> tuple[ProjectSync, ...]:
        """What became of each, once the global ledger could not be used any more."""
        by_name = {sync.name: sync for sync in done}
        names = [followers.project.name for followers in self._followers]
        return tuple(by_name.get(name, ProjectSync(name=name, problem=problem)) for name in names)

    def _follow(
        self,
        followers: _Followers,
        keeping: Keeping,
        counted: dict[str, str],
        is_over: Callable[[], bool],
    ) -> tuple[ProjectSync, SourceNote]:
        project = followers.project
        kind, origin, quarters, problem = None, None, 0, None
        try:
            if followers.ledger.path.exists():
                kind = LEDGER
                origin, quarters = followers.ledger.follow(keeping, counted, is_over)
                problem = followers.ledger.doubled(keeping)
            else:
                kind = DATA_FILES
                origin, quarters, problem = followers.data_files.follow(
                    keeping, counted, self._zone, is_over
                )
        except (UnreadableError, LedgerError) as error:
            problem = str(error)
        except OSError as error:
            problem = _not_read(project, error)
        sync = ProjectSync(name=project.name, quarters=quarters, problem=problem)
        note = SourceNote(
            path=os.fspath(project.directory),
            kind=kind if origin is not None else None,
            ledger=origin,
            problem=problem,
        )
        return sync, note


def _not_read(project: Project, error: OSError) -> str:
    return (
        f"the data directory {project.directory} cannot be read ({error.strerror}): what was "
        f"followed of {project.name!r} stays, and it is looked for in each round"
    )
