"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replaced_file"]

# Of the name: what a file system takes has an end.
_SHOWN: Final = 100


@contextmanager
def replaced_file(path: Path, mode: int | None = None) -> Iterator[IO[bytes]]:
    """Give a file to write; it takes the place of `path` at once when all is written and on disk.

    When something is raised within, `path` stays as it was. Missing directories are made. Where
    `path` is a link, what it points to is replaced. `mode` is the new file's; None: as this process
    makes files. Raises OSError.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name[:_SHOWN]}.", suffix=".tmp"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o666 & ~_umask() if mode is None else mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException as error:
        with suppress(OSError):
            Path(temporary).unlink()
        if isinstance(error, OSError) and error.filename is None:
            # What fails in writing, for the disk is full, does not say where.
            error.filename = str(path)
        raise


def _umask() -> int:
    """What this process takes away from the modes of files; asked without changing it."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022
