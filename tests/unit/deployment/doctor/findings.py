"""Findings as tests compare them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_token_monitor.deployment.doctor.findings import Link

__all__ = ["beyond", "said"]


def said(link: Link) -> str:
    """Each finding in a line: its state, what was seen, what to do."""
    return "\n".join(
        f"{finding.state}: {finding.text}{finding.remedy and f' → {finding.remedy}'}"
        for finding in link.findings
    )


def beyond(link: Link) -> str:
    """The same without the first finding."""
    return said(link).partition("\n")[2]
