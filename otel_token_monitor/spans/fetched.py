"""What was fetched of calls that were begun earlier, until the call's own record is written."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_token_monitor.usage import PolledRecord

__all__ = ["Fetched"]

# In the process that began the call its record may still be on its way to the ledger.
_WAIT_SECONDS: Final = 2.0


class Fetched:
    """Keeps what was fetched back for a little; `now` is a monotonic clock's, in seconds."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, PolledRecord]] = deque()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def add(self, record: PolledRecord, now: float) -> None:
        """Take in what a request told."""
        self._waiting.append((now + _WAIT_SECONDS, record))

    def ripe(
        self, now: float, holds: Callable[[str | None], bool], *, everything: bool
    ) -> list[PolledRecord]:
        """What has waited long enough, unless the call with its id is held here: `holds`."""
        ripe: list[PolledRecord] = []
        while self._waiting and (everything or self._waiting[0][0] <= now):
            _, record = self._waiting.popleft()
            if not everything and holds(record.response_id):
                self.add(record, now)
                break
            ripe.append(record)
        return ripe
