"""A call as one span tells it, and the call as all its spans together tell it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from otel_token_monitor.dialects.attributes import FIRST_TOKEN_EVENTS
from otel_token_monitor.dialects.bodies import (
    is_by_duration,
    modalities_in_body,
    parsed_usage,
    usage_in_body,
)
from otel_token_monitor.dialects.facts import (
    MAX_ID,
    UNKNOWN_MODEL,
    CallFacts,
    SpanView,
    label,
    read_call,
)
from otel_token_monitor.dialects.outcome import UNKNOWN_ERROR
from otel_token_monitor.dialects.providers import (
    OPENAI_COMPATIBLE,
    UNKNOWN,
    ProviderHosts,
    provider_at,
)
from otel_token_monitor.spans.observation import Observation
from otel_token_monitor.usage import Labels, PolledRecord, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_token_monitor.spans.processor import EndedSpan, Stamp

__all__ = ["Call", "ImpliedRecord", "polled_record", "read_ended", "record_of"]

T = TypeVar("T")

# Of what several spans say, the least vague holds. Spans that don't know the host say "openai" for
# all that speaks its protocol; and "no_usage" tells the least.
_VAGUENESS: Final = {OPENAI_COMPATIBLE: 1, "openai": 2, UNKNOWN: 3}
_VAGUE_REASONS: Final = frozenset({"no_usage", "no_response"})

# A span's id has 64 bits without a sign, SQLite's integers have one.
_SIGN: Final = 1 << 63
# Applications may give spans times of their own: those that no call can have are not believed.
_MAX_TIME_NS: Final = 1 << 62
_MAX_DURATION_NS: Final = 7 * 86400 * 1_000_000_000


class ImpliedRecord(UsageRecord):
    """A record whose project nobody named: it follows from where the record was made.

    A span that tells of the same call then knows better, for it was made within the call.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__().replace(type(self).__name__, UsageRecord.__name__, 1)


@dataclass(slots=True)
class Call:
    """One account of a call.

    A span's, that of who logged it by hand (`told`), or what was `observed` below the client.
    """

    stamp: Stamp
    end_ns: int
    facts: CallFacts
    told: UsageRecord | None = None
    observed: Observation | None = None
    modalities: tuple[tuple[str, str, int], ...] = ()

    @property
    def scope(self) -> str:
        """The instrumentation that tells."""
        return self.stamp.scope

    @property
    def estimated(self) -> bool:
        """Whether its usage is only estimated."""
        if self.observed is not None:
            return self.observed.estimate is not None
        return self.told is not None and self.told.estimated

    @property
    def usage_key(self) -> tuple[int, int] | None:
        """Input and output tokens, which all accounts of a call agree on; None if not known."""
        usage = self.facts.usage
        if usage is None or self.estimated:
            return None
        return usage.input_tokens, usage.output_tokens


def read_ended(ended: EndedSpan, hosts: ProviderHosts, now_ns: int) -> Call | None:
    """Read an ended span; None if it is no call to a model."""
    stamp, span = ended
    if span is None:
        return _abandoned(stamp, hosts, now_ns)
    if isinstance(span, UsageRecord):
        return _by_hand(stamp, span)
    if isinstance(span, Observation):
        return _observed(stamp, span, hosts)
    exception_type, first_token_ns = _events(span)
    facts = read_call(
        SpanView(
            name=span.name,
            attributes=_mapping(span._attributes),  # noqa: SLF001 - see _mapping
            status=span.status.status_code.name,
            exception_type=exception_type,
            first_token_ns=first_token_ns,
            openai_client=stamp.client and "openai" in stamp.scope,
        ),
        hosts,
    )
    ended_ns = span.end_time or 0
    end_ns = ended_ns if 0 < ended_ns < _MAX_TIME_NS else now_ns
    return None if facts is None else Call(stamp, end_ns, facts)


def _abandoned(stamp: Stamp, hosts: ProviderHosts, now_ns: int) -> Call | None:
    """The call of a span that was collected without having ended."""
    facts = read_call(
        SpanView(
            name=stamp.name,
            attributes=_mapping(stamp.attributes),
            status="ERROR",
            exception_type="GeneratorExit",
        ),
        hosts,
    )
    return None if facts is None else Call(stamp, now_ns, facts)


