"""What a call costs, in nano-dollars, from genai-prices as of the time of the call."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.usage import BATCHES, QUARTER_SECONDS, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cost_nanousd", "import_ahead"]

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
_MAX_NANOUSD: Final = 10_000 * 10**9


@dataclass(frozen=True, slots=True)
class _Tier:
    """Prices that hold from more than `above` input tokens.

    `rates` are femto-dollars a token, per part, None where the model has no price a token;
    `beside` is what a token of audio or of an image costs more than one of text; `fee` is
    femto-dollars a call.
    """

    above: int
    rates: tuple[int | None, ...]
    beside: dict[tuple[str, str], int]
    fee: int


def import_ahead() -> None:
    """Import httpx2 now, beside openai 2.x, and not with genai-prices in the background.

    That openai looks, in any call, whether it has been imported, and would find it half so.
    """
    with suppress(AttributeError, ImportError, OSError, ValueError):
        spec = find_spec("openai")
        places = None if spec is None else spec.submodule_search_locations
        if any(_looks_for_httpx2(Path(place)) for place in places or ()):
            import_module("httpx2")


def _looks_for_httpx2(openai: Path) -> bool:
    version = openai / "_version.py"
    return (openai / "_httpx2.py").exists() and '"2.' in version.read_text(encoding="utf-8")


def cost_nanousd(record: UsageRecord) -> int | None:
    """The price of a call, rounded to a nano-dollar.

    None if its model has no known price, or none for a part that was used (images, say, are
    priced otherwise), or if it is beyond what any call can cost.
    """
    usage = record.usage
    if usage is None:
        return None
    labels, quarter = record.labels, record.quarter
    tiers = _tiers(labels.provider, record.response_model or labels.model, quarter)
    if tiers is None and record.response_model is not None:
        tiers = _tiers(labels.provider, labels.model, quarter)
    if tiers is None:
        return None
    # A batch is many calls, of which none is known to be a large one; and each costs half, say the
    # price lists of OpenAI and Azure.
    is_batch = labels.endpoint == BATCHES
    tier = tiers[-1]
    if len(tiers) > 1 and not is_batch:
        total_input = usage.input_tokens
        tier = next(tier for tier in tiers if total_input > tier.above or not tier.above)
    femto = tier.fee
    for rate, count in zip(tier.rates, usage, strict=True):
        if count:
            if rate is None:
                return None
            femto += rate * count
    for direction, modality, count in record.modalities:
        femto += tier.beside.get((direction, modality), 0) * count
    per_nano = _FEMTO_PER_NANO * (2 if is_batch else 1)
    nano = (femto + per_nano // 2) // per_nano
    return nano if nano < _MAX_NANOUSD else None


@lru_cache(maxsize=1024)
def _tiers(provider: str, model: str, quarter: int) -> tuple[_Tier, ...] | None:
    """The prices of a model at a quarter-hour, highest tier first; None if it has none.

    A look-up costs about 80 µs; prices change at most by the quarter-hour.
    """
    # Imported when the first call is priced, in the background: it takes longer than all of ours.
    from genai_prices import Usage, calc_price  # noqa: PLC0415

    try:
        when = datetime.fromtimestamp(quarter * QUARTER_SECONDS, UTC)
        found = calc_price(
            Usage(input_tokens=1),
            model,
            provider_id=_PROVIDERS.get(provider, provider),
            genai_request_timestamp=when,
        )
        starts = sorted({0, *_tier_starts(found.model_price)}, reverse=True)
        return tuple(_tier(found.model_price, start) for start in starts)
    except LookupError:
        return None
    except (ArithmeticError, OSError, ValueError, TypeError) as error:
        _log.warning("genai-prices could not price %s %s: %s", provider, model, error)
        return None


def _tier_starts(price: Any) -> Iterator[int]:
    """Where the prices of a model change with the size of its input."""
    for value in vars(price).values():
        for tier in getattr(value, "tiers", ()):
            yield int(tier.start)


def _tier(price: Any, above: int) -> _Tier:
    """The prices where input is more than `above` tokens.

    Asked of genai-prices itself, with and without some tokens of a part: so its rules hold for
    what a model has no price of its own for (cached tokens, say).
    """
    from genai_prices import Usage  # noqa: PLC0415 - see _tiers

    size = max(above + 1, _PROBE)

    def total(**counts: int) -> Fraction:
        return Fraction(price.calc_price(Usage(**counts))["total_price"])

    fee = total()
    plain = total(input_tokens=size)
    input_rate = (plain - fee) / size

    def rate(**counts: int) -> Fraction:
        return (total(input_tokens=size, **counts) - plain) / _PROBE

    rates = (
        input_rate,
        input_rate + rate(cache_read_tokens=_PROBE),
        input_rate + rate(cache_write_tokens=_PROBE),
        rate(output_tokens=_PROBE),
        rate(output_tokens=_PROBE, output_reasoning_tokens=_PROBE),
    )
    text = {"input": Fraction(0), "output": rates[3]}
    beside = {
        (direction, modality): round((found - text[direction]) * _FEMTO)
        for direction, modality, found in (
            ("input", "audio", rate(input_audio_tokens=_PROBE)),
            ("input", "image", rate(input_image_tokens=_PROBE)),
            ("output", "audio", rate(output_tokens=_PROBE, output_audio_tokens=_PROBE)),
            ("output", "image", rate(output_tokens=_PROBE, output_image_tokens=_PROBE)),
        )
    }
    free = all(value is None for value in vars(price).values())
    priced_input = free or price.input_mtok is not None
    priced_output = free or price.output_mtok is not None
    known = (*[priced_input] * 3, *[priced_output] * 2)
    return _Tier(
        above,
        tuple(round(r * _FEMTO) if k else None for r, k in zip(rates, known, strict=True)),
        beside,
        round(fee * _FEMTO),
    )
