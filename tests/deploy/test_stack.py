"""`otel-token-monitor demo --stack`: its alerts arrive, and nothing is left of it."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

from tests.deploy.chain import REAL_SERVERS, eventually
from tests.deploy.stacks import SERVERS, stack

pytestmark = REAL_SERVERS


def listening(pid: int) -> set[str]:
    """The addresses, in hexadecimal, at which a process listens."""
    inodes = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(one.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def test_warning_and_critical_arrive_one_after_the_other(tmp_path: Path) -> None:
    with stack(tmp_path / "files", "--port", "0") as one:
        eventually(lambda: "Both have arrived" in one.said, 150)
        assert one.servers().keys() == SERVERS
        for pid in (one.process.pid, *one.servers().values()):
            assert listening(pid) == {"0100007F"}
        (token,) = one.directory.glob("*/prometheus/alerts-token")
        assert token.stat().st_mode & 0o777 == 0o600
        servers = one.servers().values()
        one.process.send_signal(signal.SIGINT)
        assert one.ended() == 0
    assert re.findall(r"^\d:\d\d  (\S+ +\S+)", one.said, re.MULTILINE) == [
        "WARNING   80%",
        "WARNING   fires",
        "WARNING   arrived",
        "CRITICAL  90%",
        "CRITICAL  fires",
        "CRITICAL  arrived",
    ]
    assert [pid for pid in servers if Path(f"/proc/{pid}").exists()] == []
    assert list(one.directory.iterdir()) == []
