"""`otel-token-monitor demo --stack` as a process, and the servers that it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.processes import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SERVERS", "Stack", "stack"]

SERVERS = {"prometheus", "prometheus-alertmanager"}


class Stack:
    """One that runs; what it says is read as it comes."""

    def __init__(self, directory: Path, *arguments: str, **environ: str) -> None:
        self.directory = directory
        directory.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "otel_token_monitor", "demo", "--stack", *arguments],
            env=environment({"TMPDIR": str(directory), **environ}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    @property
    def said(self) -> str:
        """All that it has said."""
        return "".join(self._said)

    def servers(self) -> dict[str, int]:
        """The processes that it has started, by the name of their program."""
        return {
            Path(os.fsdecode((one / "cmdline").read_bytes().split(b"\0")[0])).name: int(one.name)
            for one in Path("/proc").iterdir()
            if one.name.isdecimal() and parent_of(one) == self.process.pid
        }

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(60)
        self._reading.join(10)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.append(line)


@contextmanager
def stack(directory: Path, *arguments: str, **environ: str) -> Iterator[Stack]:
    """A stack whose temporary files are in a new directory, until the end."""
    one = Stack(directory, *arguments, **environ)
    with one.process:
        try:
            yield one
        finally:
            if one.process.poll() is None:
                one.process.terminate()
                one.ended()


def parent_of(process: Path) -> int | None:
    """The process that started another, None once that has ended."""
    with suppress(OSError):
        return int((process / "stat").read_text().rpartition(") ")[2].split()[1])
    return None
