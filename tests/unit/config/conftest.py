"""What tests of the configuration share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.config import CONFIG_VARIABLE, VARIABLES

if TYPE_CHECKING:
    from tests.unit.config.loading import Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the working directory, so that messages show its bare name."""
    monkeypatch.chdir(tmp_path)

    def written(name: str, text: str) -> Path:
        path = Path(name)
        path.write_text(text, encoding="utf-8")
        return path

    return written


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the environment of the tests says."""
    for name in (CONFIG_VARIABLE, "OTEL_SERVICE_NAME", *VARIABLES.values()):
        monkeypatch.delenv(name, raising=False)
