"""Recording calls to models that the application's sampler drops, without exporting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.trace.span import TraceState
    from opentelemetry.util.types import Attributes

__all__ = ["RECORDED_FOR_US", "RecordingSampler"]

RECORDED_FOR_US: Final = "otel_token_monitor.recorded"
"""Set on spans that the application's sampler dropped: only our processor may see them."""


class RecordingSampler(Sampler):
    """Decides as the application's sampler, but records what that one drops.

    The sampled flag stays off, so nothing more is exported and no decision downstream changes.
    """

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner

    def should_sample(  # noqa: PLR0913, PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The application's decision, DROP turned into RECORD_ONLY."""
        result = self.inner.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if result.decision is not Decision.DROP:
            return result
        recorded = {**(attributes or {}), RECORDED_FOR_US: True}
        return SamplingResult(Decision.RECORD_ONLY, recorded, result.trace_state)

    def get_description(self) -> str:
        """The application's sampler, and that we record."""
        return f"RecordingSampler({self.inner.get_description()})"
