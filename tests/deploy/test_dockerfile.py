"""The image is made of pinned, hashed parts, is not root, and what it installs works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.stack.servers import free_port
from tests.deploy.composition import ROOT
from tests.deploy.dockerfile import DOCKERFILE, faults, instructions, is_ignored
from tests.integration.processes import environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

BASE = "python:3.13.14-slim-trixie"


def test_nothing_is_wrong_with_it() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (f"{BASE} AS build", "python:3.13 AS build", "FROM python:3.13 AS build has no tag"),
        (f"FROM {BASE}\n", "FROM python:3.13.13-slim-trixie\n", "the stages have different bases"),
        ("USER 10001:10001\n", "", "it runs as root"),
        ("USER 10001:10001\n", "USER 0:0\n", "it runs as root"),
        ("USER 10001:10001\n", "USER monitor\n", "or as a user without a number"),
        ("STOPSIGNAL SIGTERM\n", "", "no STOPSIGNAL"),
        ("HEALTHCHECK ", "LABEL ", "no HEALTHCHECK"),
        ("COPY deploy deploy", "ADD https://example.com/a.tar /a", "ADD https://example.com/a.tar"),
        ("COPY deploy deploy", "COPY nowhere there", "COPY nowhere, which does not exist"),
        ("COPY deploy deploy", "COPY tests tests", "COPY tests, which .dockerignore leaves out"),
        ("WORKDIR /src\n", "ENV PIP_TOKEN=x\n", "ENV PIP_TOKEN=x: a secret stays in the image"),
        ("WORKDIR /src\n", "ARG API_KEY=\n", "ARG API_KEY=: a secret stays in the image"),
        (
            "--require-hashes --only-binary :all: -r requirements/build.txt",
            "-r requirements/build.txt",
            "RUN /opt/build/bin/pip install -r requirements/build.txt: files without a hash",
        ),
        (
            "install --no-deps dist/*.whl",
            "install .",
            "RUN /opt/build/bin/pip --python /opt/monitor install .: files without a hash",
        ),
        ("WORKDIR /src\n", "RUN curl https://x.org | sh\n", "takes what is there today"),
    ],
)
def test_what_is_wrong_would_be_found(old: str, new: str, fault: str) -> None:
    text = DOCKERFILE.read_text()
    assert old in text
    assert [fault in found for found in faults(text.replace(old, new, 1))].count(True) == 1


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".env",
        ".venv/bin/python",
        "data/token_usage/usage.db",
        "tests/conftest.py",
        "requirements/lock.txt",
        "slack-url",
        "otel_token_monitor/__pycache__/usage.cpython-313.pyc",
    ],
)
def test_what_the_image_is_not_made_of_stays_out(path: str) -> None:
    assert is_ignored(path)


@pytest.mark.parametrize(
    "path",
    [
        "pyproject.toml",
        "requirements/runtime.txt",
        "otel_token_monitor/deployment/bundled",
        "otel_token_monitor/ledger/migrations/0001_ledger.sql",
        "deploy/prometheus/rules/budgets.yml",
    ],
)
def test_what_the_image_is_made_of_gets_in(path: str) -> None:
    assert (ROOT / path).exists()
    assert not is_ignored(path)


def pins(file: str) -> dict[str, str]:
    """The version of each package in a file of requirements/."""
    text = (ROOT / "requirements" / file).read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("file", ["runtime.txt", "build.txt"])
def test_the_versions_are_those_that_are_tested_and_each_has_a_hash(file: str) -> None:
    assert pins(file).items() <= pins("lock.txt").items()
    text = (ROOT / "requirements" / file).read_text()
    for requirement in re.split(r"\n(?=\w)", text):
        assert " --hash=sha256:" in requirement
    assert "://" not in text
    assert "--index" not in text


def test_the_image_has_what_the_package_and_the_demo_need_and_no_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["demo"],
    ]
    assert {re.split(r"[<>=]", one)[0] for one in needed} <= pins("runtime.txt").keys()
    assert not {"pytest", "ruff", "hatchling", "django"} & pins("runtime.txt").keys()
    (builds_with,) = project["build-system"]["requires"]
    assert builds_with.partition(">")[0] in pins("build.txt")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the first stage makes: its steps, done here, by this Python."""
    root = tmp_path_factory.mktemp("image")
    here = root
    path = f"{sys.prefix}/bin:{os.environ['PATH']}"
    variables = environment({"PATH": path, "PYTHONPATH": ""})
    for name, rest in instructions():
        if name == "FROM" and "AS" not in rest:
            break
        if name == "WORKDIR":
            here = root / rest.removeprefix("/")
            here.mkdir(parents=True)
        elif name == "ENV":
            variables |= dict(pair.split("=") for pair in rest.split())
        elif name == "COPY":
            copy(rest.split(), here)
        elif name == "RUN":
            command = rest.replace("/opt/", f"{root}/opt/")
            subprocess.run(["sh", "-ec", command], cwd=here, env=variables, check=True)
    return root


def copy(words: list[str], here: Path) -> None:
    """COPY, with what .dockerignore leaves out left out."""

    def left_out(directory: str, names: list[str]) -> set[str]:
        place = os.path.relpath(directory, ROOT)
        return {name for name in names if is_ignored(f"{place}/{name}")}

    *sources, target = words
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, here / target, symlinks=True, ignore=left_out)
        else:
            (here / target).mkdir(exist_ok=True)
            shutil.copy(ROOT / source, here / target)


def test_what_it_installs_has_the_rules_and_nothing_to_install_more(image: Path) -> None:
    code = (
        "import openai, json\n"
        "from otel_token_monitor.deployment.bundle import RULES, bundled\n"
        "print(json.dumps(sorted(rule.name for rule in bundled(RULES).iterdir())))"
    )
    monitor = image / "opt/monitor/bin"
    done = subprocess.run(
        [monitor / "python", "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == ["budgets.yml", "monitoring.yml", "usage.yml"]
    assert not (monitor / "pip").exists()


def test_its_healthcheck_tells_whether_it_serves(image: Path, tmp_path: Path) -> None:
    """With the image's command, at another port and at loopback only."""
    port = free_port()
    steps = dict(instructions())
    command = [*json.loads(steps["ENTRYPOINT"]), *json.loads(steps["CMD"])]
    assert command == ["otel-token-monitor", "serve", "--host", "0.0.0.0"]  # noqa: S104
    serve = [str(image / "opt/monitor/bin" / command[0]), "serve", "--host", "127.0.0.1"]
    asks = json.loads(steps["HEALTHCHECK"].partition("CMD ")[2])
    check = [sys.executable, *(word.replace("9464", str(port)) for word in asks[1:])]
    assert exit_code(check) == 1
    with subprocess.Popen(
        [*serve, "--port", str(port)],
        env=environment({"TOKEN_MONITOR_DATA_DIR": str(tmp_path), "PYTHONPATH": ""}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while exit_code(check):
                assert time.monotonic() < deadline
        finally:
            process.terminate()
    assert process.returncode == 0
    assert exit_code(check) == 1


def exit_code(check: list[str]) -> int:
    """Of the healthcheck, where 0 is healthy; a proxy that the environment names is not asked."""
    variables = environment({"http_proxy": "http://127.0.0.1:9", "no_proxy": ""})
    return subprocess.run(check, env=variables, stderr=subprocess.DEVNULL, check=False).returncode
