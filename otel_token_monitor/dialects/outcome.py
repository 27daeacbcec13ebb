"""How a call ended: well or in error, and why its usage is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_token_monitor.dialects import attributes as names

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNKNOWN_ERROR", "error_type_of", "unmetered_reason"]

UNKNOWN_ERROR: Final = "_OTHER"
"""The conventions' word for an error of which nothing is known."""

# Errors that say that the server answered and refused: nothing was generated, nothing is paid.
_REFUSED: Final = (
    "AccessDeniedException",
    "APIStatusError",
    "AuthenticationError",
    "BadRequestError",
    "ClientError",
    "ConflictError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "ForbiddenError",
    "InternalServerError",
    "InvalidArgument",
    "InvalidRequestError",
    "NotFoundError",
    "OverloadedError",
    "PermissionDenied",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTooLargeError",
    "ResourceExhausted",
    "ServerError",
    "ServiceUnavailable",
    "ServiceUnavailableError",
    "ThrottlingException",
    "TooManyRequestsError",
    "Unauthenticated",
    "UnauthorizedError",
    "UnprocessableEntityError",
    "ValidationException",
)

# Errors that leave open whether the server answered: it may have generated, and billed.
_NO_RESPONSE: Final = ("Timeout", "Connection", "ConnectError", "ReadError", "ProtocolError")
_CANCELLED: Final = frozenset({"CancelledError", "GeneratorExit", "KeyboardInterrupt"})

_OK: Final = "OK"


def error_type_of(
    attributes: Mapping[str, object], exception_type: str | None, *, failed: bool
) -> str | None:
    """The error's class name or HTTP status, without its module; None if the call ended well."""
    said = attributes.get(names.ERROR_TYPE)
    if isinstance(said, str) and said:
        return said.rpartition(".")[2] or said
    if not failed:
        return None
    if exception_type:
        return exception_type.rpartition(".")[2] or exception_type
    return UNKNOWN_ERROR


def unmetered_reason(  # noqa: PLR0911 - a decision a line
    attributes: Mapping[str, object],
    *,
    error_type: str | None,
    streaming: bool,
    responded: bool,
    status: str,
) -> str | None:
    """Why the usage of a call is unknown; None if there is none, because the server refused it.

    `responded`: something of the response is on the span. `status`: the span's status code.
    """
    if error_type is not None:
        if _is_refusal(error_type, attributes):
            return None
        if streaming and (responded or error_type == UNKNOWN_ERROR):
            return "abandoned"
        if error_type in _CANCELLED:
            return "abandoned"
        return "no_response" if any(word in error_type for word in _NO_RESPONSE) else "no_usage"
    if not streaming:
        return "no_usage"
    if any(attributes.get(key) for key in names.FINISH_REASON):
        return "stream_without_usage"
    # OpenInference ends a stream OK only when it was read to its end; Traceloop ends each OK.
    if attributes.get(names.SPAN_KIND) is not None:
        return "stream_without_usage" if status == _OK else "abandoned"
    return "abandoned" if responded or status == _OK else "no_usage"


def _is_refusal(error_type: str, attributes: Mapping[str, object]) -> bool:
    # Frameworks put their own name in front: `OpenAIRateLimitError`.
    if error_type.endswith(_REFUSED) or (error_type.isdigit() and len(error_type) == 3):  # noqa: PLR2004
        return True
    return any(isinstance(attributes.get(key), int) for key in names.HTTP_STATUS)
