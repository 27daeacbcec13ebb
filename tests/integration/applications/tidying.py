"""A process that writes calls, new ones and old ones, and keeps house after each batch: for ever.

It says on standard output how many calls it has written.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.housekeeping import Housekeeping, HousekeepingSettings
from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.guest import LedgerGuest
from otel_token_monitor.ledger.writer import LedgerWriter
from tests.loads import records

BATCH = 1500
OLD_NS = 60 * 86_400 * 1_000_000_000


def main() -> None:
    """Write and keep house until it is killed."""
    directory, first = Path(sys.argv[1]), int(sys.argv[2])
    location = Location.in_directory(directory)
    writer = LedgerWriter(location, max_label_sets=1000)
    settings = HousekeepingSettings(
        directory=directory, policy=Policy(), retention_days=30, compress=True
    )
    house = Housekeeping(LedgerGuest(location), settings)
    while True:
        new = records(BATCH, first=first)
        batch = [
            record._replace(time_ns=record.time_ns - OLD_NS) if record.nonce % 2 else record
            for record in new
        ]
        writer.write(Batch(batch))
        first += BATCH
        os.write(1, f"{first}\n".encode())
        house.round(time.time_ns(), lambda: False)


if __name__ == "__main__":
    main()
