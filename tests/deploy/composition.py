"""What must hold for docker-compose.yml, and its services as processes of this machine."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
COMPOSE_FILE: Final = ROOT / "docker-compose.yml"
DOCKER_PAGE: Final = (ROOT / "docs/docker.md").read_text().replace("\\\n", "")

_SECRET_NAME = re.compile(r"PASSWORD|SECRET|_TOKEN|_KEY|CREDENTIAL|WEBHOOK", re.IGNORECASE)


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed, but not in CI."""
    missing = shutil.which(program) is None and os.environ.get("CI") != "true"
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


def composition() -> dict[str, Any]:
    """The document, with anchors and merges resolved."""
    return yaml.safe_load(COMPOSE_FILE.read_text())  # type: ignore[no-any-return]


def faults(document: Mapping[str, Any]) -> list[str]:
    """All that is wrong with it, a line each."""
    return [
        f"{name}: {fault}"
        for name, service in document["services"].items()
        for check in (_image, _ports, _rights, _health, _secrets, _order, _mounts)
        for fault in check(service, document)
    ]


def _image(service: Mapping[str, Any], _document: Mapping[str, Any]) -> Iterator[str]:
    _, _, tag = service.get("image", "").rpartition("/")[2].partition(":")
    if tag in {"", "latest"}:
        yield "image without a tag that stays"
    elif "build" not in service and not re.fullmatch(r"v?\d+\.\d+\.\d+", tag):
        yield f"tag {tag} is not a whole version"


def _ports(service: Mapping[str, Any], _document: Mapping[str, Any]) -> Iterator[str]:
    for port in service.get("ports", []):
        if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", str(port)):
            yield f"port {port} is published beyond loopback"
    if service.get("network_mode", "none") != "none":
        yield "shares a network that is not its own"


def _rights(service: Mapping[str, Any], _document: Mapping[str, Any]) -> Iterator[str]:
    if service.get("cap_drop") != ["ALL"] or "cap_add" in service:
        yield "keeps capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "may gain privileges"
    if service.get("read_only") is not True:
        yield "may change its own files"
    if service.get("privileged") or str(service.get("user", "")).partition(":")[0] in {"0", "root"}:
        yield "is root"
    options = service.get("logging", {}).get("options", {})
    if not {"max-size", "max-file"} <= options.keys():
        yield "its log grows without end"


def _health(service: Mapping[str, Any], _document: Mapping[str, Any]) -> Iterator[str]:
    check = service.get("healthcheck", {})
    if _ends(service):
        if service.get("restart") != "no":
            yield "ends, and is started again"
    elif check.get("disable") or ("test" not in check and "build" not in service):
        yield "has no healthcheck"
    elif service.get("restart") != "unless-stopped":
        yield "is not started again"


def _ends(service: Mapping[str, Any]) -> bool:
    """Whether it does one thing only: then it listens at nothing."""
    return bool(service.get("network_mode") == "none")


def _secrets(service: Mapping[str, Any], _document: Mapping[str, Any]) -> Iterator[str]:
    environment = service.get("environment", {})
    if isinstance(environment, list):
        environment = dict(item.partition("=")[::2] for item in environment)
    for name, value in environment.items():
        names_file = name.endswith("_FILE") and str(value).startswith("/secrets/")
        if _SECRET_NAME.search(name) and not names_file:
            yield f"{name} is a secret in the clear"
    for word in service.get("command", []):
        if re.search(r"--\S*(password|token|secret)\S*=", str(word)):
            yield f"{word} is a secret in the clear"


def _order(service: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    awaited = service.get("depends_on", {})
    for name in awaited:
        ends = _ends(document["services"][name])
        wanted = "service_completed_successfully" if ends else "service_healthy"
        condition = awaited[name]["condition"] if isinstance(awaited, dict) else "service_started"
        if condition != wanted:
            yield f"waits until {name} is {condition}, not {wanted}"
    makers = [name for name, other in document["services"].items() if _ends(other)]
    if any(":/secrets/" in mount for mount in service.get("volumes", [])) and not _ends(service):
        yield from (f"may start before {name}" for name in makers if name not in awaited)


def _mounts(service: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for mount in service.get("volumes", []):
        source, target, *mode = mount.split(":")
        if not source.startswith((".", "/")):
            if source not in document["volumes"]:
                yield f"volume {source} is not declared"
            if target.startswith("/secrets/") and not _ends(service) and mode != ["ro"]:
                yield f"may change the secrets of {target}"
        elif source.startswith("/") or ".." in Path(source).parts:
            yield f"mounts {source}, which is not of this repository"
        elif not (ROOT / source).exists():
            yield f"mounts {source}, which does not exist"
        elif mode != ["ro"]:
            yield f"may change {source}"


class Files:
    """The files that the containers see, under a directory: a path of theirs is below it."""

    def __init__(self, directory: Path, document: Mapping[str, Any]) -> None:
        self._directory = directory
        self._services = document["services"]

    def lay_out(self, name: str) -> None:
        """Put in place what the mounts of a service put there; volumes are empty directories."""
        for mount in self._services[name].get("volumes", []):
            source, target = mount.split(":")[:2]
            here = self.path(target)
            here.parent.mkdir(parents=True, exist_ok=True)
            if not source.startswith("."):
                here.mkdir(exist_ok=True)
            elif (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, here, dirs_exist_ok=True)
            else:
                shutil.copy(ROOT / source, here)

    def path(self, target: str) -> Path:
        """Where a path of the containers is on this machine."""
        return self._directory / target.removeprefix("/")

    def words(self, words: list[str], **replaced: str) -> list[str]:
        """A command with the paths of this machine, and with other words replaced."""
        return [
            re.sub(
                r"(?<![\w:/.])/(?:data|etc|secrets|usr/local|prometheus|alertmanager)(?=/|$)[\w/.-]*",
                lambda found: str(self.path(found[0])),
                replaced.get(word, word),
            )
            for word in words
        ]

    def replace(self, target: str, **replaced: str) -> None:
        """Change a file's copy; each of the texts must be in it."""
        path = self.path(target)
        text = path.read_text()
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
