"""The bundled files, written to a directory from which Prometheus and Grafana can read them.

Rules and dashboards are ours: a new version of the package brings new ones. What configures
Prometheus, Alertmanager and Grafana is a beginning that its user goes on with: once it is there,
it is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_token_monitor.deployment.bundle import (
    DASHBOARDS,
    GRAFANA,
    PROMETHEUS,
    RULES,
    bundled_files,
)
from otel_token_monitor.deployment.runbooks import RUNBOOKS, with_runbooks
from otel_token_monitor.replacing import replaced_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["BundledFile", "DifferingFilesError", "Exported", "export", "files_to_export"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledFile:
    """A file to write: its path in the directory, with slashes, and its content.

    `theirs`: its user edits it, so that it is written once and never replaced.
    """

    path: str
    content: bytes
    theirs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What became of each file, by its path.

    `same` were there already, as they should be; `kept` are their user's, and other than ours.
    """

    written: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]


class DifferingFilesError(Exception):
    """Files are there already, with another content: `paths`. Nothing was written."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__(f"other files are there: {', '.join(paths)}")
        self.paths = paths


def files_to_export(runbooks: str = RUNBOOKS) -> tuple[BundledFile, ...]:
    """What Prometheus, Alertmanager and Grafana read; `runbooks` is the base of `runbook_url`."""
    return tuple(
        BundledFile(
            path=path,
            content=with_runbooks(content, runbooks),
            theirs=not path.startswith((f"{RULES}/", f"{DASHBOARDS}/")),
        )
        for directory in (PROMETHEUS, GRAFANA)
        for path, content in bundled_files(directory)
    )


def export(files: Sequence[BundledFile], directory: Path, *, force: bool = False) -> Exported:
    """Write files to a directory, which is made if there is none; each whole or not at all.

    Raises DifferingFilesError if one that is ours is there with another content, unless it is to be
    replaced (`force`); and OSError, which names the file.
    """
    there = {file.path: _content(directory / file.path) for file in files}
    same = tuple(file.path for file in files if there[file.path] == file.content)
    others = [file for file in files if there[file.path] not in (None, file.content)]
    kept = tuple(file.path for file in others if file.theirs)
    differing = tuple(file.path for file in others if not file.theirs)
    if differing and not force:
        raise DifferingFilesError(differing)
    written = []
    for file in files:
        if file.path not in {*same, *kept}:
            _write(directory / file.path, file.content)
            written.append(file.path)
    return Exported(written=tuple(written), same=same, kept=kept)


def _content(path: Path) -> bytes | None:
    """What is in a file; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    try:
        with replaced_file(path) as file:
            file.write(content)
    except OSError as error:
        # It may name a file that was to take this one's place.
        error.filename = str(path)
        raise
