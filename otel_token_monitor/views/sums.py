"""Sums, put together and written down as every view needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from otel_token_monitor.usage import NANODOLLARS, Labels, TokenUsage, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["cost_usd", "grouped", "summed", "totals_document", "totals_of"]

Key = TypeVar("Key")


def summed(totals: Iterable[Totals]) -> Totals:
    """The sum of them all."""
    columns = [*zip(*totals, strict=True)]
    return Totals(*map(sum, columns)) if columns else Totals()


def grouped(by_labels: Mapping[Labels, Totals], key: Callable[[Labels], Key]) -> dict[Key, Totals]:
    """The sums of the label sets that have the same key, most tokens first."""
    groups: dict[Key, list[Totals]] = {}
    for labels, totals in sorted(by_labels.items()):
        groups.setdefault(key(labels), []).append(totals)
    sums = {name: summed(parts) for name, parts in groups.items()}
    return dict(sorted(sums.items(), key=lambda item: -item[1].total_tokens))


def cost_usd(totals: Totals) -> float | None:
    """The cost in dollars of the calls whose price is known; None if there are only others."""
    if totals.unpriced and not totals.cost_nanousd:
        return None
    return totals.cost_nanousd / NANODOLLARS


def totals_document(totals: Totals) -> dict[str, Any]:
    """Sums as JSON: tokens are exact integers, `cost_usd` is in dollars, None if unknown.

    `total_tokens` has no estimates: those are in `estimated_tokens`. Nothing is lost: `totals_of`
    has the sums again.
    """
    return {
        "total_tokens": totals.total_tokens,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "tokens": {name: getattr(totals, name) for name in TokenUsage._fields},
        "estimated_tokens": totals.estimated_input + totals.estimated_output,
        "estimated_input_tokens": totals.estimated_input,
        "estimated_output_tokens": totals.estimated_output,
        "requests": totals.requests,
        "errors": totals.requests_error,
        "unmetered_requests": totals.unmetered,
        "unpriced_requests": totals.unpriced,
        "cost_usd": cost_usd(totals),
        "cost_nanousd": totals.cost_nanousd,
    }


def totals_of(document: Mapping[str, Any]) -> Totals:
    """The sums that `totals_document` wrote down, exactly.

    Raises KeyError or TypeError if it is no such document.
    """
    return Totals(
        **{name: document["tokens"][name] for name in TokenUsage._fields},
        estimated_input=document["estimated_input_tokens"],
        estimated_output=document["estimated_output_tokens"],
        requests_ok=document["requests"] - document["errors"],
        requests_error=document["errors"],
        unmetered=document["unmetered_requests"],
        cost_nanousd=document["cost_nanousd"],
        unpriced=document["unpriced_requests"],
    )
