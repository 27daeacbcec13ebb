"""A scrape of a real ledger, to the letter."""

from __future__ import annotations

import threading
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from otel_token_monitor.ledger.batch import Batch
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from otel_token_monitor.ledger.writer import LedgerWriter
from otel_token_monitor.usage import Labels, TokenUsage, UsageRecord
from otel_token_monitor.views import metrics
from otel_token_monitor.views.collector import HealthReading, TokenCollector
from otel_token_monitor.views.scrape import Scrape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from otel_token_monitor.ledger.reader import Exposition

CHAT = Labels("shop", "openai", "gpt-4o", "chat/completions")
EMBEDDINGS = Labels("shop", "openai", "embed", "embeddings")


@pytest.fixture
def writer() -> Iterator[LedgerWriter]:
    made = LedgerWriter(Location.in_memory(), max_label_sets=100)
    made.open()
    yield made
    made.close()


@pytest.fixture
def reader(writer: LedgerWriter) -> Iterator[LedgerReader]:
    made = LedgerReader(writer.location)
    yield made
    made.close()


@pytest.fixture
def missing(tmp_path: Path) -> LedgerReader:
    """A reader whose ledger is not there."""
    return LedgerReader(Location.in_directory(tmp_path))


def record(nonce: int = 1, labels: Labels = CHAT, **fields: Any) -> UsageRecord:
    now = time.time_ns()
    return UsageRecord(time_ns=now, nonce=nonce, labels=labels, source="test", **fields)


def registry(
    read: Callable[[], Exposition], health: HealthReading | None = None, *, histograms: bool = True
) -> CollectorRegistry:
    reading = health or HealthReading()
    made = CollectorRegistry()
    made.register(TokenCollector(lambda: Scrape(read()), lambda: reading, histograms=histograms))
    return made


def shown(source: CollectorRegistry, *names: str) -> str:
    """The lines of some metrics, without HELP and TYPE."""
    text = generate_latest(source).decode()
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith(names))


def openmetrics(source: CollectorRegistry) -> str:
    text: bytes = generate_openmetrics(source)  # type: ignore[no-untyped-call]
    return text.decode()


def value(source: CollectorRegistry, name: str, **labels: str) -> float | None:
    return source.get_sample_value(name, labels)


def write_shop(writer: LedgerWriter) -> None:
    """A shop's calls: priced, failed, estimated, and without a price."""
    writer.write(
        Batch(
            records=[
                record(1, usage=TokenUsage(100, 20, 3, 50, 7), cost_nanousd=1_234_567),
                record(2, status="error", error_type="RateLimitError"),
                record(
                    3,
                    usage=TokenUsage(11, 0, 0, 5, 0),
                    estimated=True,
                    unmetered="stream_without_usage",
                    cost_nanousd=5,
                ),
                record(4, EMBEDDINGS, usage=TokenUsage(8)),
            ],
            health={"duplicate_spans": 2},
        )
    )


HEALTH = HealthReading(
    counters={"duplicate_spans": 1, "odd_events": 4},
    queue_length=3,
    backlog_records=2,
    open_spans=5,
    last_write_ns=1_700_000_000_250_000_000,
)


# What both formats have in common, for `write_shop` and `HEALTH`: samples by metric.
TOKEN_LINES = """\
llm_tokens_total{endpoint="embeddings",model="embed",project="shop",provider="openai",type="input"} 8.0
llm_tokens_total{endpoint="embeddings",model="embed",project="shop",provider="openai",type="input_cached"} 0.0
llm_tokens_total{endpoint="embeddings",model="embed",project="shop",provider="openai",type="input_cache_write"} 0.0
llm_tokens_total{endpoint="embeddings",model="embed",project="shop",provider="openai",type="output"} 0.0
llm_tokens_total{endpoint="embeddings",model="embed",project="shop",provider="openai",type="output_reasoning"} 0.0
llm_tokens_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",type="input"} 100.0
llm_tokens_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",type="input_cached"} 20.0
llm_tokens_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",type="input_cache_write"} 3.0
llm_tokens_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",type="output"} 50.0
llm_tokens_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",type="output_reasoning"} 7.0
"""  # noqa: E501 - lines as they are served
REQUEST_LINES = """\
llm_requests_total{endpoint="embeddings",model="embed",project="shop",provider="openai",status="ok"} 1.0
llm_requests_total{endpoint="embeddings",model="embed",project="shop",provider="openai",status="error"} 0.0
llm_requests_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",status="ok"} 2.0
llm_requests_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",status="error"} 1.0
"""  # noqa: E501
UNMETERED_LINES = """\
llm_unmetered_requests_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai",reason="stream_without_usage"} 1.0
"""  # noqa: E501
ESTIMATED_LINES = """\
llm_estimated_tokens_total{direction="input",endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"} 11.0
llm_estimated_tokens_total{direction="output",endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"} 5.0
"""  # noqa: E501
COST_LINES = """\
llm_cost_usd_total{endpoint="embeddings",model="embed",project="shop",provider="openai"} 0.0
llm_cost_usd_total{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"} 0.001234572
"""  # noqa: E501
UNPRICED_LINES = """\
otel_token_monitor_unpriced_requests_total{endpoint="embeddings",model="embed",project="shop",provider="openai"} 1.0
"""  # noqa: E501


