"""What a call costs, in nano-dollars, from genai-prices as of the time of the call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.usage import QUARTER_SECONDS, TokenUsage, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cost_nanousd"]

_log = logging.getLogger("otel_token_monitor")

# genai-prices' names for the providers whose names in OpenTelemetry's conventions differ.
_PROVIDERS: Final = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "x_ai": "x-ai",
}
# Rates are kept in femto-dollars a token: whole numbers, even for $0.0005 per million tokens.
_FEMTO: Final = 10**15
_FEMTO_PER_NANO: Final = 10**6
_PROBE: Final = 1000


@dataclass(frozen=True, slots=True)
class _Tier:
    """Prices that hold from more than `above` input tokens: femto-dollars a token, per part."""

    above: int
    rates: tuple[int, ...]


def cost_nanousd(record: UsageRecord) -> int | None:
    """The price of a call, rounded to a nano-dollar; None if its model has no known price."""
    usage = record.usage
    if usage is None:
        return None
    quarter = record.quarter
    tiers: tuple[_Tier, ...] | None = None
    for model in (record.response_model, record.labels.model):
        if model is not None and tiers is None:
            tiers = _tiers(record.labels.provider, model, quarter)
    if tiers is None:
        return None
    total_input = usage.input_tokens
    rates = next(tier.rates for tier in tiers if total_input > tier.above or not tier.above)
    femto = sum(rate * count for rate, count in zip(rates, usage, strict=True))
    return (femto + _FEMTO_PER_NANO // 2) // _FEMTO_PER_NANO


@lru_cache(maxsize=1024)
def _tiers(provider: str, model: str, quarter: int) -> tuple[_Tier, ...] | None:
    """The prices of a model at a quarter-hour, highest tier first; None if it has none.

    A look-up costs about 80 µs; prices change at most by the quarter-hour.
    """
    # Imported when the first call is priced, in the background: it takes longer than all of ours.
    from genai_prices import Usage, calc_price  # noqa: PLC0415

    when = datetime.fromtimestamp(quarter * QUARTER_SECONDS, UTC)
    try:
        found = calc_price(
            Usage(input_tokens=1),
            model,
            provider_id=_PROVIDERS.get(provider, provider),
            genai_request_timestamp=when,
        )
        starts = sorted({0, *_tier_starts(found.model_price)}, reverse=True)
        return tuple(_Tier(start, _rates(found.model_price, start)) for start in starts)
    except LookupError:
        return None
    except (ArithmeticError, ValueError, TypeError) as error:
        _log.warning("genai-prices could not price %s %s: %s", provider, model, error)
        return None


def _tier_starts(price: Any) -> Iterator[int]:
    """Where the prices of a model change with the size of its input."""
    for value in vars(price).values():
        for tier in getattr(value, "tiers", ()):
            yield int(tier.start)


def _rates(price: Any, above: int) -> tuple[int, ...]:
    """Femto-dollars a token of each of the five parts, where input is more than `above` tokens.

    Asked of genai-prices itself, with and without some tokens of a part: so its rules hold for
    what a model has no price of its own for (cached tokens, say).
    """
    from genai_prices import Usage  # noqa: PLC0415 - see _tiers

    size = above + _PROBE if above else _PROBE

    def total(**counts: int) -> Fraction:
        return Fraction(price.calc_price(Usage(**counts))["total_price"])

    plain = total(input_tokens=size)
    output = total(input_tokens=size, output_tokens=_PROBE) - plain
    input_rate = plain / size
    cached = (total(input_tokens=size, cache_read_tokens=_PROBE) - plain) / _PROBE + input_rate
    written = (total(input_tokens=size, cache_write_tokens=_PROBE) - plain) / _PROBE + input_rate
    per_output = output / _PROBE
    return tuple(
        round(rate * _FEMTO) for rate in (input_rate, cached, written, per_output, per_output)
    )
