"""The text of a scrape is prometheus_client's, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Metric
from prometheus_client.exposition import choose_encoder

from otel_token_monitor.views.exposition import Family, Layout, Line, render
from otel_token_monitor.views.metrics import MetricSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.registry import Collector

    from otel_token_monitor.views.exposition import Block

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
WRITTEN = (
    TEXT,
    "text/plain; version=1.0.0",
    "text/plain; version=1.0.0; escaping=allow-utf-8",
    "application/openmetrics-text",
    OPENMETRICS,
    PROMETHEUS_3,
)
"""What clients accept and a family of ours writes itself."""
LEFT = (
    f"{OPENMETRICS}; escaping=dots",
    f"{OPENMETRICS}; escaping=values",
    "text/plain; version=1.0.0; escaping=dots",
    "text/plain; version=1.0.0; escaping=values",
    "application/openmetrics-text; version=2.0.0",
)
"""What is left to prometheus_client."""

CALLS = MetricSpec(
    name="calls_total", kind="counter", help='Calls of "a\\b".\nAll.', labels=("model", "status")
)
SPEED = MetricSpec(name="speed", kind="gauge", help="Speed.", labels=("z", "a"))
BUILD = MetricSpec(name="build_info", kind="info", help="Build.", labels=("version",))
SIZES = MetricSpec(name="sizes", kind="histogram", help="Sizes.", labels=("model", "at", "of"))
BY_STATUS = Layout(CALLS, [Line(labels=(("status", one),)) for one in ("ok", "error")])
HISTOGRAM = Layout(
    SIZES,
    [
        *[Line("_bucket", (("of", "{}%s"), ("le", edge))) for edge in ("1.0", "+Inf")],
        Line("_count", (("of", "{}%s"),)),
        Line("_sum", (("of", "{}%s"),)),
    ],
)


class Shown:
    """A collector of some families that counts how often their samples were made."""

    def __init__(self, *families: Metric) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        return self.families

    @property
    def sampled(self) -> list[bool]:
        return ["samples" in vars(family) for family in self.families]


def plain(family: Metric) -> Metric:
    """The same family as an ordinary one of prometheus_client."""
    made = Metric(family.name, family.documentation, family.type)
    made.samples = list(family.samples)
    return made


def by_client(accept: str, collector: Collector) -> tuple[bytes, str]:
    """What prometheus_client renders on its own."""
    encode, content_type = choose_encoder(accept)
    return encode(Shown(*map(plain, collector.collect()))), content_type


def lines(family: Family) -> list[str]:
    text, _ = render(Shown(family), TEXT)
    return [line for line in text.decode().splitlines() if not line.startswith("#")]


texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"\n{}%,'), max_size=8)
numbers = (
    st.integers(0, 3)
    | st.integers(999_990, 1_000_010)
    | st.integers(-(10**19), 10**19)
    | st.floats()
    | st.sampled_from([0.0, -0.0, 2.0**53, 1e6, 1e21])
)


def blocks_of(labels: int, values: int) -> st.SearchStrategy[list[Block]]:
    one = st.tuples(st.tuples(*[texts] * labels), st.tuples(*[numbers] * values))
    return st.lists(one, max_size=3)


families = (
    st.builds(lambda blocks: Family(CALLS, blocks, BY_STATUS), blocks_of(1, 2))
    | st.builds(lambda blocks: Family(CALLS, blocks), blocks_of(2, 1))
    | st.builds(lambda blocks: Family(SPEED, blocks), blocks_of(2, 1))
    | st.builds(lambda blocks: Family(BUILD, blocks), blocks_of(1, 1))
    | st.builds(lambda blocks: Family(SIZES, blocks, HISTOGRAM), blocks_of(2, 4))
)


@given(st.lists(families | families.map(plain), max_size=5), st.sampled_from(WRITTEN + LEFT))
def test_text_and_type_are_prometheus_clients(shown: list[Metric], accept: str) -> None:
    assert render(Shown(*shown), accept) == by_client(accept, Shown(*shown))


@pytest.mark.parametrize("accept", WRITTEN)
def test_a_family_writes_itself_without_making_samples(accept: str) -> None:
    shown = Shown(Family(SPEED, [(("1", "2"), (3,))]))
    render(shown, accept)
    assert shown.sampled == [False]


def test_samples_that_a_registry_changed_are_shown_as_changed() -> None:
    family = Family(SPEED, [(("1", "2"), (3,)), (("3", "4"), (5,))])
    del family.samples[0]
    assert lines(family) == ['speed{a="4",z="3"} 5.0']


@pytest.mark.parametrize("accept", LEFT)
def test_other_formats_are_left_to_prometheus_client(accept: str) -> None:
    shown = Shown(Family(SPEED, [(("1", "2"), (3,))]))
    render(shown, accept)
    assert shown.sampled == [True]


def test_a_version_that_is_no_number_gets_the_default() -> None:
    _, content_type = render(Shown(), "text/plain; version=latest")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_labels_are_in_alphabetical_order() -> None:
    assert lines(Family(SPEED, [(("last", "first"), (1,))])) == ['speed{a="first",z="last"} 1.0']


def test_a_metric_without_labels_has_no_braces() -> None:
    up = MetricSpec(name="up", kind="gauge", help="Up.")
    assert lines(Family(up, [((), (1,))])) == ["up 1.0"]


def test_a_lines_own_labels_are_among_the_others() -> None:
    family = Family(SIZES, [(("m", "here"), (1, 2, 2, 9.5))], HISTOGRAM)
    assert lines(family) == [
        'sizes_bucket{at="here",le="1.0",model="m",of="{}%s"} 1.0',
        'sizes_bucket{at="here",le="+Inf",model="m",of="{}%s"} 2.0',
        'sizes_count{at="here",model="m",of="{}%s"} 2.0',
        'sizes_sum{at="here",model="m",of="{}%s"} 9.5',
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0.0"),
        (999_999, "999999.0"),
        (1_000_000, "1e+06"),
        (1_234_567, "1.234567e+06"),
        (2**53 + 1, "9.007199254740992e+15"),
        (-5, "-5.0"),
        (0.25, "0.25"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_numbers_are_written_as_go_would(value: float, expected: str) -> None:
    up = MetricSpec(name="up", kind="gauge", help="Up.")
    assert lines(Family(up, [((), (value,))])) == [f"up {expected}"]


@pytest.mark.parametrize(
    ("labels", "values"), [(("only one",), (1,)), (("one", "two"), (1, 2)), (("one", "two"), ())]
)
def test_a_block_that_does_not_fit_is_refused(
    labels: Sequence[str], values: Sequence[float]
) -> None:
    with pytest.raises(ValueError, match=r"shorter|sequence of size"):
        render(Shown(Family(SPEED, [(labels, values)])), TEXT)


def application_registry() -> CollectorRegistry:
    """A registry in which a family of ours stands between the application's own metrics."""
    registry = CollectorRegistry(target_info={"env": "test"})
    Counter("visits", "Visits.", registry=registry).inc()
    registry.register(Shown(Family(SPEED, [(("1", "2"), (3,))]), Family(BUILD, [(("9",), (1,))])))
    Gauge("heat", "Heat.", ["where"], registry=registry).labels("x").set(5)
    registry.register(Shown(Family(CALLS, [(("m",), (1, 2))], BY_STATUS)))
    Histogram("waits", "Waits.", registry=registry).observe(3, exemplar={"trace": "1"})
    Info("app", "The app.", registry=registry).info({"name": "shop"})
    return registry


