"""Why a file cannot be imported."""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["COPY", "CUT_OFF", "Broken", "BrokenFileError", "UnfitError"]

CUT_OFF: Final = "the file ends here, and should go on"
COPY: Final = "export or copy it again; nothing was imported"

_REMEDY: Final = "correct it, or export it again; nothing was imported"


class BrokenFileError(ValueError):
    """A file that is no sound export: `line` is where it is not (None: as a whole), and why."""

    def __init__(self, path: str, line: int | None, reason: str, remedy: str | None = None) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        where = path if line is None else f"{path}: line {line}"
        super().__init__(f"{where}: {reason}; {remedy or _REMEDY}")


class UnfitError(ValueError):
    """What is read cannot be a call, a sum or a file's facts: the message says why.

    Whoever knows the file and the line makes a BrokenFileError of it.
    """

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        self.remedy = remedy
        super().__init__(reason)


class Broken(Protocol):
    """Makes the error of one file, to be raised of a line."""

    def __call__(
        self, line: int | None, reason: str, remedy: str | None = None, /
    ) -> BrokenFileError:
        """See BrokenFileError."""
