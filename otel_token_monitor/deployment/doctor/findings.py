"""What is found at each link of the chain, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.alerts.times import instant

if TYPE_CHECKING:
    from otel_token_monitor.deployment.http_api import ApiError

__all__ = [
    "SCHEMA_VERSION",
    "Diagnosis",
    "Finding",
    "Link",
    "State",
    "broken",
    "fine",
    "of_error",
    "sentence",
    "skipped",
    "warning",
]

SCHEMA_VERSION: Final = 1
"""Of the document; it grows when a key is removed or means something else."""


class State(StrEnum):
    """How a link stands. `skipped`: it could not be looked at, since another one is broken."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    BROKEN = "broken"


_ORDER: Final = tuple(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was seen, and what to do about it; '' if nothing need be done."""

    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of the chain, with at least one finding."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The worst of its findings."""
        return max((finding.state for finding in self.findings), key=_ORDER.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The links of the chain in their order, as of an instant (UTC)."""

    now_ns: int
    links: tuple[Link, ...]

    @property
    def state(self) -> State:
        """The worst of the links."""
        return max((link.state for link in self.links), key=_ORDER.index)

    @property
    def is_broken(self) -> bool:
        """Whether an alert cannot come through."""
        return self.state is State.BROKEN

    def document(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "time": instant(self.now_ns),
            "state": str(self.state),
            "links": [
                {
                    "name": link.name,
                    "state": str(link.state),
                    "findings": [
                        {
                            "state": str(finding.state),
                            "text": finding.text,
                            "remedy": finding.remedy or None,
                        }
                        for finding in link.findings
                    ],
                }
                for link in self.links
            ],
            "test_alert": None,
        }


def fine(text: str) -> Finding:
    """That something works."""
    return Finding(state=State.OK, text=text)


def warning(text: str, remedy: str) -> Finding:
    """That alerts come, but something is not as it should be."""
    return Finding(state=State.WARNING, text=text, remedy=remedy)


def broken(text: str, remedy: str) -> Finding:
    """That no alert comes this way."""
    return Finding(state=State.BROKEN, text=text, remedy=remedy)


def of_error(error: ApiError) -> Finding:
    """That a server did not answer as it should."""
    return broken(f"{error.address} {error.reason}.", f"{sentence(error.remedy)}.")


def skipped(text: str) -> Finding:
    """That something was not looked at, and why."""
    return Finding(state=State.SKIPPED, text=text)


def sentence(text: str) -> str:
    """The text with a capital letter at its start."""
    return text[:1].upper() + text[1:]
