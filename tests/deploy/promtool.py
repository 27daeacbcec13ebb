"""The rules of `deploy/`, their promtool cases, and promtool itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def needs(*programs: str) -> list[pytest.MarkDecorator]:
    """The marks of tests that run them: without them they are skipped here, and fail in CI."""
    missing = [program for program in programs if shutil.which(program) is None]
    return [
        pytest.mark.integration,
        pytest.mark.skipif(
            bool(missing) and os.environ.get("CI") != "true",
            reason=f"not installed: {', '.join(missing)}",
        ),
    ]


def run(*command: str | Path, cwd: Path) -> tuple[int, str]:
    """Run a program; its exit code, and all that it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@cache
def document(path: Path) -> dict[str, Any]:
    """A YAML file, read once: don't change it."""
    read: dict[str, Any] = yaml.load(path.read_text(), yaml.CSafeLoader)
    return read


def rules() -> Iterator[dict[str, Any]]:
    """Every rule, as its file has it."""
    for path in RULES:
        for group in document(path)["groups"]:
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    """The rules that alert."""
    return [rule for rule in rules() if "alert" in rule]


@cache
def cases() -> dict[str, tuple[Path, dict[str, Any]]]:
    """Every case by its name, and the file that it is in."""
    return {case["name"]: (path, case) for path in TESTS for case in document(path)["tests"]}
