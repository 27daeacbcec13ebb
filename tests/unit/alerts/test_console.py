"""The console: the application's logging, or standard error where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging
from otel_token_monitor.alerts.console import Console
from otel_token_monitor.alerts.notices import Line

def say(level, text):
    Console(logging.INFO).say([Line(time="", date="", level=level, text=text)])

say(logging.INFO, "first")
say(logging.DEBUG, "too little")
say(logging.CRITICAL, "second")
logging.basicConfig(format="app %(levelname)s %(message)s", level=logging.INFO)
say(logging.WARNING, "third")
"""


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What a program of its own wrote to standard error: pytest has handlers in this one."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_where_no_logging_is_configured_alerts_go_to_standard_error(said: list[str]) -> None:
    assert [line.split(" ", 2)[2] for line in said[:2]] == ["INFO first", "CRITICAL second"]


def test_the_applications_own_logging_takes_over(said: list[str]) -> None:
    assert said[2:] == ["app WARNING third"]
