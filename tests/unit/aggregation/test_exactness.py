"""Ledgers and data files, one by one and together, say the same to the token."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_token_monitor.budgets.windows import day_of
from otel_token_monitor.views.breakdown import By
from tests.unit.aggregation.places import NANO, added_up, at, call, files, ledger

ZONES = ("UTC", "Asia/Seoul", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")
NAMES = st.one_of(
    st.sampled_from(["default", "shop", "../up", "=1+1", "A", "a", "left", "日本"]),
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20),
)
# Around the midnights of three days, in whichever zone, also where clocks are set back.
TIMES = st.builds(
    lambda day, hours, off: at("2026-10-31T00:00Z") + (day * 24 + hours) * 3600 * NANO + off,
    st.integers(0, 2),
    st.integers(-14, 14),
    st.integers(-1, 1),
)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(NAMES, TIMES, st.integers(0, 2**40)), max_size=8),
    st.lists(st.tuples(NAMES, TIMES, st.integers(0, 2**40)), min_size=1, max_size=8),
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
)
def test_the_sums_are_those_of_the_calls(
    left: list[tuple[str, int, int]],
    right: list[tuple[str, int, int]],
    left_zone: str,
    right_zone: str,
) -> None:
    with tempfile.TemporaryDirectory() as made:
        dirs = {"left": Path(made) / "left", "right": Path(made) / "right"}
        ledger(dirs["left"], *(call(n, when, name) for name, when, n in left), zone=left_zone)
        files(dirs["right"], *(call(n, when, name) for name, when, n in right), zone=right_zone)
        found = added_up(dirs).aggregate(
            lambda today: (today - timedelta(days=40), today), by=(By.DAY, By.DIRECTORY, By.PROJECT)
        )
        expected: Counter[tuple[str, ...]] = Counter()
        requests: Counter[tuple[str, ...]] = Counter()
        for where, calls, zone in (("left", left, left_zone), ("right", right, right_zone)):
            for name, when, number in calls:
                project = where if name == "default" else name
                key = (day_of(when, ZoneInfo(zone)).isoformat(), where, project)
                expected[key] += number
                requests[key] += 1
        parts = found.breakdown.parts
        assert {part.key: part.totals.total_tokens for part in parts} == expected
        assert {part.key: part.totals.requests for part in parts} == requests
        assert found.problems == ()
