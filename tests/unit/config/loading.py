"""Configurations from given sources only, and what wrong ones are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_token_monitor.config import ConfigError, TokenMonitorConfig

Write = Callable[[str, str], Path]

NAME = "a name of 1 to 128 printable characters"
FLAG = "one of true, false, yes, no, on, off, 1, 0"
COUNT = "a whole number from 1 to 10^15; leave it out for no limit"
COST = "US dollars over 0 and up to 10^9, with at most 9 decimal places; leave it out for no limit"
SHARE = "a share over 0 and up to 1, such as 0.8"
KNOWN = ", ".join(TokenMonitorConfig.model_fields)


def load(environ: dict[str, str] | None = None, **arguments: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ=environ or {}, **arguments)


def faults(environ: dict[str, str] | None = None, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(environ, **arguments)
    return caught.value.faults
