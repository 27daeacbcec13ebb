"""The examples in the pages of docs/ work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otel_token_monitor.config import TokenMonitorConfig

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_loaded(tmp_path: Path, example: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(example, encoding="utf-8")
    assert TokenMonitorConfig.load_from_file(file) != TokenMonitorConfig(environ={})
