"""A diagnosis as people and programs read it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from otel_token_monitor.deployment.doctor.findings import (
    Diagnosis,
    Finding,
    Link,
    broken,
    fine,
    skipped,
    warning,
)
from otel_token_monitor.deployment.doctor.view import diagnosis_view

NOW = 1_795_491_795 * 1_000_000_000


def diagnosis(*findings: Finding) -> Diagnosis:
    links = (Link(name="application", findings=(fine("3 calls."),)),)
    return Diagnosis(now_ns=NOW, links=(*links, Link(name="rules", findings=findings)))


def lines(found: Diagnosis, width: int = 60, *, test_alert: bool = False) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, emoji=False)
    console.print(diagnosis_view(found, width, test_alert=test_alert))
    return [line.rstrip() for line in file.getvalue().rstrip("\n").split("\n")]


def test_the_worst_is_said_first_and_what_to_do_after_an_arrow() -> None:
    found = diagnosis(fine("One is fine."), broken("One is\x1b broken and long.", "Mend it."))
    assert lines(found, 40) == [
        "BROKEN  2026-11-24 03:43 UTC",
        "",
        "application  ok      3 calls.",
        "rules        broken  One is� broken and",
        "                     long.",
        "                     → Mend it.",
        "                     One is fine.",
        "",
        "Mend what is broken, from the top; then",
        "run this again.",
    ]


@pytest.mark.parametrize(
    ("finding", "headline", "last"),
    [
        (
            fine("a"),
            "OK",
            "Everything works. To see an alert come through, add --test-alert.",
        ),
        (skipped("a"), "SKIPPED", "What could be looked at works."),
        (
            warning("a", "b"),
            "WARNING",
            "Alerts come through, as far as can be seen: --test-alert shows it.",
        ),
        (broken("a", "b"), "BROKEN", "Mend what is broken, from the top; then run this again."),
    ],
)
def test_the_first_and_the_last_line_say_all(finding: Finding, headline: str, last: str) -> None:
    found = lines(diagnosis(finding), 100)
    assert (found[0].split()[0], found[-1]) == (headline, last)


def test_before_a_test_alert_the_last_line_is_left_out_unless_none_is_sent() -> None:
    assert lines(diagnosis(fine("a")), test_alert=True)[-1] == "rules        ok  a"
    assert lines(diagnosis(broken("a", "b")), test_alert=True)[-1] == (
        "No test alert is sent: mend what is broken, from the top."
    )


def test_the_document_has_what_the_screen_has() -> None:
    assert diagnosis(warning("a", "b")).document() == {
        "schema_version": 1,
        "time": "2026-11-24T03:43:15.000Z",
        "state": "warning",
        "links": [
            {
                "name": "application",
                "state": "ok",
                "findings": [{"state": "ok", "text": "3 calls.", "remedy": None}],
            },
            {
                "name": "rules",
                "state": "warning",
                "findings": [{"state": "warning", "text": "a", "remedy": "b"}],
            },
        ],
        "test_alert": None,
    }
