"""Spans that hold whatever one may put there, in a real process with real spans."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.integration.applications.hostile import CALLS, COUNTS, NAMES, VALUES
from tests.integration.processes import counted, run, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import Metric

pytestmark = pytest.mark.integration

CAP = 100
SERIES_OF_A_SET = 65
"""As many as one label set has, or a few more."""

# Texts that name an operation, or an operation of Vercel's, that is no call to a model.
TEXTS = sum(isinstance(value, str) for value in VALUES)
NO_CALLS = TEXTS + TEXTS - VALUES.count("")
ODD_TIMES = 5
KNOWN = len(NAMES) * len(VALUES) - NO_CALLS + ODD_TIMES


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the application exposes: after hostile values, after 10,000 made-up names, at last."""
    return run(
        "hostile",
        {"data_dir": str(tmp_path_factory.mktemp("data"))},
        env={"TOKEN_MAX_LABEL_SETS": str(CAP), "TOKEN_INSTRUMENTATION": "none"},
    )


def total(metrics: str, name: str) -> int:
    return sum(int(sample.value) for sample in samples(metrics, name))


def grown(said: dict[str, Any], name: str) -> int:
    """What the 10,000 made-up calls added."""
    return total(said["made_up"], name) - total(said["hostile"], name)


def test_hostile_values_beside_the_usage_cost_no_token(said: dict[str, Any]) -> None:
    assert total(said["hostile"], "llm_tokens_total") == KNOWN * (3 + 2)


def test_hostile_counts_are_unmetered_calls(said: dict[str, Any]) -> None:
    assert total(said["hostile"], "llm_unmetered_requests_total") == len(COUNTS) * len(VALUES)


def test_every_hostile_call_is_a_request(said: dict[str, Any]) -> None:
    expected = KNOWN + len(COUNTS) * len(VALUES)
    assert total(said["hostile"], "llm_requests_total") == expected


def test_every_label_is_printable_and_short(said: dict[str, Any]) -> None:
    values = {
        value
        for name in ("llm_requests_total", "llm_unmetered_requests_total")
        for sample in samples(said["after"], name)
        for value in sample.labels.values()
    }
    assert [v for v in values if not v or len(v) > 128 or not v.isprintable()] == []


def test_every_token_of_ten_thousand_made_up_models_and_projects_is_counted(
    said: dict[str, Any],
) -> None:
    assert grown(said, "llm_tokens_total") == sum(range(1, CALLS + 1)) + 2 * CALLS


def test_every_call_of_ten_thousand_made_up_models_and_projects_is_counted(
    said: dict[str, Any],
) -> None:
    assert grown(said, "llm_requests_total") == CALLS


def test_label_sets_beyond_the_cap_count_as_other(said: dict[str, Any]) -> None:
    sets = {
        tuple(sample.labels[key] for key in ("project", "provider", "model", "endpoint"))
        for sample in samples(said["made_up"], "llm_requests_total")
    }
    assert len(sets) == CAP + 1


def test_what_counts_as_other_is_said(said: dict[str, Any]) -> None:
    other = counted(said["after"])["other"].requests.total()
    assert total(said["after"], "otel_token_monitor_label_overflow_requests_total") == other


def test_label_sets_within_the_cap_keep_their_own_counts(said: dict[str, Any]) -> None:
    assert counted(said["after"])["project 1"].tokens == {"input": 1, "output": 2}


@pytest.mark.parametrize("moment", ["hostile", "made_up", "after"])
def test_the_series_are_bounded(said: dict[str, Any], moment: str) -> None:
    series = [line for line in said[moment].splitlines() if line.startswith("llm_")]
    assert len(series) <= (CAP + 1) * SERIES_OF_A_SET


def test_a_call_after_them_is_counted_as_ever(said: dict[str, Any]) -> None:
    before, after = (total(said[moment], "llm_tokens_total") for moment in ("made_up", "after"))
    assert after - before == 5 + 2


def test_no_hook_failed_and_nothing_was_complained_of(said: dict[str, Any]) -> None:
    failed = total(said["after"], "otel_token_monitor_hook_errors_total")
    assert (failed, said["complaints"]) == (0, [])


def test_no_span_was_dropped(said: dict[str, Any]) -> None:
    assert total(said["after"], "otel_token_monitor_dropped_spans_total") == 0


def test_promtool_accepts_the_exposition(said: dict[str, Any]) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "apt-get install prometheus"
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=said["after"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("exposition", "parse"), [("after", parse_text), ("openmetrics", parse_openmetrics)]
)
def test_prometheus_clients_parsers_accept_the_exposition(
    said: dict[str, Any], exposition: str, parse: Callable[[str], Iterable[Metric]]
) -> None:
    tokens = [
        sample.value
        for family in parse(said[exposition])
        for sample in family.samples
        if sample.name == "llm_tokens_total"
    ]
    assert sum(tokens) == total(said["after"], "llm_tokens_total")
