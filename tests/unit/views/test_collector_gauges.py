"""Gauges that others have to show of a ledger, in its scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from otel_token_monitor.ledger.errors import LedgerMissingError
from otel_token_monitor.ledger.reader import Exposition
from otel_token_monitor.usage import Labels, Sums
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.exposition import Family
from otel_token_monitor.views.metrics import MetricSpec

if TYPE_CHECKING:
    from collections.abc import Callable

HEAT = MetricSpec(name="heat", kind="gauge", help="Heat.", labels=("where",))
OVEN = Family(HEAT, [(("oven",), (200,))])


def readable() -> Exposition:
    return Exposition("id", {Labels("p", "v", "m", "e"): Sums()}, {})


def unreadable() -> Exposition:
    raise LedgerMissingError("no ledger here")


def registry(
    gauges: Callable[[], list[Family]], read: Callable[[], Exposition] = readable
) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(TokenCollector(read, HealthReading, gauges=gauges))
    return made


def test_gauges_are_shown_with_their_labels() -> None:
    assert registry(lambda: [OVEN]).get_sample_value("heat", {"where": "oven"}) == 200


def test_gauges_stand_between_the_series_and_the_health() -> None:
    names = [family.name for family in registry(lambda: [OVEN]).collect()]
    place = names.index("heat")
    assert (names[place - 1], names[place + 1]) == (
        "llm_request_tokens",
        "otel_token_monitor_dropped_spans",
    )


def test_gauges_are_asked_for_at_each_scrape() -> None:
    heats = iter([200, 180])
    source = registry(lambda: [Family(HEAT, [(("oven",), (next(heats),))])])
    shown = [source.get_sample_value("heat", {"where": "oven"}) for _ in range(2)]
    assert shown == [200, 180]


def test_gauges_are_not_asked_for_without_a_ledger() -> None:
    asked: list[None] = []

    def gauges() -> list[Family]:
        asked.append(None)
        return [OVEN]

    generate_latest(registry(gauges, unreadable))
    assert asked == []


def broken() -> list[Family]:
    unreadable()
    return [OVEN]


@pytest.mark.parametrize(
    ("name", "shown"), [("heat{", False), ("llm_tokens_total{", True), ("# TYPE heat", False)]
)
def test_gauges_that_cannot_be_read_leave_the_rest(name: str, *, shown: bool) -> None:
    assert (name in generate_latest(registry(broken)).decode()) is shown


def test_other_errors_of_gauges_are_not_hidden() -> None:
    def faulty() -> list[Family]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        generate_latest(registry(faulty))