def _by_hand(stamp: Stamp, record: UsageRecord) -> Call:
    """What a record that was logged by hand says."""
    failed = record.status != "ok"
    facts = CallFacts(
        provider=record.labels.provider,
        model=record.labels.model,
        endpoint=record.labels.endpoint,
        usage=record.usage,
        unmetered=record.unmetered,
        error_type=(record.error_type or UNKNOWN_ERROR) if failed else None,
        response_model=record.response_model,
        response_id=record.response_id,
        first_token_ns=record.first_token_ns,
        cost_nanousd=record.cost_nanousd,
        fetched=False,
    )
    return Call(stamp, record.time_ns, facts, record)


def _observed(stamp: Stamp, seen: Observation, hosts: ProviderHosts) -> Call:
    """What was observed below the client."""
    body = None if seen.usage is None else parsed_usage(seen.usage)
    usage, invalid = usage_in_body(body)
    unmetered = seen.unmetered
    if seen.usage is not None and usage is None:
        unmetered = "invalid_usage" if invalid else "no_usage"
        if is_by_duration(body):
            unmetered = "by_duration"
    facts = CallFacts(
        provider=label(provider_at(seen.host, hosts)),
        model=label(seen.model or seen.response_model or UNKNOWN_MODEL),
        endpoint=label(seen.endpoint),
        usage=seen.estimate if usage is None else usage,
        unmetered=unmetered,
        error_type=None if seen.error_type is None else label(seen.error_type),
        response_model=None if seen.response_model is None else label(seen.response_model),
        response_id=None if seen.response_id is None else label(seen.response_id, MAX_ID),
        first_token_ns=seen.first_token_ns,
        cost_nanousd=None,
        fetched=seen.fetched,
    )
    return Call(stamp, seen.end_ns, facts, None, seen, modalities_in_body(body))


def _mapping(attributes: Mapping[str, object] | None) -> Mapping[str, object]:
    """The plain dictionary within the SDK's attributes: reading through these costs tenfold."""
    inner = getattr(attributes, "_dict", None)
    if isinstance(inner, dict):
        return inner
    return {} if attributes is None else dict(attributes)


def _events(span: ReadableSpan) -> tuple[str | None, int | None]:
    """The type of the last exception, and the time from start to the first token."""
    exception_type: str | None = None
    first_token_ns: int | None = None
    if not span._events:  # noqa: SLF001 - the public property copies them, even none
        return None, None
    for event in span.events:
        if event.name == "exception":
            said = (event.attributes or {}).get("exception.type")
            exception_type = said if isinstance(said, str) else exception_type
        elif first_token_ns is None and event.name in FIRST_TOKEN_EVENTS:
            first_token_ns = max(event.timestamp - (span.start_time or 0), 0)
    return exception_type, first_token_ns


def record_of(calls: list[Call]) -> UsageRecord:
    """One record of all that is told of a call: the client's span knows best, others fill in.

    Whoever logged the call by hand knows the project, if they named one.
    """
    told = next((call.told for call in calls if call.told is not None), None)
    if told is not None and len(calls) == 1:
        return told
    best = calls[0] if len(calls) == 1 else _told_by_all(calls)
    facts, stamp = best.facts, best.stamp
    named = told is not None and not isinstance(told, ImpliedRecord)
    project = told.labels.project if told is not None and named else stamp.project
    return UsageRecord(
        time_ns=best.end_ns,
        nonce=stamp.span_id - _SIGN,
        labels=Labels(project, facts.provider, facts.model, facts.endpoint),
        source=label(stamp.scope),
        status="ok" if facts.error_type is None else "error",
        usage=facts.usage,
        estimated=facts.usage is not None and all(c.usage_key is None for c in calls),
        unmetered=facts.unmetered,
        response_model=facts.response_model,
        response_id=facts.response_id,
        duration_ns=_duration_ns(best),
        first_token_ns=facts.first_token_ns,
        error_type=facts.error_type,
        cost_nanousd=facts.cost_nanousd,
        modalities=best.modalities,
        **_place_in_trace(calls, best),
    )


def polled_record(call: Call) -> PolledRecord:
    """The usage of a response that was begun earlier, of a request that fetched it."""
    return PolledRecord(*record_of([call]))


def _place_in_trace(calls: list[Call], best: Call) -> dict[str, str | None]:
    """The trace and span of a call: its own span's, else, as it was only observed, the caller's."""
    spans = sorted((c for c in calls if c.told is None and c.observed is None), key=_authority)
    trace_id, span_id = best.stamp.trace_id, best.stamp.span_id
    if spans:
        trace_id, span_id = spans[0].stamp.trace_id, spans[0].stamp.span_id
    elif best.observed is not None:
        span_id = best.stamp.parent_id
    return {
        "trace_id": f"{trace_id:032x}" if trace_id else None,
        "span_id": f"{span_id:016x}" if span_id else None,
    }


