"""What holds for every command under test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.config import CONFIG_VARIABLE, VARIABLES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of its own, and none of our variables."""
    monkeypatch.chdir(tmp_path)
    others = ("DEMO_SECONDS", "OPENAI_API_KEY", "NO_COLOR", "OTEL_SERVICE_NAME")
    for name in (CONFIG_VARIABLE, *others, *VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)
