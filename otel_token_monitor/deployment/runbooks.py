"""Where the alerts' runbooks are: the pages of our repository, or copies in a wiki of one's own."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["RUNBOOKS", "InvalidBaseError", "runbooks_base", "with_runbooks"]

RUNBOOKS: Final = (
    "https://github.com/otel-token-monitor/otel-token-monitor/blob/main/docs/runbooks/"
)
"""What the bundled rules' `runbook_url` begins with; NAME.md of the alert comes after it."""

# What can stand in a YAML text without quotes or in a JSON text, and means nothing to a template.
_BASE: Final = re.compile(r"https?://[\w.~:/?#\[\]@!$&()*+,;=%-]+")
# After these, NAME.md is a word of its own.
_ENDS: Final = ("/", "=", "#")


class InvalidBaseError(ValueError):
    """A text is no address that runbooks could be below."""


def runbooks_base(url: str) -> str:
    """What a `runbook_url` begins with where the pages are below `url`.

    Raises InvalidBaseError.
    """
    if not _BASE.fullmatch(url):
        message = f"{url!r} is no address of runbooks: give one such as https://wiki/runbooks"
        raise InvalidBaseError(message)
    return url if url.endswith(_ENDS) else f"{url}/"


def with_runbooks(text: bytes, base: str) -> bytes:
    """Rules or a dashboard whose links to runbooks begin with another base; all else as it was."""
    return text.replace(RUNBOOKS.encode(), base.encode())
