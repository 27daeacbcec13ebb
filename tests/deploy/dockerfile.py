"""The Dockerfile and .dockerignore, read as Docker reads them, as far as we use them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from tests.deploy.composition import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCKERFILE: Final = ROOT / "Dockerfile"

_PINNED = re.compile(r"[\w./-]+:\d+\.\d+\.\d+-[\w-]+( AS \w+)?")
_SECRET = re.compile(r"(PASSWORD|TOKEN|SECRET|KEY)=", re.IGNORECASE)


def instructions(text: str | None = None) -> list[tuple[str, str]]:
    """Each instruction: its name, and the rest in one line; comments are left out."""
    text = DOCKERFILE.read_text() if text is None else text
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [
        (name.upper(), rest.strip())
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def faults(text: str | None = None) -> list[str]:
    """What is wrong with a Dockerfile, a line each."""
    steps = instructions(text)
    return [*_of_stages(steps), *_of_commands(steps), *_of_sources(steps)]


def _of_stages(steps: list[tuple[str, str]]) -> Iterator[str]:
    images = [rest for name, rest in steps if name == "FROM"]
    for image in images:
        if not _PINNED.fullmatch(image):
            yield f"FROM {image} has no tag that stays"
    if len({image.partition(" ")[0] for image in images}) > 1:
        yield "the stages have different bases"
    last = steps[max(i for i, (name, _) in enumerate(steps) if name == "FROM") :]
    users = [rest for name, rest in last if name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        yield "it runs as root, or as a user without a number"
    wanted = {"HEALTHCHECK", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    yield from (f"no {name}" for name in sorted(wanted - {name for name, _ in last}))


def _of_commands(steps: list[tuple[str, str]]) -> Iterator[str]:
    for name, rest in steps:
        if name == "ADD":
            yield f"ADD {rest}: COPY takes nothing from elsewhere"
        if name in {"ENV", "ARG"} and _SECRET.search(rest):
            yield f"{name} {rest}: a secret stays in the image"
        if name == "RUN":
            for command in re.split(r"&&|;|\|", rest):
                if " install " in command and "pip" in command and not _is_locked(command):
                    yield f"RUN {command.strip()}: files without a hash"
                if re.search(r"\b(curl|wget|apt-get)\b", command):
                    yield f"RUN {command.strip()}: takes what is there today"


def _is_locked(command: str) -> bool:
    return "--require-hashes" in command or "--no-deps dist/" in command


def _of_sources(steps: list[tuple[str, str]]) -> Iterator[str]:
    for source in sources(steps):
        if not (ROOT / source).exists():
            yield f"COPY {source}, which does not exist"
        elif is_ignored(source):
            yield f"COPY {source}, which .dockerignore leaves out"


def sources(steps: list[tuple[str, str]]) -> list[str]:
    """What is copied from the repository."""
    copies = [rest.split() for name, rest in steps if name == "COPY"]
    return [source for words in copies if "--from=" not in words[0] for source in words[:-1]]


def is_ignored(path: str) -> bool:
    """Whether .dockerignore leaves a file out: the last line that matches it, or a parent, says."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern and not pattern.startswith("#") and _matches(path, pattern):
            ignored = not line.startswith("!")
    return ignored


def _matches(path: str, pattern: str) -> bool:
    parts = path.split("/")
    if pattern.startswith("**/"):
        return any(fnmatchcase(part, pattern.removeprefix("**/")) for part in parts)
    wanted = pattern.split("/")
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))