def _told_by_all(calls: list[Call]) -> Call:
    """The account of the span that is believed most, completed by the others'."""
    calls = sorted(calls, key=_authority)
    spans = [call for call in calls if call.told is None]
    best = calls[0]
    usage = _most_detailed(_believed(calls))
    if best.observed is not None:
        return _completed(best, calls, usage)
    ended_well = any(call.facts.error_type is None for call in calls) and usage is not None
    error_type = None if ended_well else _filled([call.facts.error_type for call in calls])
    facts = CallFacts(
        provider=min((c.facts.provider for c in calls), key=lambda said: _VAGUENESS.get(said, 0)),
        model=_model(spans) if best.facts.model != UNKNOWN_MODEL else _model(calls),
        endpoint=best.facts.endpoint,
        usage=usage,
        unmetered=None if usage is not None else _reason(spans),
        error_type=error_type,
        response_model=_filled([c.facts.response_model for c in calls]),
        response_id=_filled([c.facts.response_id for c in calls]),
        first_token_ns=_filled([c.facts.first_token_ns for c in calls]),
        cost_nanousd=_filled([c.facts.cost_nanousd for c in calls]),
        fetched=best.facts.fetched,
    )
    return Call(best.stamp, best.end_ns, facts)


def _completed(seen: Call, calls: list[Call], usage: TokenUsage | None) -> Call:
    """What was observed of a call, with what only others tell: it was nearest to the server."""
    # Who logs an estimate by hand says what it was, too.
    known = any(
        call.usage_key is not None or (call.told is not None and call.facts.usage is not None)
        for call in calls
    )
    facts = replace(
        seen.facts,
        model=seen.facts.model if seen.facts.model != UNKNOWN_MODEL else _model(calls),
        usage=seen.facts.usage if seen.usage_key is not None else usage,
        unmetered=None if known else seen.facts.unmetered,
        response_model=_filled([c.facts.response_model for c in calls]),
        response_id=_filled([c.facts.response_id for c in calls]),
        first_token_ns=_filled([c.facts.first_token_ns for c in calls]),
        cost_nanousd=_filled([c.facts.cost_nanousd for c in calls]),
    )
    return replace(seen, facts=facts)


def _duration_ns(call: Call) -> int | None:
    start_ns = call.stamp.start_ns
    duration = max(call.end_ns - start_ns, 0)
    return duration if start_ns > 0 and duration < _MAX_DURATION_NS else None


def _authority(call: Call) -> tuple[bool, bool, bool, bool, bool]:
    """The order in which accounts are believed: first what was observed below the client.

    Then a client's span, then those that know the usage. Last comes what was logged by hand.
    """
    return (
        call.observed is None,
        call.told is not None,
        not call.stamp.client,
        call.facts.usage is None,
        call.facts.error_type is not None,
    )


def _believed(calls: list[Call]) -> list[TokenUsage]:
    """What is told of the usage, sorted calls' in order: estimates only where there is no other.

    Nor what was logged by hand where it contradicts a span.
    """
    known = [call for call in calls if call.usage_key is not None]
    known = [call for call in known if call.usage_key == known[0].usage_key or call.told is None]
    return [call.facts.usage for call in known or calls if call.facts.usage is not None]


def _most_detailed(usages: list[TokenUsage]) -> TokenUsage | None:
    """The account that takes most apart: some instrumentations leave out the details."""
    return max(usages, key=lambda u: u.total_tokens - u.input - u.output, default=None)


def _model(calls: list[Call]) -> str:
    """The model as asked for: some instrumentations strip the vendor in front of it."""
    best = calls[0].facts.model
    if best == UNKNOWN_MODEL:
        return _first([c.facts.model for c in calls], {UNKNOWN_MODEL})
    return max((c.facts.model for c in calls if c.facts.model.endswith(best)), key=len)


def _reason(calls: list[Call]) -> str | None:
    """Why the usage is unknown; None if one of the spans tells that the server refused."""
    reasons = [call.facts.unmetered for call in calls if call.facts.unmetered is not None]
    return _first(reasons, _VAGUE_REASONS) if len(reasons) == len(calls) else None


def _first(values: list[str], vague: Collection[str]) -> str:
    """The first value that says something."""
    return next((value for value in values if value not in vague), values[0])


def _filled(values: list[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
