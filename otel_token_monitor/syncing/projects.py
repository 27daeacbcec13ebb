"""The projects that are followed, and what became of each in a round."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_token_monitor.usage import Labels, Totals, check_project

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Project", "ProjectSync", "UnreadableError", "projects_of"]

_UNNAMED: Final = "default"
_MEMORY: Final = ":memory:"


class UnreadableError(Exception):
    """Nothing of a project can be followed now; the message names it and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSync:
    """What one round did for a project.

    `quarters`: how many quarter-hours were taken over (of data files: days). `problem`: why not
    all of it is in, and where; None if it is.
    """

    name: str
    quarters: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project and its data directory."""

    name: str
    directory: Path

    def named(self, sums: Iterable[tuple[Labels, Totals]]) -> dict[Labels, Totals]:
        """The sums, those of calls whose project nobody named under this one's name."""
        found: dict[Labels, Totals] = {}
        for given, totals in sums:
            labels = given._replace(project=self.name) if given.project == _UNNAMED else given
            found[labels] = found.get(labels, Totals()).plus(totals)
        return found


def projects_of(config: object, global_dir: str) -> tuple[Project, ...]:
    """The projects of a mapping of names to data directories, in its order.

    Raises TypeError or ValueError, which say what can be given instead.
    """
    if not isinstance(config, Mapping):
        message = (
            f"projects_config must map names to data directories, as "
            f'{{"shop": "shop/data/token_usage"}}, not {config!r}'
        )
        raise TypeError(message)
    if not config:
        raise ValueError("projects_config is empty: name at least one project and its directory")
    return tuple(_project(name, path, global_dir) for name, path in config.items())


def _project(name: object, path: object, global_dir: str) -> Project:
    checked = check_project(name)
    if not isinstance(path, str | os.PathLike):
        message = f"the data directory of {checked!r} must be a path, not {path!r}"
        raise TypeError(message)
    text = str(path)
    if not text.strip() or "\0" in text or text == _MEMORY:
        message = f"{text!r} is no data directory to follow: give {checked!r} the path of one"
        raise ValueError(message)
    directory = Path(text).absolute()
    if directory.resolve() == Path(global_dir).resolve():
        message = (
            f"{text!r} is where the global ledger is kept: it cannot be the project {checked!r}; "
            f"leave it out, or set another GLOBAL_TOKEN_DATA_DIR"
        )
        raise ValueError(message)
    return Project(name=checked, directory=directory)
