"""A query's parts, and what they are within."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import promql_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["names_in", "nodes"]

_INNER = ("expr", "lhs", "rhs", "vector_selector", "param")


def nodes(node: Any, within: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """A query and all its parts, each with what it is within, the outermost first."""
    yield node, within
    inner = [getattr(node, name, None) for name in _INNER]
    for part in (*inner, *getattr(node, "args", ())):
        if isinstance(part, promql_parser.Expr):
            yield from nodes(part, (*within, node))


def names_in(query: Any) -> set[str]:
    """The names of the metrics that a query asks for."""
    return {
        node.name
        for node, _ in nodes(query)
        if isinstance(node, promql_parser.VectorSelector) and node.name is not None
    }
