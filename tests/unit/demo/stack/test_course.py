"""What is said of each step, and which link is named where an alert has stopped."""

from __future__ import annotations

import json

import pytest

from otel_token_monitor.alerts.receiver import parse
from otel_token_monitor.budgets.limits import BudgetStatus
from otel_token_monitor.demo.stack.course import Course, Link, Other, Step, arrivals, clock

BUDGET = "project:checkout/tokens/day"
WARNING, CRITICAL = BudgetStatus.WARNING, BudgetStatus.CRITICAL


@pytest.fixture
def course() -> Course:
    return Course({WARNING: 0.8, CRITICAL: 0.9})


def test_each_step_is_said_with_the_seconds_since_the_crossing(course: Course) -> None:
    assert [course.note(Step(10.0 + 7 * link, WARNING, link)) for link in Link] == [
        "80% of the budget is used",
        "fires in Prometheus, 7 s later",
        "arrived at /alerts, 14 s after 80%",
    ]


def test_a_step_is_said_once(course: Course) -> None:
    course.note(Step(10.0, CRITICAL, Link.PROMETHEUS))
    assert course.note(Step(11.0, CRITICAL, Link.PROMETHEUS)) is None


def test_a_step_that_comes_before_the_crossing_was_noticed_is_no_time_later(course: Course) -> None:
    course.note(Step(11.0, CRITICAL, Link.APPLICATION))
    assert course.note(Step(10.9, CRITICAL, Link.PROMETHEUS)) == "fires in Prometheus, 0 s later"


@pytest.mark.parametrize(
    ("links", "lack"),
    [
        ((), "the budget has not reached 90%"),
        (
            (Link.APPLICATION,),
            "the budget has reached 90%, but nothing fires in Prometheus",
        ),
        (
            (Link.APPLICATION, Link.PROMETHEUS),
            "it fires in Prometheus, but Alertmanager has not delivered it to /alerts",
        ),
        ((Link.RECEIVER,), None),
    ],
)
def test_the_first_link_that_lacks_is_named(
    links: tuple[Link, ...], lack: str | None, course: Course
) -> None:
    for link in links:
        course.note(Step(1.0, CRITICAL, link))
    assert (course.lack(CRITICAL), course.has_arrived(CRITICAL)) == (lack, lack is None)


def test_of_what_arrives_the_budgets_alerts_are_steps() -> None:
    labels = {"alertname": "LLMBudgetUsed", "budget": BUDGET}
    alerts = [
        ("firing", labels | {"severity": "warning"}),
        ("firing", labels | {"severity": "critical"}),
        ("resolved", labels | {"severity": "warning"}),
        ("firing", labels | {"severity": "info"}),
        ("firing", labels | {"severity": "warning", "budget": "ledger/tokens/day"}),
        ("firing", {"alertname": "LLMTestAlert"}),
    ]
    body = {
        "alerts": [
            {"status": status, "labels": labels, "startsAt": "2026-11-24T00:00:00Z"}
            for status, labels in alerts
        ]
    }
    assert arrivals(parse(json.dumps(body).encode()), BUDGET, 5.0) == [
        Step(5.0, WARNING, Link.RECEIVER),
        Step(5.0, CRITICAL, Link.RECEIVER),
        Other(5.0, "LLMBudgetUsed is resolved (warning, project:checkout/tokens/day)"),
        Other(5.0, "LLMBudgetUsed is firing (info, project:checkout/tokens/day)"),
        Other(5.0, "LLMBudgetUsed is firing (warning, ledger/tokens/day)"),
        Other(5.0, "LLMTestAlert is firing"),
    ]


def test_the_clock_has_minutes_and_seconds() -> None:
    assert [clock(seconds) for seconds in (0.0, 7.9, 67.2)] == ["0:00", "0:07", "1:07"]