def golden(ledger_id: str, *, openmetrics: bool) -> str:
    """The whole exposition of `write_shop` and `HEALTH`, without histograms."""
    monitor = "otel_token_monitor"
    build = (
        f'{monitor}_build_info{{ledger="{ledger_id}",version="{version("otel-token-monitor")}"}}'
    )
    lines = {
        metrics.TOKENS: TOKEN_LINES,
        metrics.REQUESTS: REQUEST_LINES,
        metrics.UNMETERED_REQUESTS: UNMETERED_LINES,
        metrics.ESTIMATED_TOKENS: ESTIMATED_LINES,
        metrics.COST: COST_LINES,
        metrics.UNPRICED_REQUESTS: UNPRICED_LINES,
        metrics.HEALTH_COUNTERS["dropped_spans"]: f"{monitor}_dropped_spans_total 0.0\n",
        metrics.HEALTH_COUNTERS["duplicate_spans"]: f"{monitor}_duplicate_spans_total 3.0\n",
        metrics.HEALTH_COUNTERS["hook_errors"]: f"{monitor}_hook_errors_total 0.0\n",
        metrics.HEALTH_COUNTERS["ledger_errors"]: f"{monitor}_ledger_errors_total 0.0\n",
        metrics.HEALTH_COUNTERS["condensed_records"]: f"{monitor}_condensed_records_total 0.0\n",
        metrics.HEALTH_COUNTERS["label_overflow_requests"]: (
            f"{monitor}_label_overflow_requests_total 0.0\n"
        ),
        metrics.HEALTH_COUNTERS["undelivered_alerts"]: f"{monitor}_undelivered_alerts_total 0.0\n",
        metrics.health_counter("odd_events"): f"{monitor}_odd_events_total 4.0\n",
        metrics.LEDGER_UP: f"{monitor}_ledger_up 1.0\n",
        metrics.LABEL_SETS: f"{monitor}_label_sets 2.0\n",
        metrics.QUEUE_LENGTH: f"{monitor}_queue_length 3.0\n",
        metrics.BACKLOG_RECORDS: f"{monitor}_backlog_records 2.0\n",
        metrics.OPEN_SPANS: f"{monitor}_open_spans 5.0\n",
        metrics.LAST_WRITE: f"{monitor}_last_write_timestamp_seconds 1.70000000025e+09\n",
        metrics.BUILD_INFO: f"{build} 1.0\n",
    }
    suffix = {"counter": "_total", "info": "_info"} if openmetrics else {}
    text = ""
    for spec, samples in lines.items():
        name = spec.name.removesuffix(suffix.get(spec.kind, ""))
        kind = "gauge" if spec.kind == "info" and not openmetrics else spec.kind
        text += f"# HELP {name} {spec.help}\n# TYPE {name} {kind}\n{samples}"
    return text + ("# EOF\n" if openmetrics else "")


def test_prometheus_text(writer: LedgerWriter, reader: LedgerReader) -> None:
    write_shop(writer)
    source = registry(reader.exposition, HEALTH, histograms=False)
    expected = golden(reader.exposition().ledger_id, openmetrics=False)
    assert expected == generate_latest(source).decode()


def test_openmetrics_text(writer: LedgerWriter, reader: LedgerReader) -> None:
    write_shop(writer)
    source = registry(reader.exposition, HEALTH, histograms=False)
    expected = golden(reader.exposition().ledger_id, openmetrics=True)
    assert expected == openmetrics(source)


DURATION_LINES = """\
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="0.08",model="gpt-4o",project="shop",provider="openai"} 1.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="0.16",model="gpt-4o",project="shop",provider="openai"} 1.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="0.32",model="gpt-4o",project="shop",provider="openai"} 1.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="0.64",model="gpt-4o",project="shop",provider="openai"} 1.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="1.28",model="gpt-4o",project="shop",provider="openai"} 1.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="2.56",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="5.12",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="10.24",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="20.48",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="40.96",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="81.92",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_duration_seconds_bucket{endpoint="chat/completions",le="+Inf",model="gpt-4o",project="shop",provider="openai"} 3.0
llm_request_duration_seconds_count{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"} 3.0
llm_request_duration_seconds_sum{endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"} 101.58
"""  # noqa: E501


