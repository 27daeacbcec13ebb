"""What a new configuration file starts with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.config import ConfigError, LimitSetting, TokenMonitorConfig
from otel_token_monitor.config.presets import preset, template
from tests.unit.config.loading import load

if TYPE_CHECKING:
    from pathlib import Path

FIGURES: dict[str, Any] = {
    "daily_limit": 2_000_000,
    "monthly_limit": 60_000_000,
    "per_minute_limit": 200_000,
    "requests_per_minute_limit": 500,
}


def loaded(directory: Path, text: str, suffix: str = ".yaml") -> TokenMonitorConfig:
    file = directory / f"c{suffix}"
    file.write_text(text, encoding="utf-8")
    return TokenMonitorConfig.load_from_file(file)


def test_the_limits_for_gpt_5_mini() -> None:
    assert preset("gpt-5-mini") == FIGURES


def test_a_model_without_limits_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        preset("claude")
    assert caught.value.faults == ("model claude is unknown; known are gpt-5-mini",)


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_a_template_says_nothing_but_the_defaults(tmp_path: Path, suffix: str) -> None:
    assert loaded(tmp_path, template(None, suffix), suffix) == load()


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_a_template_with_the_limits_for_a_model(tmp_path: Path, suffix: str) -> None:
    config = loaded(tmp_path, template("gpt-5-mini", suffix), suffix)
    assert config == load(**FIGURES)


def test_every_line_that_is_commented_out_works(tmp_path: Path) -> None:
    text = re.sub(r"^#(?! )|^#(?=  )", "", template(), flags=re.MULTILINE)
    config = loaded(tmp_path, text)
    given = {name for name in TokenMonitorConfig.model_fields if config.origin(name) != "default"}
    assert given == TokenMonitorConfig.model_fields.keys() - {"alerts_token"}
    assert config.projects["checkout"].models["gpt-5*"].per_minute_limit == LimitSetting(
        limit=100_000
    )


def test_a_template_of_another_kind() -> None:
    with pytest.raises(ConfigError) as caught:
        template(None, ".toml")
    assert caught.value.faults == ("'.toml' is none of .yaml, .yml, .json",)


def test_a_template_for_an_unknown_model() -> None:
    with pytest.raises(ConfigError) as caught:
        template("gpt-5-min")
    assert caught.value.faults == ("model gpt-5-min is unknown; did you mean gpt-5-mini?",)
