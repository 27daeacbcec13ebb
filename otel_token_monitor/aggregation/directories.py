"""Which data directories are added up, and what each is called."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from otel_token_monitor.usage import check_project

__all__ = ["Directories", "Directory", "directories_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A data directory and its name: the one that was `given` to it, else its path."""

    name: str
    path: Path
    given: bool = False

    def __str__(self) -> str:
        """The path, for messages."""
        return str(self.path)


PathText = str | os.PathLike[str]
Directories = Iterable[PathText | Directory] | Mapping[str, PathText]


def directories_of(dirs: Directories) -> tuple[Directory, ...]:
    """The directories of a mapping of names to paths, or of paths.

    Raises TypeError or ValueError: a single path, none at all, names that cannot name a project,
    two directories of one name.
    """
    if isinstance(dirs, str | os.PathLike):
        message = f"dirs must be several directories: give [{str(dirs)!r}] instead of {str(dirs)!r}"
        raise TypeError(message)
    if isinstance(dirs, Mapping):
        found = tuple(named(name, path) for name, path in dirs.items())
    else:
        found = tuple(map(_directory, dirs))
    if not found:
        raise ValueError("there is no directory to add up: name at least one")
    _refuse_one_name_for_two(found)
    return found


def named(name: str, path: PathText) -> Directory:
    """A directory with a name. Raises TypeError or ValueError if it cannot name a project."""
    return Directory(name=check_project(name), path=_path(path), given=True)


def _directory(one: PathText | Directory) -> Directory:
    if isinstance(one, Directory):
        return one
    path = _path(one)
    return Directory(name=str(path), path=path)


def _path(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) or not str(path) or "\0" in str(path):
        message = f"{path!r} is no directory: give its path"
        raise TypeError(message)
    return Path(path)


def _refuse_one_name_for_two(directories: Iterable[Directory]) -> None:
    known: dict[str, Directory] = {}
    for directory in directories:
        other = known.setdefault(directory.name, directory)
        if other != directory:
            message = (
                f"{other} and {directory} are both called {directory.name!r}: give each a name of "
                f"its own"
            )
            raise ValueError(message)
