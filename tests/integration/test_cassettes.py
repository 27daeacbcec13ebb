"""Recorded traffic through the real client: the ledger equals what the recordings say."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration.processes import OPENAI_LINES, ROOT, ahead, environment, openai_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

CASSETTES = ROOT / "tests/cassettes"
# requests, errors, unmetered; then the five parts
TABLE = {
    "GET batches": (0, 0, 0, 0, 0, 0, 0, 0),
    "GET batches/…": (0, 0, 0, 0, 0, 0, 0, 0),
    "GET chat/completions": (0, 0, 0, 0, 0, 0, 0, 0),
    "GET responses/…": (0, 0, 0, 0, 0, 0, 0, 0),
    "GET responses/… stream": (0, 0, 0, 0, 0, 0, 0, 0),
    "POST audio/speech": (1, 0, 1, 0, 0, 0, 0, 0),
    "POST audio/transcriptions": (3, 0, 2, 4, 0, 0, 6, 0),
    "POST audio/transcriptions stream": (1, 0, 0, 4, 0, 0, 6, 0),
    "POST batches": (2, 0, 1, 24, 0, 0, 54, 192),
    "POST chat/completions": (13, 4, 1, 618, 512, 0, 55, 256),
    "POST chat/completions stream": (5, 0, 1, 36, 0, 0, 16, 64),
    "POST completions": (1, 0, 0, 3, 0, 0, 8, 0),
    "POST completions stream": (1, 0, 0, 2, 0, 0, 4, 0),
    "POST deployments/my-deployment/chat/completions": (1, 0, 0, 9, 0, 0, 4, 0),
    "POST deployments/my-deployment/chat/completions stream": (1, 0, 0, 9, 0, 0, 4, 0),
    "POST embeddings": (2, 0, 0, 5, 0, 0, 0, 0),
    "POST images/edits": (1, 0, 0, 5, 0, 0, 272, 0),
    "POST images/generations": (1, 0, 0, 2, 0, 0, 544, 0),
    "POST images/generations stream": (1, 0, 0, 2, 0, 0, 272, 0),
    "POST moderations": (0, 0, 0, 0, 0, 0, 0, 0),
    "POST responses": (7, 0, 2, 548, 1024, 512, 38, 208),
    "POST responses stream": (3, 1, 0, 18, 0, 0, 4, 80),
    "POST responses/…/cancel": (0, 0, 0, 0, 0, 0, 0, 0),
}


def replayed(directory: Path, *arguments: str, line: int = 3) -> subprocess.CompletedProcess[str]:
    """The tool's end, with openai of a major version."""
    return subprocess.run(
        [sys.executable, "scripts/replay_cassettes.py", str(directory), *arguments],
        cwd=ROOT,
        env=environment(openai_line(line)),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def cassette(directory: Path, usage: object, *, encoding: str = "identity") -> Path:
    """A directory with one cassette of one chat."""
    body = {"id": "chatcmpl-1", "model": "m", "choices": [], "usage": usage}
    interaction = {
        "request": {
            "method": "POST",
            "uri": "https://api.openai.com/v1/chat/completions",
            "headers": {"content-type": ["application/json"]},
            "body": '{"model": "m"}',
        },
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": {"Content-Type": ["application/json"], "Content-Encoding": [encoding]},
            "body": {"string": json.dumps(body)},
        },
    }
    text = yaml.safe_dump({"interactions": [interaction], "version": 1})
    (directory / "chat.yaml").write_text(text)
    return directory


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    def ask(line: int, *arguments: str) -> dict[str, Any]:
        return {"said": replayed(CASSETTES, *arguments, line=line).stdout}

    asked = {f"sync, openai {line}": partial(ask, line) for line in OPENAI_LINES}
    asked |= {f"async, openai {line}": partial(ask, line, "--async") for line in OPENAI_LINES}
    with ahead(asked) as told:
        yield told


@pytest.mark.parametrize("line", OPENAI_LINES)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_each_kind_of_request_is_as_recorded(answers: Answers, mode: str, line: int) -> None:
    *table, verdict = answers(f"{mode}, openai {line}")["said"].splitlines()[1:]
    numbers = {row[:-80].strip(): tuple(map(int, row[-80:].split())) for row in table}
    assert numbers == TABLE
    assert verdict == "the ledger equals what was recorded"


def test_counts_of_another_dialect_are_a_difference(tmp_path: Path) -> None:
    # Reasoning beside the output, as Gemini counts: OpenAI's is within.
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    ended = replayed(cassette(tmp_path, usage))
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (1, "the ledger differs")


def test_a_body_may_be_decompressed_and_say_it_is_not(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    ended = replayed(cassette(tmp_path, usage, encoding="br"))
    assert ended.returncode == 0, ended.stdout


def test_nothing_to_replay_is_no_success(tmp_path: Path) -> None:
    assert replayed(tmp_path).returncode == 2


def test_yaml_that_is_no_cassette_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("a: 1\n")
    ended = replayed(tmp_path)
    assert (ended.returncode, ended.stderr.split(":")[0]) == (2, "other is no cassette")
