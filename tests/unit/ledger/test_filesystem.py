"""Which directories are on a network file system, as Linux's mountinfo tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_token_monitor.ledger.filesystem import network_file_system

MOUNTINFO = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 259:2 / /home/local rw,relatime - xfs /dev/vdb rw
32 22 0:41 / /mnt/with\\040blank\\134 rw - cifs //server/share rw
33 22 0:42 / /mnt/bucket rw - fuse.s3fs s3fs rw
34 22 0:43 / /mnt/ssh rw - fuse.sshfs host: rw
35 22 0:44 / /mnt/zip rw - fuse.archivemount a.zip rw
36 22 0:45 / /mnt/over rw - ext4 /dev/vdc rw
37 22 0:46 / /mnt/over rw - ceph mon:/ rw
38 22 0:47 / /mnt/größe rw - nfs server:/x rw
malformed
39 22 0:48 / /mnt/short rw -\x20
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/var/data", None),
        ("/home", "nfs4"),
        ("/home/me/not/yet/there", "nfs4"),
        ("/homework", None),
        ("/home/local/data", None),
        ("/mnt/with blank\\/data", "cifs"),
        ("/mnt/bucket/x", "fuse.s3fs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/zip", None),
        ("/mnt/over/x", "ceph"),
        ("/mnt/größe/x", "nfs"),
        ("/mnt/short", None),
    ],
)
def test_the_mount_that_a_directory_is_on_decides(directory: str, kind: str | None) -> None:
    assert network_file_system(Path(directory), mountinfo=MOUNTINFO) == kind


def test_without_mounts_nothing_is_said() -> None:
    assert network_file_system(Path("/data"), mountinfo="") is None


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert network_file_system(tmp_path) is None
