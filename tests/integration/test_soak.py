"""A short version of the soak test."""

from __future__ import annotations

import pytest

from tests import soak

pytestmark = pytest.mark.integration


def test_kill_9_under_load_loses_an_interval_at_most_and_no_counter_falls() -> None:
    assert soak.kills(5, per_second=500, timed=False).violations == []


def test_many_writers_at_full_speed_lose_nothing() -> None:
    assert soak.writers(seconds=1.5, timed=False).violations == []


def test_short_lived_processes_are_all_there() -> None:
    assert soak.short_lives(6, 1.0).violations == []


def test_memory_stays_whatever_the_names() -> None:
    assert soak.memory(10_000, names=2_000).violations == []
