"""The formats of files, by name and by the suffix of a path."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import os

__all__ = ["READABLE", "Format", "format_of"]


class Format(StrEnum):
    """What a file may be."""

    JSON = "json"
    CSV = "csv"
    ZIP = "zip"
    OPENMETRICS = "openmetrics"


READABLE: Final = (Format.JSON, Format.CSV, Format.ZIP)
"""Those that hold single calls, which can be imported."""

_SUFFIXES: Final = {
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".zip": Format.ZIP,
    ".om": Format.OPENMETRICS,
    ".openmetrics": Format.OPENMETRICS,
    ".txt": Format.OPENMETRICS,
}


def format_of(path: str | os.PathLike[str]) -> Format | None:
    """The format that a path's suffix stands for; None if it stands for none."""
    return _SUFFIXES.get(PurePath(path).suffix.lower())
