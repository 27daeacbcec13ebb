"""Whether a directory is on a file system that several machines share.

SQLite's write-ahead log needs shared memory between its processes, which no network file system
gives (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

__all__ = ["network_file_system"]

_NETWORK: Final = frozenset(
    (  # noqa: SIM905 - a list of words reads best as words
        "9p afs afpfs beegfs ceph cifs coda davfs glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 "
        "orangefs pvfs2 smb3 smbfs sshfs virtiofs vboxsf"
    ).split()
)
# How mountinfo writes blanks and backslashes.
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def network_file_system(directory: Path, *, mountinfo: str | None = None) -> str | None:
    """The type of the network file system that `directory` (or its nearest parent) is on, or None.

    `mountinfo` is the text of Linux's /proc/self/mountinfo; elsewhere nothing can be said: None.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    target = os.path.realpath(directory)
    best, found = "", None
    for mount_point, kind in map(_mount, mountinfo.splitlines()):
        inside = target == mount_point or target.startswith(mount_point.rstrip("/") + "/")
        # A later mount on the same point hides the earlier one.
        if inside and len(mount_point) >= len(best):
            best, found = mount_point, kind
    if found is None:
        return None
    name = found.removeprefix("fuse.")
    return found if name in _NETWORK or (found.startswith("fuse.") and "s3" in name) else None


def _mount(line: str) -> tuple[str, str]:
    """The mount point and the file system's type that a line of mountinfo names."""
    before, _, after = line.partition(" - ")
    fields, kinds = before.split(" "), after.split(" ")
    if len(fields) < 5 or not kinds[0]:  # noqa: PLR2004 - the fifth field, as proc(5) has it
        return "\0", ""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]), kinds[0]
