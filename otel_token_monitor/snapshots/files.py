"""Data files on disk: read, written where they differ, compressed or not; and one at a time."""

from __future__ import annotations

import fcntl
import gzip
import logging
import os
import time
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from otel_token_monitor.replacing import replaced_file
from otel_token_monitor.snapshots.documents import Document, DocumentError, decoded, encoded
from otel_token_monitor.snapshots.names import COMPRESSED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LOCK_NAME", "Turn", "read_document", "remove_files", "write_document", "write_gzip"]

D = TypeVar("D", bound=Document)

_log = logging.getLogger("otel_token_monitor")

LOCK_NAME: Final = ".data_files.lock"
_POLL_SECONDS: Final = 0.05


class _Marked(msgspec.Struct):
    """What every document of ours has, whichever release wrote it."""

    schema_version: int
    kind: str


class Turn:
    """Lets one process at a time work at the data files of a directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_NAME
        self._held: int | None = None

    @contextmanager
    def taken(self, patience: float = 0.0) -> Iterator[bool]:
        """Whether it is this process's turn, after at most `patience` seconds. Raises OSError."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._held = file
        try:
            yield _locked(file, time.monotonic() + patience)
        finally:
            self._held = None
            # Closing alone would not do: a child that was forked meanwhile has it open, too.
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)

    def forget_after_fork(self) -> None:
        """In a forked child: the turn is the parent's."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _locked(file: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True


def read_document(path: Path, kind: type[D]) -> D | None:
    """The document in a file, or in the compressed one beside it; None if there is neither.

    Raises DocumentError, which names the file, if it holds something else; OSError.
    """
    path = _existing(path)
    try:
        return decoded(_content(path), kind)
    except FileNotFoundError:
        return None
    except DocumentError as error:
        message = f"{path}: {error}"
        raise DocumentError(message) from error


def write_document(path: Path, document: Document) -> bool:
    """Bring a file up to date, unless it holds the same but for when it was updated.

    Whether it was written. Where only the compressed file is there, that one is. A file that is no
    data file is set aside. Raises OSError.
    """
    try:
        found = read_document(path, type(document))
    except DocumentError:
        found = None
        _keep_aside(_existing(path))
    if found is not None and msgspec.structs.replace(found, updated=document.updated) == document:
        return False
    target = _existing(path)
    if target == path:
        with replaced_file(path) as file:
            file.write(encoded(document))
    else:
        write_gzip(target, encoded(document), target.stat())
    return True


def write_gzip(path: Path, content: bytes, like: os.stat_result) -> None:
    """Write a compressed file with the mode and the time of another. Raises OSError."""
    with replaced_file(path, like.st_mode & 0o777) as file:
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            packed.write(content)
        file.flush()
        os.utime(file.fileno(), ns=(like.st_atime_ns, like.st_mtime_ns))


def remove_files(path: Path) -> None:
    """Remove a file and the compressed one beside it. Raises OSError."""
    for one in (path, _compressed(path)):
        one.unlink(missing_ok=True)


def _compressed(path: Path) -> Path:
    return path.with_name(path.name + COMPRESSED)


def _existing(path: Path) -> Path:
    """The file itself, unless only the compressed one is there: of both, it is the newer."""
    packed = _compressed(path)
    return packed if not path.exists() and packed.exists() else path


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != COMPRESSED:
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DocumentError(str(error)) from error


def _keep_aside(path: Path) -> None:
    """Move a file away that is in the place of one of ours, and that we have not written.

    The module that this package follows wrote files of the same names: they may be all that is
    left of those days.
    """
    with suppress(DocumentError, msgspec.MsgspecError):
        msgspec.json.decode(_content(path), type=_Marked)
        return
    number = 1
    while (aside := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    path.rename(aside)
    _log.warning("%s was not written by otel_token_monitor: it is %s now", path, aside.name)
