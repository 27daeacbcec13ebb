"""Limits of the whole ledger, of projects and of models, as users write them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.config import LIMITS, LimitSetting, ProjectLimits, ScopeLimits
from tests.unit.config.loading import COST, COUNT, SHARE, faults, load

if TYPE_CHECKING:
    from tests.unit.config.loading import Write

KEYS = ", ".join(LIMITS)
FIVE = LimitSetting(limit=5)


@pytest.mark.parametrize(
    ("value", "limit"),
    [(1, 1), ("2_000_000", 2_000_000), (2e6, 2_000_000), (" 2e6 ", 2_000_000), (10**15, 10**15)],
)
def test_what_limits_tokens(value: object, limit: int) -> None:
    setting = load(daily_limit=value).daily_limit
    assert setting == LimitSetting(limit=limit)


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        1.5,
        True,
        "",
        " ",
        "many",
        "2,000",
        10**15 + 1,
        "1e400",
        "1e99999999999999999999",
        "nan",
        float("inf"),
        "sNaN",
        "�",
        [5],
        "0x10",
    ],
)
def test_what_limits_no_tokens(value: object) -> None:
    assert faults(daily_limit=value) == (f"argument daily_limit: {value!r} is not {COUNT}",)


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (0.1, "0.1"),
        ("0.000000001", "0.000000001"),
        (10**9, "1000000000"),
        ("5.00", "5"),
        (Decimal("999999999.123456789"), "999999999.123456789"),
    ],
)
def test_what_limits_cost(value: object, limit: str) -> None:
    setting = load(daily_cost_limit=value).daily_cost_limit
    assert setting is not None
    assert f"{setting.limit:f}" == limit


@pytest.mark.parametrize("value", [0, "-1", "$5", "0.0000000001", 10**9 + 1, "1e-400", True])
def test_what_limits_no_cost(value: object) -> None:
    assert faults(daily_cost_limit=value) == (
        f"argument daily_cost_limit: {value!r} is not {COST}",
    )


def test_a_limit_with_thresholds_of_its_own(write: Write) -> None:
    file = write(
        "c.yaml", "daily_limit: {limit: 500000, warning_threshold: 0.7, alert_threshold: 0.95}"
    )
    assert load(file=file).daily_limit == LimitSetting(
        limit=500_000, warning_threshold=0.7, alert_threshold=0.95
    )


def test_thresholds_without_a_limit() -> None:
    assert faults(daily_limit={"warning_threshold": 0.7}) == (
        "argument daily_limit: {'warning_threshold': 0.7} has no limit; add limit: and a number",
    )


def test_each_fault_of_a_limit(write: Write) -> None:
    file = write("c.yaml", "daily_limit: {limit: 0, warning_treshold: 0.7, alert_threshold: 7}")
    assert faults(file=file) == (
        f"c.yaml: daily_limit.limit: 0 is not {COUNT}",
        (
            "c.yaml: daily_limit.warning_treshold is unknown; did you mean warning_threshold or "
            "alert_threshold?"
        ),
        f"c.yaml: daily_limit.alert_threshold: 7 is not {SHARE}",
    )


def test_a_limit_whose_thresholds_are_in_the_wrong_order() -> None:
    limit = {"limit": 5, "warning_threshold": 0.95, "alert_threshold": 0.7}
    assert faults(global_daily_limit=limit) == (
        (
            "argument global_daily_limit: warning_threshold 0.95 is not below alert_threshold 0.7; "
            "lower the one or raise the other"
        ),
    )


def test_one_threshold_of_a_limit_is_compared_with_that_of_the_configuration(write: Write) -> None:
    file = write(
        "c.yaml",
        "projects:\n"
        "  checkout:\n"
        "    daily_limit: {limit: 5, warning_threshold: 0.9}\n"
        "    models: {gpt-5*: {daily_limit: {limit: 5, alert_threshold: 0.8}}}\n"
        "models: {o3: {monthly_limit: {limit: 5, alert_threshold: 0.1}}}\n",
    )
    remedy = "lower the one or raise the other"
    assert faults(file=file) == (
        (
            f"c.yaml: models.o3.monthly_limit: warning_threshold 0.8 is not below alert_threshold "
            f"0.1; {remedy}"
        ),
        (
            "c.yaml: projects.checkout.daily_limit: warning_threshold 0.9 is not below "
            f"alert_threshold 0.9; {remedy}"
        ),
        (
            "c.yaml: projects.checkout.models.gpt-5*.daily_limit: warning_threshold 0.8 is not "
            f"below alert_threshold 0.8; {remedy}"
        ),
    )


def test_limits_of_projects_and_models(write: Write) -> None:
    file = write(
        "c.yaml",
        "projects:\n"
        "  checkout:\n"
        "    daily_limit: 5\n"
        "    daily_cost_limit: 1.5\n"
        "    models:\n"
        "      gpt-5*: {per_minute_limit: 5}\n"
        "  empty:\n"
        "models:\n"
        "  o3: {requests_per_day_limit: 5, daily_limit: null}\n",
    )
    config = load(file=file)
    assert config.projects == {
        "checkout": ProjectLimits(
            daily_limit=FIVE,
            daily_cost_limit=LimitSetting(limit=Decimal("1.5")),
            models={"gpt-5*": ScopeLimits(per_minute_limit=FIVE)},
        ),
        "empty": ProjectLimits(),
    }
    assert config.models == {"o3": ScopeLimits(requests_per_day_limit=FIVE)}


def test_limits_that_are_made_already() -> None:
    projects = {"a": ProjectLimits(daily_limit=FIVE, models={"o3": ScopeLimits(daily_limit=FIVE)})}
    models = {"o3": ScopeLimits(monthly_limit=LimitSetting(limit=7, warning_threshold=0.5))}
    config = load(projects=projects, models=models, daily_limit=FIVE)
    assert (config.projects, config.models, config.daily_limit) == (projects, models, FIVE)


def test_a_limit_that_is_made_already_is_checked() -> None:
    assert faults(daily_limit=LimitSetting(limit=Decimal("0.5"))) == (
        f"argument daily_limit.limit: Decimal('0.5') is not {COUNT}",
    )


def test_every_fault_of_a_project(write: Write) -> None:
    file = write(
        "limits.yaml",
        "projects:\n"
        "  checkout:\n"
        "    daily_limit: 0\n"
        "    dayly_cost_limit: 5\n"
        "    models:\n"
        "      gpt-5*: {daily_cost_limit: free}\n"
        "      '': {}\n"
        "  7: {daily_limit: 5}\n"
        "  my team: 5\n",
    )
    assert faults(file=file) == (
        f"limits.yaml: projects.checkout.daily_limit: 0 is not {COUNT}",
        (
            "limits.yaml: projects.checkout.dayly_cost_limit is unknown; did you mean "
            "daily_cost_limit or monthly_cost_limit or daily_limit?"
        ),
        f"limits.yaml: projects.checkout.models.gpt-5*.daily_cost_limit: 'free' is not {COST}",
        (
            "limits.yaml: projects.checkout.models: '' is not a model or a pattern such as gpt-5*, "
            "of 1 to 256 characters"
        ),
        "limits.yaml: projects: 7 is not a project, a name of 1 to 128 printable characters",
        f"limits.yaml: projects.'my team': 5 is not a mapping with keys of {KEYS}, models",
    )


def test_models_within_a_model_are_unknown() -> None:
    assert faults(models={"o3": {"models": {}}}) == (
        f"argument models.o3.models is unknown; known are {KEYS}",
    )


@pytest.mark.parametrize("value", [5, "checkout", ["checkout"]])
def test_what_is_no_mapping_of_projects(value: object) -> None:
    assert faults(projects=value) == (
        (
            f"argument projects: {value!r} is not a mapping whose keys are a project, a name of 1 "
            "to 128 printable characters"
        ),
    )


def test_a_mapping_that_holds_itself(write: Write) -> None:
    file = write("c.yaml", "projects: &all\n  a: *all\n")
    assert faults(file=file) == (f"c.yaml: projects.a.a is unknown; known are {KEYS}, models",)


def test_projects_come_from_the_first_source_alone(write: Write) -> None:
    file = write("c.yaml", "projects: {a: {daily_limit: 5}}")
    config = load(file=file, projects={"b": {"daily_limit": 5}})
    assert config.projects == {"b": ProjectLimits(daily_limit=FIVE)}


def test_limits_in_the_document() -> None:
    config = load(
        daily_limit=5,
        daily_cost_limit="1.5",
        monthly_cost_limit="999999999.123456789",
        projects={"a": {"daily_limit": {"limit": 7, "alert_threshold": 1}, "models": {"o3": {}}}},
    )
    document = config.document(secrets=False)
    assert document["daily_limit"] == 5
    assert document["daily_cost_limit"] == 1.5
    assert document["monthly_cost_limit"] == "999999999.123456789"
    assert document["projects"] == {
        "a": {"daily_limit": {"limit": 7, "alert_threshold": 1.0}, "models": {"o3": {}}}
    }
