"""The metrics of label sets, whatever they are called and however much they counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from otel_token_monitor.ledger.reader import Exposition
from otel_token_monitor.usage import (
    DURATION_BOUNDS,
    FIRST_TOKEN_BOUNDS,
    TOKEN_BOUNDS,
    Labels,
    Sums,
    Totals,
)
from otel_token_monitor.views import metrics
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.exposition import Family, render
from otel_token_monitor.views.scrape import Scrape
from otel_token_monitor.views.series import families

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import Metric

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"\n{}%,'), max_size=6)
counts = st.integers(0, 3) | st.integers(0, 2**62)
labels = st.builds(Labels, texts, texts, texts, texts)


def buckets(bounds: Sequence[float]) -> st.SearchStrategy[list[int]]:
    size = len(bounds) + 1
    return st.lists(counts, min_size=size, max_size=size)


sums = st.builds(
    Sums,
    totals=st.builds(Totals, *[counts] * len(Totals._fields)),
    unmetered=st.dictionaries(texts, counts, max_size=2),
    duration=buckets(DURATION_BOUNDS),
    duration_ns=counts,
    first_token=buckets(FIRST_TOKEN_BOUNDS),
    first_token_ns=counts,
    input_tokens=buckets(TOKEN_BOUNDS),
    output_tokens=buckets(TOKEN_BOUNDS),
)


def registry(exposition: Exposition) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(TokenCollector(lambda: Scrape(exposition), HealthReading))
    return made


def shown(series: dict[Labels, Sums]) -> list[str]:
    """The names of the metrics that some label sets show."""
    return [family.name for family in families(series, histograms=True)]


@given(st.dictionaries(labels, sums, max_size=3), texts)
@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_a_scrape_is_what_prometheus_client_renders(
    accept: str, series: dict[Labels, Sums], ledger_id: str
) -> None:
    source = registry(Exposition(ledger_id, series, {"hook_errors": 2}))
    encode, content_type = choose_encoder(accept)
    assert render(source, accept) == (encode(source), content_type)


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_no_family_of_ours_is_left_to_prometheus_client(accept: str) -> None:
    series = {Labels("p", "v", "m", "e"): Sums(totals=Totals(1, unpriced=1, estimated_input=1))}
    collector = TokenCollector(lambda: Scrape(Exposition("id", series, {})), HealthReading)
    made: list[Metric] = []

    class Watched:
        def collect(self) -> list[Metric]:
            made.extend(collector.collect())
            return made

    render(Watched(), accept)
    assert [family.name for family in made if "samples" in vars(family)] == []


def test_metrics_of_a_label_set_are_in_the_tables_order() -> None:
    everything = Sums(
        totals=Totals(1, estimated_input=1, unpriced=1),
        unmetered={"left": 1},
        first_token=[1] + [0] * len(FIRST_TOKEN_BOUNDS),
    )
    described = [Family(spec).name for spec in metrics.METRICS]
    names = shown({Labels("p", "v", "m", "e"): everything})
    assert names == [name for name in described if name in names]


def test_metrics_without_a_value_are_not_shown() -> None:
    assert shown({Labels("p", "v", "m", "e"): Sums()}) == [
        "llm_tokens",
        "llm_requests",
        "llm_cost_usd",
        "llm_request_duration_seconds",
        "llm_request_tokens",
    ]


def test_a_metric_that_one_label_set_has_is_shown_for_it_alone() -> None:
    one, other = Labels("one", "v", "m", "e"), Labels("other", "v", "m", "e")
    series = {one: Sums(), other: Sums(totals=Totals(unpriced=7))}
    by_name = {family.name: family for family in families(series, histograms=True)}
    samples = by_name["otel_token_monitor_unpriced_requests"].samples
    assert [(sample.labels["project"], sample.value) for sample in samples] == [("other", 7)]


def test_histograms_can_be_left_out() -> None:
    series = {Labels("p", "v", "m", "e"): Sums()}
    assert [family.name for family in families(series, histograms=False)] == [
        "llm_tokens",
        "llm_requests",
        "llm_cost_usd",
    ]
