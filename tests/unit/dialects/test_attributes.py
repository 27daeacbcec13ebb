"""The tables of names themselves."""

from __future__ import annotations

from typing import Final

import pytest

from otel_token_monitor.dialects import attributes

TABLES: Final = [
    name for name in attributes.__all__ if isinstance(getattr(attributes, name), tuple)
]


@pytest.mark.parametrize("table", TABLES)
def test_no_table_has_a_name_twice(table: str) -> None:
    names: tuple[str, ...] = getattr(attributes, table)
    assert sorted(names) == sorted(set(names))


def test_no_name_means_two_things() -> None:
    names = [name for table in TABLES for name in getattr(attributes, table)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("table", TABLES)
def test_no_table_reads_a_sum_over_calls_or_a_part_of_one(table: str) -> None:
    names: tuple[str, ...] = getattr(attributes, table)
    assert [name for name in names if "aggregated" in name or "partial" in name] == []


def test_what_the_conventions_say_now_goes_before_what_they_said() -> None:
    assert [getattr(attributes, table)[0] for table in ("INPUT", "OUTPUT", "PROVIDER")] == [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.provider.name",
    ]
