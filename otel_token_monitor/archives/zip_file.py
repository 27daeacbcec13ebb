"""The ZIP file: the JSON document, compressed, and nothing else."""

from __future__ import annotations

import errno
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from otel_token_monitor.archives.errors import COPY, BrokenFileError
from otel_token_monitor.archives.json_document import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.archives.contents import Contents, Written
    from otel_token_monitor.archives.intake import Intake, Source

__all__ = ["MEMBER", "read_zip", "write_zip"]

MEMBER: Final = "usage.json"

_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises of files that are damaged, or were made to do harm.
_FAULTS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def write_zip(file: IO[bytes], contents: Contents) -> Written:
    """Write the document as the file's only member."""
    # Of no time: the same calls make the same file.
    member = zipfile.ZipInfo(MEMBER)
    member.compress_type = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(file, "w") as archive,
        archive.open(member, "w", force_zip64=True) as document,
    ):
        return write_json(document, contents)


def read_zip(file: IO[bytes], intake: Intake) -> Source:
    """Read the document; bytes are taken out only as they are read. Raises BrokenFileError."""
    with _explained(intake), zipfile.ZipFile(file) as archive:
        member = _only_member(archive, intake)
        with archive.open(member) as document:
            return read_json(document, intake)


def _only_member(archive: zipfile.ZipFile, intake: Intake) -> zipfile.ZipInfo:
    members = archive.infolist()
    for member in members:
        if member.filename != MEMBER:
            raise intake.broken(
                None, f"member {member.filename[:200]!r} of the ZIP file: use {MEMBER!r} alone"
            )
    if len(members) != 1:
        raise intake.broken(None, f"{len(members)} members in the ZIP file: use {MEMBER!r} alone")
    (member,) = members
    if member.flag_bits & _ENCRYPTED:
        raise intake.broken(None, f"{MEMBER!r} is encrypted: compress it without a password")
    if member.compress_type not in _METHODS:
        reason = f"{MEMBER!r} is compressed by method {member.compress_type}: use deflate"
        raise intake.broken(None, reason)
    return member


@contextmanager
def _explained(intake: Intake) -> Iterator[None]:
    try:
        yield
    except BrokenFileError:
        raise
    except OSError as error:
        # A place before the file's beginning, which a damaged directory names.
        if error.errno != errno.EINVAL:
            raise
        raise intake.broken(None, "the ZIP file is damaged (wrong offsets)", COPY) from error
    except _FAULTS as error:
        reason = f"the ZIP file is damaged ({str(error) or type(error).__name__})"
        raise intake.broken(None, reason, COPY) from error
