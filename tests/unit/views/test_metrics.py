"""The table of metrics."""

from __future__ import annotations

from otel_token_monitor.views import metrics


def test_names_are_unique() -> None:
    names = [spec.name for spec in metrics.METRICS]
    assert sorted(set(names)) == sorted(names)


def test_counters_end_in_total() -> None:
    counters = [spec.name for spec in metrics.METRICS if spec.kind == "counter"]
    assert [name for name in counters if not name.endswith("_total")] == []


def test_help_is_a_sentence() -> None:
    assert [spec.name for spec in metrics.METRICS if not spec.help.endswith(".")] == []


def test_token_types_are_the_five_parts() -> None:
    expected = ("input", "input_cached", "input_cache_write", "output", "output_reasoning")
    assert expected == metrics.TYPES