def test_durations_are_cumulative_buckets(writer: LedgerWriter, reader: LedgerReader) -> None:
    durations = (80_000_000, 1_500_000_000, 100_000_000_000)
    writer.write(Batch([record(n, duration_ns=ns) for n, ns in enumerate(durations)]))
    assert shown(registry(reader.exposition), metrics.DURATION.name) == DURATION_LINES


OUTPUT_TOKEN_LINES = """\
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="16.0",model="gpt-4o",project="shop",provider="openai"} 1.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="64.0",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="256.0",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="1024.0",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="4096.0",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="16384.0",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="65536.0",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="262144.0",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="1.048576e+06",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_bucket{direction="output",endpoint="chat/completions",le="+Inf",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_count{direction="output",endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"} 2.0
llm_request_tokens_sum{direction="output",endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"} 58.0
"""  # noqa: E501


def test_tokens_of_a_call_have_a_histogram(writer: LedgerWriter, reader: LedgerReader) -> None:
    usages = (TokenUsage(100, 20, 3, 50, 7), TokenUsage(0, 0, 0, 1, 0))
    writer.write(Batch([record(n, usage=usage) for n, usage in enumerate(usages)]))
    lines = shown(registry(reader.exposition), metrics.REQUEST_TOKENS.name)
    _, output = lines.split('llm_request_tokens_bucket{direction="output"', 1)
    assert 'llm_request_tokens_bucket{direction="output"' + output == OUTPUT_TOKEN_LINES


def test_the_sum_of_input_tokens_has_the_cached_ones(
    writer: LedgerWriter, reader: LedgerReader
) -> None:
    writer.write(Batch([record(usage=TokenUsage(100, 20, 3, 50, 7))]))
    labels = {**CHAT._asdict(), "direction": "input"}
    assert value(registry(reader.exposition), "llm_request_tokens_sum", **labels) == 123


def test_estimates_are_in_no_histogram(writer: LedgerWriter, reader: LedgerReader) -> None:
    writer.write(Batch([record(usage=TokenUsage(9), estimated=True, unmetered="left")]))
    labels = {**CHAT._asdict(), "direction": "input"}
    assert value(registry(reader.exposition), "llm_request_tokens_count", **labels) == 0


def test_time_to_first_token_is_shown_where_it_was_seen(
    writer: LedgerWriter, reader: LedgerReader
) -> None:
    writer.write(Batch([record(1, first_token_ns=300_000_000), record(2, EMBEDDINGS)]))
    lines = shown(registry(reader.exposition), "llm_time_to_first_token_seconds_sum")
    labels = 'endpoint="chat/completions",model="gpt-4o",project="shop",provider="openai"'
    assert lines == f"llm_time_to_first_token_seconds_sum{{{labels}}} 0.3\n"


def test_prometheus_clients_parser_reads_the_text(
    writer: LedgerWriter, reader: LedgerReader
) -> None:
    write_shop(writer)
    source = registry(reader.exposition, HEALTH)
    parsed = parse_text(generate_latest(source).decode())
    samples = [sample for family in parsed for sample in family.samples]
    assert samples == [sample for family in source.collect() for sample in family.samples]


def test_prometheus_clients_parser_reads_openmetrics(
    writer: LedgerWriter, reader: LedgerReader
) -> None:
    write_shop(writer)
    source = registry(reader.exposition, HEALTH)
    parsed = parse_openmetrics(openmetrics(source))  # type: ignore[no-untyped-call]
    assert list(parsed) == list(source.collect())


def test_label_values_are_escaped(writer: LedgerWriter, reader: LedgerReader) -> None:
    writer.write(Batch([record(labels=Labels('a"b', "c\\d", "e\nf", "ü"))]))
    expected = (
        'llm_cost_usd_total{endpoint="ü",model="e\\nf",project="a\\"b",provider="c\\\\d"} 0.0\n'
    )
    assert shown(registry(reader.exposition), "llm_cost_usd_total") == expected


def test_without_a_ledger_there_are_no_llm_series(missing: LedgerReader) -> None:
    families = [family.name for family in registry(missing.exposition).collect()]
    assert [name for name in families if name.startswith("llm_")] == []


def test_without_a_ledger_the_monitor_says_so(missing: LedgerReader) -> None:
    assert value(registry(missing.exposition), "otel_token_monitor_ledger_up") == 0


def test_without_a_ledger_health_stays(missing: LedgerReader) -> None:
    source = registry(missing.exposition, HEALTH)
    assert value(source, "otel_token_monitor_odd_events_total") == 4


def test_without_a_ledger_label_sets_are_unknown(missing: LedgerReader) -> None:
    assert value(registry(missing.exposition), "otel_token_monitor_label_sets") is None


