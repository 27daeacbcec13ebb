"""Where notifications are delivered to, and why that may fail."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Channel", "DeliveryError"]


class DeliveryError(Exception):
    """A delivery failed, and why; the message has no secrets.

    `refused`: the receiver does not take this notification, so it will hardly take it later.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Channel(Protocol):
    """One target. `target` names it in the ledger, `origin` is its scheme, host and port or ''."""

    @property
    def target(self) -> str:
        """Its name in the ledger."""

    @property
    def origin(self) -> str:
        """Its scheme, host and port; '' for a file."""

    def prepare(self) -> None:
        """Import what sending takes: when nobody forks, for a child would wait for it for ever."""

    def send(self, notice: dict[str, Any], seconds: float) -> None:
        """Deliver a notice's document within about so many seconds. Raises DeliveryError."""
