"""Running applications as processes, and reading what they report and expose."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.samples import Sample

__all__ = [
    "OPENAI_LINES",
    "ROOT",
    "Answers",
    "Counted",
    "ahead",
    "counted",
    "environment",
    "openai_line",
    "run",
    "samples",
]

ROOT = Path(__file__).parents[2]

_OTHERS = (
    "OTEL_",
    "TOKEN_",
    "GLOBAL_TOKEN_",
    "TRACELOOP_",
    "OPENINFERENCE_",
    "OPENAI_",
    "PROMETHEUS_",
)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what steers instrumentations and the monitor."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(extra or {})


OPENAI_LINES = (1, 2, 3)
"""The major versions of openai: one of each is there, the last for all that ask for none."""


def openai_line(line: int) -> dict[str, str]:
    """The environment (for `run`, or `environment`) in which openai is of this major version."""
    if line == OPENAI_LINES[-1]:
        return {}
    directory = Path(sys.prefix) / f"openai-{line}"
    assert (directory / ".installed").exists(), f"run `make .venv/openai-{line}/.installed`"
    return {"PYTHONPATH": os.pathsep.join((str(directory), str(ROOT)))}


def run(
    application: str,
    question: Mapping[str, object],
    *,
    env: Mapping[str, str] | None = None,
    launcher: tuple[str, ...] = (sys.executable,),
) -> dict[str, Any]:
    """Run an application of this folder with a question; its answer."""
    process = subprocess.run(
        [*launcher, "-m", f"tests.integration.applications.{application}"],
        cwd=ROOT,
        env=environment(env),
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    answer: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return answer


Answers = Callable[[str], dict[str, Any]]
"""What the application of a name reported."""


@contextlib.contextmanager
def ahead(asked: Mapping[str, Callable[[], dict[str, Any]]]) -> Iterator[Answers]:
    """Ask all at the start, two at a time: each application takes a core for some seconds."""
    pool = ThreadPoolExecutor(2)
    answers = {name: pool.submit(ask) for name, ask in asked.items()}
    try:
        yield lambda name: answers[name].result()
    finally:
        pool.shutdown(cancel_futures=True)


def samples(metrics: str, name: str) -> list[Sample]:
    """All samples of one name in an exposition."""
    return [
        sample
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == name
    ]


@dataclass
class Counted:
    """What `/metrics` says of one project."""

    tokens: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    unmetered: Counter[str] = field(default_factory=Counter)
    where: set[tuple[str, str, str]] = field(default_factory=set)


_SERIES = (
    ("llm_tokens_total", "tokens", "type"),
    ("llm_requests_total", "requests", "status"),
    ("llm_unmetered_requests_total", "unmetered", "reason"),
)


def counted(metrics: str) -> dict[str, Counted]:
    """What `/metrics` says of each project; where it says 0, nothing."""
    projects: dict[str, Counted] = {}
    for name, attribute, key in _SERIES:
        for sample in samples(metrics, name):
            if sample.value:
                labels = sample.labels
                entry = projects.setdefault(labels["project"], Counted())
                getattr(entry, attribute)[labels[key]] += int(sample.value)
                entry.where.add((labels["provider"], labels["model"], labels["endpoint"]))
    return projects
