"""What is wanted of an exposition's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from prometheus_client.samples import Sample

__all__ = ["samples_of"]


def samples_of(exposition: str, names: Collection[str]) -> Iterator[Sample]:
    """The samples of these names, and no more parsed than that; nothing if it is no exposition."""
    lines = [line for line in exposition.splitlines() if line.startswith(tuple(names))]
    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            yield from (sample for sample in family.samples if sample.name in names)
    except ValueError:
        return
