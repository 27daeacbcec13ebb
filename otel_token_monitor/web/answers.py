"""Answers over HTTP, none of which a cache may keep: the next one has other figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

__all__ = ["NO_STORE", "encodable", "failure", "json_answer"]

NO_STORE: Final = {"Cache-Control": "no-store"}


def json_answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A document as JSON."""
    return JSONResponse(document, status, {**NO_STORE, **(headers or {})})


def failure(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    """What was wrong, as JSON."""
    return json_answer({"error": encodable(reason)}, status, headers)


def encodable(text: str) -> str:
    """The text with escapes for what is not UTF-8: the name of a file may have any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
