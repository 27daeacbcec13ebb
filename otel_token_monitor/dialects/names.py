"""Which of all the names there are a span has.

Spans of one kind have the same attributes, call after call: so some eighty names are looked for
once, and afterwards only the few that are there are read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from otel_token_monitor.dialects import attributes

__all__ = ["ALL_NAMES", "Names", "names_within"]


class Names(NamedTuple):
    """The names of each fact, in order of priority."""

    input: tuple[str, ...] = attributes.INPUT
    output: tuple[str, ...] = attributes.OUTPUT
    total: tuple[str, ...] = attributes.TOTAL
    cache_read: tuple[str, ...] = attributes.CACHE_READ
    cache_write: tuple[str, ...] = attributes.CACHE_WRITE
    reasoning: tuple[str, ...] = attributes.REASONING
    cost: tuple[str, ...] = attributes.COST
    request_model: tuple[str, ...] = attributes.REQUEST_MODEL
    response_model: tuple[str, ...] = attributes.RESPONSE_MODEL
    response_id: tuple[str, ...] = attributes.RESPONSE_ID
    invocation_parameters: tuple[str, ...] = attributes.INVOCATION_PARAMETERS
    streaming: tuple[str, ...] = attributes.STREAMING
    provider: tuple[str, ...] = attributes.PROVIDER
    api_base: tuple[str, ...] = attributes.API_BASE
    operation: tuple[str, ...] = attributes.OPERATION
    first_chunk: tuple[str, ...] = attributes.FIRST_CHUNK


ALL_NAMES = Names()


@lru_cache(maxsize=1024)
def names_within(keys: tuple[str, ...]) -> Names:
    """The names that a span with these attributes has."""
    present = frozenset(keys)
    return Names(*(tuple(name for name in names if name in present) for names in ALL_NAMES))