def test_an_empty_ledger_shows_no_llm_metric(reader: LedgerReader) -> None:
    assert shown(registry(reader.exposition), "llm_") == ""


def test_registering_does_not_read(missing: LedgerReader) -> None:
    reads: list[None] = []

    def read() -> Exposition:
        reads.append(None)
        return missing.exposition()

    registry(read)
    assert reads == []


def test_every_metric_is_described(missing: LedgerReader) -> None:
    families = TokenCollector(lambda: Scrape(missing.exposition()), HealthReading).describe()
    suffix = {"counter": "_total", "info": "_info"}
    names = [family.name + suffix.get(family.type, "") for family in families]
    assert names == [spec.name for spec in metrics.METRICS]


def test_histograms_can_be_switched_off(writer: LedgerWriter, reader: LedgerReader) -> None:
    writer.write(Batch([record(duration_ns=1, first_token_ns=1, usage=TokenUsage(1))]))
    text = generate_latest(registry(reader.exposition, histograms=False)).decode()
    assert "histogram" not in text


def test_histograms_switched_off_are_not_described(missing: LedgerReader) -> None:
    collector = TokenCollector(
        lambda: Scrape(missing.exposition()), HealthReading, histograms=False
    )
    assert "histogram" not in {family.type for family in collector.describe()}


def test_other_errors_are_not_hidden() -> None:
    def read() -> Exposition:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        generate_latest(registry(read))


def test_a_process_that_has_not_written_shows_no_last_write(reader: LedgerReader) -> None:
    name = "otel_token_monitor_last_write_timestamp_seconds"
    assert value(registry(reader.exposition), name) is None


def test_a_health_count_on_its_way_to_the_ledger_does_not_fall(
    writer: LedgerWriter, reader: LedgerReader
) -> None:
    readings = iter([HealthReading(counters={"dropped_spans": 5}), HealthReading()])

    def health() -> HealthReading:
        reading = next(readings)
        if not reading.counters:  # written after the scrape has read the ledger
            writer.write(Batch(health={"dropped_spans": 5}))
        return reading

    source = CollectorRegistry()
    source.register(TokenCollector(lambda: Scrape(reader.exposition()), health))
    generate_latest(source)
    assert value(source, "otel_token_monitor_dropped_spans_total") == 5


def test_health_counts_of_the_ledger_outlast_it(tmp_path: Path) -> None:
    writer = LedgerWriter(Location.in_directory(tmp_path), max_label_sets=1)
    writer.write(Batch(health={"hook_errors": 7}))
    writer.close()
    reader = LedgerReader(writer.location)
    source = registry(reader.exposition)
    generate_latest(source)
    (tmp_path / "usage.db").unlink()
    assert value(source, "otel_token_monitor_hook_errors_total") == 7


def test_another_ledger_begins_anew(writer: LedgerWriter, reader: LedgerReader) -> None:
    writer.write(Batch(health={"hook_errors": 7}))
    other = LedgerWriter(Location.in_memory(), max_label_sets=1)
    other.write(Batch(health={"hook_errors": 1}))
    second = LedgerReader(other.location)
    expositions = iter([reader.exposition(), second.exposition()])
    second.close()
    other.close()
    source = registry(lambda: next(expositions))
    generate_latest(source)
    assert value(source, "otel_token_monitor_hook_errors_total") == 1


def test_a_forked_child_forgets_what_was_shown(reader: LedgerReader) -> None:
    readings = iter([HealthReading(counters={"hook_errors": 2}), HealthReading()])
    collector = TokenCollector(lambda: Scrape(reader.exposition()), lambda: next(readings))
    source = CollectorRegistry()
    source.register(collector)
    generate_latest(source)
    collector.forget_after_fork()
    assert value(source, "otel_token_monitor_hook_errors_total") == 0


def test_the_ledgers_id_is_shown_while_it_cannot_be_read(
    reader: LedgerReader, missing: LedgerReader
) -> None:
    readers = iter([reader, missing])
    source = registry(lambda: next(readers).exposition())
    generate_latest(source)
    labels = {"version": version("otel-token-monitor"), "ledger": reader.exposition().ledger_id}
    assert value(source, "otel_token_monitor_build_info", **labels) == 1


def test_scrapes_take_turns_at_the_ledger(reader: LedgerReader) -> None:
    reading = threading.Lock()
    overlaps: list[None] = []

    def read() -> Exposition:
        if not reading.acquire(blocking=False):
            overlaps.append(None)
            return reader.exposition()
        try:
            time.sleep(0.02)  # time for another scrape to come in between
            return reader.exposition()
        finally:
            reading.release()

    source = registry(read)
    threads = [threading.Thread(target=generate_latest, args=(source,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []
