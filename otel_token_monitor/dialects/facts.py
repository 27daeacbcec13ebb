"""All that one span says about one call."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

from otel_token_monitor.dialects import attributes as name
from otel_token_monitor.dialects.names import Names, names_within
from otel_token_monitor.dialects.operations import EMBEDDINGS, endpoint_of
from otel_token_monitor.dialects.outcome import error_type_of, unmetered_reason
from otel_token_monitor.dialects.providers import ProviderHosts, provider_of
from otel_token_monitor.dialects.tokens import read_usage
from otel_token_monitor.usage import NANODOLLARS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_token_monitor.usage import TokenUsage

__all__ = ["MAX_ID", "UNKNOWN_MODEL", "CallFacts", "SpanView", "label", "read_call"]

_MAX_LABEL: Final = 128
MAX_ID: Final = 256
"""Of a response's id, so many characters are kept."""
_MAX_JSON: Final = 65536
_MAX_COST_USD: Final = 10_000
_FIRST_CHUNK_NS: Final = dict(zip(name.FIRST_CHUNK, (1e9, 1e6), strict=True))
_MAX_FIRST_TOKEN_NS: Final = 10**15

UNKNOWN_MODEL: Final = "unknown"


class SpanView(NamedTuple):
    """What of a span the dialects look at. `status` is `UNSET`, `OK` or `ERROR`.

    `first_token_ns` is the time from the span's start to its first event that marks a token.
    """

    name: str
    attributes: Mapping[str, object]
    status: str = "UNSET"
    exception_type: str | None = None
    first_token_ns: int | None = None
    openai_client: bool = False


@dataclass(slots=True, kw_only=True)
class CallFacts:
    """What one span says about one call; None is what it does not say.

    `fetched`: the span fetched a response that an earlier call had paid for.
    """

    provider: str
    model: str
    endpoint: str
    usage: TokenUsage | None
    unmetered: str | None
    error_type: str | None
    response_model: str | None
    response_id: str | None
    first_token_ns: int | None
    cost_nanousd: int | None
    fetched: bool


def read_call(span: SpanView, hosts: ProviderHosts = ()) -> CallFacts | None:
    """Read a span in whichever dialect it is written; None if it is no call to a model.

    Never raises, whatever the attributes hold: a value that cannot be used counts as absent.
    """
    attributes = span.attributes
    names = names_within(tuple(attributes))
    provider = provider_of(attributes, hosts, names, openai_client=span.openai_client)
    endpoint = endpoint_of(attributes, span.name, provider, names, openai_client=span.openai_client)
    if endpoint is None:
        return None
    request_model, streaming, parameters = _request(attributes, names)
    response_model = _text(attributes, names.response_model)
    response_id = _text(attributes, names.response_id)
    usage, invalid = read_usage(attributes, names, is_embedding=endpoint == EMBEDDINGS)
    error_type = error_type_of(attributes, span.exception_type, failed=span.status == "ERROR")
    first_token_ns = _first_token_ns(span, names)
    unmetered = None
    if usage is None:
        unmetered = unmetered_reason(
            attributes,
            error_type=error_type,
            streaming=streaming,
            responded=response_id is not None or first_token_ns is not None,
            status=span.status,
        )
        if unmetered == "no_usage":
            unmetered = _closer(invalid=invalid, parameters=parameters)
    return CallFacts(
        provider=label(provider),
        model=label(request_model or response_model or UNKNOWN_MODEL),
        endpoint=label(endpoint),
        usage=usage,
        unmetered=unmetered,
        error_type=None if error_type is None else label(error_type),
        response_model=None if response_model is None else label(response_model),
        response_id=None if response_id is None else label(response_id, MAX_ID),
        first_token_ns=first_token_ns,
        cost_nanousd=_cost(attributes, names),
        fetched=endpoint == "responses"
        and request_model is None
        and error_type is None
        and (response_id is not None or attributes.get(name.INVOCATION_PARAMETERS[0]) == "{}"),
    )


def label(text: str, limit: int = _MAX_LABEL) -> str:
    """A text fit for a label: one line, no more than 128 characters, still distinct."""
    if len(text) <= limit and text.isprintable():
        return text
    cleaned = "".join(c if c.isprintable() else " " for c in text[:limit])
    if len(text) <= limit:
        return cleaned
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{cleaned[: limit - 17]}~{digest}"


def _closer(*, invalid: bool, parameters: Mapping[str, Any]) -> str:
    """A more telling reason than `no_usage`, where there is one."""
    if invalid:
        return "invalid_usage"
    return "background" if parameters.get("background") is True else "no_usage"


def _request(
    attributes: Mapping[str, object], names: Names
) -> tuple[str | None, bool, Mapping[str, Any]]:
    """The model as asked for, whether a stream was asked for, OpenInference's parameters."""
    model = _text(attributes, names.request_model)
    streaming = any(_is_true(attributes.get(key)) for key in names.streaming)
    parameters: Mapping[str, Any] = {}
    if model is None:
        parameters = _parameters(attributes, names)
        said = parameters.get("model")
        model = said if isinstance(said, str) and said else None
        streaming = streaming or parameters.get("stream") is True
    return model, streaming, parameters


def _is_true(value: object) -> bool:
    # LiteLLM writes its flags as Python prints them.
    return value is True or value == "True"


def _is_number(value: object, limit: float) -> TypeGuard[float]:
    """Whether it is a number from 0 up to a limit; NaN and infinity are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < limit


def _parameters(attributes: Mapping[str, object], names: Names) -> Mapping[str, Any]:
    for key in names.invocation_parameters:
        text = attributes.get(key)
        if isinstance(text, str) and len(text) <= _MAX_JSON:
            try:
                parsed = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(parsed, dict):
                return parsed
    return {}


def _text(attributes: Mapping[str, object], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def _first_token_ns(span: SpanView, names: Names) -> int | None:
    for key in names.first_chunk:
        value = span.attributes.get(key)
        scale = _FIRST_CHUNK_NS[key]
        if _is_number(value, _MAX_FIRST_TOKEN_NS / scale):
            return int(value * scale)
    counted = span.first_token_ns
    return counted if counted is None or counted < _MAX_FIRST_TOKEN_NS else None


def _cost(attributes: Mapping[str, object], names: Names) -> int | None:
    """What the call cost, in nano-dollars, if the span says so."""
    for key in names.cost:
        value = attributes.get(key)
        if _is_number(value, _MAX_COST_USD):
            return round(value * NANODOLLARS)
    return None
