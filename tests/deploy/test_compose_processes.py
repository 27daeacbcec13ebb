"""The services of docker-compose.yml work together, as processes of this machine."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from otel_token_monitor.demo.stack.servers import (
    free_port,
    running_alertmanager,
    running_prometheus,
)
from tests.deploy.composition import DOCKER_PAGE, ROOT, Files, composition, needs
from tests.deploy.dockerfile import instructions
from tests.integration.processes import environment, samples
from tests.integration.receiving import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """What the containers see, below a directory of this machine."""
    document = composition()
    laid_out = Files(tmp_path, document)
    for name in ("secrets", "application", "prometheus", "alertmanager"):
        laid_out.lay_out(name)
    return laid_out


def make_secrets(files: Files) -> None:
    service = composition()["services"]["secrets"]
    command = files.words([*service["entrypoint"], *service["command"]])
    subprocess.run(command, check=True)


def test_a_secret_is_made_once_and_all_containers_may_read_it(files: Files) -> None:
    make_secrets(files)
    token = files.path("/secrets/alerts/token")
    password = files.path("/secrets/grafana/admin-password")
    made = token.read_text(), password.read_text()
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in made)
    assert made[0] != made[1]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (token, password)} == {0o444}
    make_secrets(files)
    assert (token.read_text(), password.read_text()) == made
    assert [path.name for path in token.parent.iterdir()] == ["token"]


@needs("promtool", "prometheus")
def test_prometheus_takes_what_is_mounted(files: Files) -> None:
    config = files.path("/etc/prometheus/prometheus.yml")
    done = subprocess.run(
        ["promtool", "check", "config", config], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rules = (ROOT / "deploy/prometheus/rules").iterdir()
    assert re.findall(r"^Checking .*/rules/(.*)$", done.stdout, re.MULTILINE) == sorted(
        path.name for path in rules
    )


@needs("amtool", "prometheus-alertmanager")
def test_alertmanager_takes_what_is_mounted(files: Files) -> None:
    config = files.path("/etc/alertmanager/alertmanager.yml")
    done = subprocess.run(
        ["amtool", "check-config", config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def settings(name: str, *others: str) -> list[str]:
    """The arguments of a server but for those that say where its files are."""
    command: list[str] = composition()["services"][name]["command"]
    assert set(others) <= set(command)
    return [word for word in command if word not in others]


@contextmanager
def application(files: Files, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The container's command as a process, at a port of its own, on loopback."""
    service = composition()["services"]["application"]
    (entrypoint,) = (words for name, words in instructions() if name == "ENTRYPOINT")
    assert entrypoint == '["otel-token-monitor"]'
    command = files.words(service["command"], **{"0.0.0.0": "127.0.0.1"})  # noqa: S104
    variables = service["environment"]
    values = files.words(list(variables.values()))
    with subprocess.Popen(
        [Path(sys.executable).with_name("otel-token-monitor"), *command, "--port", str(port)],
        env=environment(dict(zip(variables, values, strict=True))),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            eventually(lambda: is_healthy(port))
            yield process
        finally:
            process.terminate()


def is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@needs("prometheus", "prometheus")
@needs("prometheus-alertmanager", "prometheus-alertmanager")
def test_as_processes_they_deliver_an_alert_of_the_demo(files: Files) -> None:
    """With the commands, variables and files of the containers; names and ports are other ones."""
    make_secrets(files)
    web, dispatch = free_port(), free_port()
    within, config = "/etc/prometheus/targets", "/etc/alertmanager/alertmanager.yml"
    files.replace(f"{within}/token-monitors.yml", **{"application:9464": f"127.0.0.1:{web}"})
    files.replace(f"{within}/alertmanagers.yml", **{"alertmanager:9093": f"127.0.0.1:{dispatch}"})
    files.replace("/etc/prometheus/prometheus.yml", **{"interval: 15s": "interval: 1s"})
    secrets = str(files.path("/secrets"))
    address = f"127.0.0.1:{web}"
    files.replace(config, **{"application:9464": address, ": /secrets": f": {secrets}"})
    ours = settings(
        "prometheus",
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
    )
    theirs = settings(
        "alertmanager",
        "--config.file=/etc/alertmanager/alertmanager.yml",
        "--storage.path=/alertmanager",
        "--cluster.listen-address=",
    )
    with (
        application(files, web),
        running_alertmanager(
            files.path(config), files.path("/alertmanager"), port=dispatch, arguments=theirs
        ) as alertmanager,
        running_prometheus(
            files.path("/etc/prometheus/prometheus.yml"),
            files.path("/prometheus"),
            arguments=ours,
        ) as prometheus,
    ):
        arrived = f"{alertmanager.address}/api/v2/alerts"
        eventually(lambda: "LLMBudgetUsed" in httpx.get(arrived, timeout=60).text, 90)
        # The demo has told of that itself. Of another one it has not.
        other = {"labels": {"alertname": "DiskFull"}, "annotations": {"summary": "Nearly"}}
        httpx.post(arrived, json=[other], timeout=60).raise_for_status()
        eventually(lambda: "received: DiskFull is firing: Nearly" in alert_log(files))
        assert failed(alertmanager.address) == 0
        (target,) = httpx.get(f"{prometheus.address}/api/v1/targets", timeout=60).json()["data"][
            "activeTargets"
        ]
        assert (target["scrapePool"], target["health"]) == ("otel-token-monitor", "up")
        told = doctor(files, web, prometheus.address, alertmanager.address)
    assert told.returncode == 0, told.stdout + told.stderr


def doctor(
    files: Files, web: int, prometheus: str, alertmanager: str
) -> subprocess.CompletedProcess[str]:
    """What the command of docs/docker.md says, with the addresses of this machine."""
    (command,) = re.findall(
        r"exec application otel-token-monitor (doctor .*)$", DOCKER_PAGE, re.MULTILINE
    )
    here = {
        "http://localhost:9464": f"http://127.0.0.1:{web}",
        "http://prometheus:9090": prometheus,
        "http://alertmanager:9093": alertmanager,
    }
    words = [here.get(word, word) for word in command.split()]
    return subprocess.run(
        [Path(sys.executable).with_name("otel-token-monitor"), *words],
        env=environment({"TOKEN_MONITOR_DATA_DIR": str(files.path("/data"))}),
        capture_output=True,
        text=True,
        check=False,
    )


def alert_log(files: Files) -> str:
    """What the demo has noted of alerts, its own ones and those that came."""
    return "".join(path.read_text() for path in files.path("/data").glob("logs/*.log"))


def failed(alertmanager: str) -> float:
    """How many notifications could not be delivered."""
    name = "alertmanager_notifications_failed_total"
    return sum(
        one.value for one in samples(httpx.get(f"{alertmanager}/metrics", timeout=60).text, name)
    )
