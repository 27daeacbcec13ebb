"""How a call ended, and why its usage is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from otel_token_monitor.dialects.outcome import error_type_of, unmetered_reason


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("RateLimitError", "RateLimitError"),
        ("openai.RateLimitError", "RateLimitError"),
        ("asyncio.exceptions.CancelledError", "CancelledError"),
        ("429", "429"),
        ("odd.", "odd."),
    ],
)
def test_an_error_is_its_class_without_its_module(said: str, expected: str) -> None:
    assert error_type_of({"error.type": said}, None, failed=True) == expected


def test_an_error_on_the_span_counts_whatever_its_status() -> None:
    # Traceloop leaves the status of some failed calls unset.
    assert error_type_of({"error.type": "X"}, None, failed=False) == "X"


@pytest.mark.parametrize(
    ("exception", "expected"),
    [("openai.RateLimitError", "RateLimitError"), ("KeyError", "KeyError"), ("odd.", "odd.")],
)
def test_the_exceptions_event_tells_where_no_attribute_does(exception: str, expected: str) -> None:
    assert error_type_of({}, exception, failed=True) == expected


def test_an_exception_of_a_call_that_ended_well_is_no_error() -> None:
    assert error_type_of({}, "KeyError", failed=False) is None


def test_an_error_without_a_name_is_other() -> None:
    assert error_type_of({}, None, failed=True) == "_OTHER"


@pytest.mark.parametrize("value", ["", None, 7, 10**5000, ["X"]], ids=type)
def test_an_error_type_that_is_no_text_counts_as_absent(value: object) -> None:
    assert error_type_of({"error.type": value}, None, failed=False) is None


def reason(error_type: str | None = None, **attributes: object) -> str | None:
    return unmetered_reason(
        attributes, error_type=error_type, streaming=False, responded=False, status="UNSET"
    )


@pytest.mark.parametrize(
    "error",
    [
        # OpenAI, Anthropic, Groq, Mistral and those generated alike.
        "AuthenticationError",
        "BadRequestError",
        "ConflictError",
        "InternalServerError",
        "NotFoundError",
        "PermissionDeniedError",
        "RateLimitError",
        "UnprocessableEntityError",
        "OverloadedError",
        "RequestTooLargeError",
        "APIStatusError",
        # Frameworks put their name in front.
        "OpenAIRateLimitError",
        # LiteLLM.
        "ContextWindowExceededError",
        "ContentPolicyViolationError",
        "ServiceUnavailableError",
        # Google.
        "ClientError",
        "ServerError",
        "ResourceExhausted",
        "InvalidArgument",
        "PermissionDenied",
        "Unauthenticated",
        "ServiceUnavailable",
        # Amazon.
        "ThrottlingException",
        "ValidationException",
        "AccessDeniedException",
        # Cohere.
        "TooManyRequestsError",
        "UnauthorizedError",
        "ForbiddenError",
        # The conventions allow the HTTP status.
        "400",
        "429",
        "503",
    ],
)
def test_a_refused_call_used_nothing(error: str) -> None:
    assert reason(error) is None


@pytest.mark.parametrize("name", ["http.response.status_code", "http.status_code"])
def test_any_error_with_an_http_status_is_a_refusal(name: str) -> None:
    assert reason("SomethingNew", **{name: 500}) is None


@pytest.mark.parametrize(
    "error",
    ["APITimeoutError", "ReadTimeout", "APIConnectionError", "ConnectError", "ConnectionError",
     "ReadError", "RemoteProtocolError"],
)  # fmt: skip
def test_a_call_without_a_response_may_have_been_billed(error: str) -> None:
    assert reason(error) == "no_response"


@pytest.mark.parametrize("error", ["CancelledError", "GeneratorExit", "KeyboardInterrupt"])
def test_a_cancelled_call_is_abandoned(error: str) -> None:
    assert reason(error) == "abandoned"


@pytest.mark.parametrize("error", ["ValueError", "_OTHER", "42", "4290"])
def test_another_error_leaves_the_usage_unknown(error: str) -> None:
    assert reason(error) == "no_usage"


def streamed(
    *,
    error_type: str | None = None,
    responded: bool = False,
    status: str = "UNSET",
    **attributes: object,
) -> str | None:
    return unmetered_reason(
        attributes, error_type=error_type, streaming=True, responded=responded, status=status
    )


def test_a_stream_cut_after_its_first_chunk_is_abandoned() -> None:
    assert streamed(error_type="APIConnectionError", responded=True) == "abandoned"


def test_a_stream_that_never_began_had_no_response() -> None:
    assert streamed(error_type="APIConnectionError") == "no_response"


def test_a_stream_that_was_refused_used_nothing() -> None:
    assert streamed(error_type="RateLimitError", responded=True) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gen_ai.response.finish_reasons", ("stop",)),
        ("llm.finish_reason", "stop"),
        ("ai.response.finishReason", "stop"),
        ("llm.response.finish_reason", "stop"),
    ],
)
def test_a_finished_stream_came_without_usage(name: str, value: Any) -> None:
    assert streamed(responded=True, **{name: value}) == "stream_without_usage"


def test_a_stream_that_openinference_calls_ok_was_read_to_its_end() -> None:
    attributes: dict[str, Any] = {"openinference.span.kind": "LLM"}
    assert streamed(status="OK", **attributes) == "stream_without_usage"


def test_a_stream_that_openinference_leaves_unset_was_left_midway() -> None:
    attributes: dict[str, Any] = {"openinference.span.kind": "LLM"}
    assert streamed(responded=True, **attributes) == "abandoned"


def test_a_stream_that_began_and_did_not_finish_was_abandoned() -> None:
    assert streamed(responded=True) == "abandoned"


def test_an_unfinished_stream_that_traceloop_calls_ok_was_abandoned() -> None:
    assert streamed(status="OK") == "abandoned"


def test_a_stream_of_which_nothing_is_known_has_no_usage() -> None:
    assert streamed() == "no_usage"


def test_a_plain_call_without_usage_has_no_usage() -> None:
    assert reason() == "no_usage"
