"""Batches: taken apart, put together, given up without losing a total."""

from __future__ import annotations

from otel_token_monitor.ledger.batch import Batch, summed
from otel_token_monitor.usage import OTHER, Totals
from tests.unit.ledger.books import CHAT, NOW, SEARCH, project, record

QUARTER_NS = 900_000_000_000


def everything(batch: Batch) -> Totals:
    """The sums of all that a batch tells."""
    total = Totals()
    for sums in (*summed(batch.records).values(), *batch.condensed.values()):
        total = total.plus(sums.totals)
    return total


def test_a_batch_of_health_counts_alone_is_something() -> None:
    batch = Batch()
    assert not batch
    batch.count("odd")
    assert batch
    assert len(batch) == 0


def test_sums_are_by_labels_and_quarter_hour() -> None:
    records = [record(1), record(2), record(3, SEARCH), record(4, time_ns=NOW + QUARTER_NS)]
    quarter = NOW // QUARTER_NS
    requests = {key: sums.totals.requests for key, sums in summed(records).items()}
    assert requests == {(CHAT, quarter): 2, (SEARCH, quarter): 1, (CHAT, quarter + 1): 1}


def test_the_oldest_go_first_when_it_is_condensed() -> None:
    batch = Batch([record(n) for n in range(10)])
    assert batch.condense(keep=4, max_keys=100) == 6
    assert [r.nonce for r in batch.records] == [6, 7, 8, 9]
    assert batch.calls == 10
    assert everything(batch).requests == 10


def test_nothing_is_given_up_within_the_bound() -> None:
    batch = Batch([record(n) for n in range(4)])
    assert batch.condense(keep=4, max_keys=100) == 0
    assert batch == Batch([record(n) for n in range(4)])


def test_condensing_keeps_totals_and_bounds_memory_whatever_the_names() -> None:
    batch, before = Batch(), Totals()
    for n in range(3000):
        new = record(n, project(f"p{n}"), time_ns=NOW + n % 3 * QUARTER_NS)
        before = before.plus(everything(Batch([new])))
        batch.records.append(new)
        batch.condense(keep=50, max_keys=20)
    assert everything(batch) == before
    assert len(batch.records) == 50
    assert len(batch.condensed) <= 20 + 3
    other = sum(s.totals.requests for (labels, _), s in batch.condensed.items() if labels == OTHER)
    assert batch.health == {"label_overflow_requests": other}


def test_parts_are_taken_from_the_oldest_and_add_up() -> None:
    batch = Batch([record(n) for n in range(30)], health={"odd": 2})
    batch.condense(keep=20, max_keys=5)
    before = everything(batch)
    parts = []
    while batch:
        parts.append(batch.take(8))
    assert [len(part) for part in parts] == [8, 8, 5]
    assert [part.health for part in parts] == [{"odd": 2}, {}, {}]
    assert parts[0].condensed
    total = Totals()
    for part in parts:
        total = total.plus(everything(part))
    assert total == before


def test_a_part_that_is_put_back_leaves_all_as_it_was() -> None:
    records = [record(n) for n in range(10)]
    batch = Batch(list(records), condensed=summed([record(99, SEARCH)]), health={"odd": 2})
    part = batch.take(4)
    batch.count("odd")
    batch.put_back(part)
    assert batch.records == records
    assert batch.condensed == summed([record(99, SEARCH)])
    assert batch.health == {"odd": 3}