@pytest.mark.parametrize("accept", WRITTEN + LEFT)
def test_a_whole_registry_is_shown_in_its_order(accept: str) -> None:
    encode, content_type = choose_encoder(accept)
    registry = application_registry()
    assert render(registry, accept) == (encode(registry), content_type)


@pytest.mark.parametrize("accept", [OPENMETRICS, PROMETHEUS_3])
def test_openmetrics_ends_once(accept: str) -> None:
    text, _ = render(application_registry(), accept)
    assert (text.count(b"# EOF"), text.endswith(b"\n# EOF\n")) == (1, True)


def test_an_empty_registry_in_openmetrics_is_its_end() -> None:
    assert render(CollectorRegistry(), OPENMETRICS)[0] == b"# EOF\n"


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_a_restricted_registry_is_rendered_as_prometheus_client_does(accept: str) -> None:
    encode, content_type = choose_encoder(accept)
    spec = MetricSpec(name="up", kind="gauge", help="Up.")

    class Described(Shown):
        def describe(self) -> Iterable[Metric]:
            return self.families

    registry = CollectorRegistry()
    registry.register(Described(Family(spec, [((), (1,))]), Family(CALLS, [(("m", "ok"), (2,))])))
    restricted = registry.restricted_registry(["calls_total"])
    assert render(restricted, accept) == (encode(restricted), content_type)
    assert b'calls_total{model="m",status="ok"} 2.0' in render(restricted, accept)[0]
