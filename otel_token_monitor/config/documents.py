"""Values of fields as JSON and YAML have them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from otel_token_monitor.config.limits import LimitSetting, ScopeLimits
from otel_token_monitor.config.values import masked_url

__all__ = ["MASK", "plain"]

MASK = "***"


def plain(value: object, *, secrets: bool) -> object:
    """The value in the types of JSON; what is secret in clear only if `secrets`."""
    if isinstance(value, SecretStr):
        return value.get_secret_value() if secrets else _masked(value.get_secret_value())
    if isinstance(value, LimitSetting | ScopeLimits):
        return value.document()
    if isinstance(value, Mapping):
        return {key: plain(part, secrets=secrets) for key, part in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [plain(part, secrets=secrets) for part in value]
    return value


def _masked(secret: str) -> str:
    """Of an address its scheme and host, which tell where alerts go; of a token nothing."""
    try:
        return masked_url(secret)
    except ValueError:
        return MASK
