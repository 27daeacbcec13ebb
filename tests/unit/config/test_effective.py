"""The file beside a ledger that says what holds there."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.config.effective import FILE_NAME, leave_effective

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://hooks.slack.com/services/T0/B0/s3cret"


def config(**given: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig(environ={}, **given)


def test_it_says_everything_but_secrets(tmp_path: Path) -> None:
    leave_effective(config(daily_limit=5, webhook_url=URL, alerts_token="t0ken"), tmp_path)
    text = (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    document = json.loads(text)
    assert (document["daily_limit"], document["timezone"]) == (5, "UTC")
    assert "s3cret" not in text
    assert "t0ken" not in text
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o644
    assert document["about"].startswith("The configuration that holds for this ledger")


def test_it_is_replaced_when_the_configuration_changes(tmp_path: Path) -> None:
    leave_effective(config(daily_limit=5), tmp_path)
    leave_effective(config(daily_limit=6), tmp_path)
    assert json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))["daily_limit"] == 6
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_it_is_not_written_again_without_need(tmp_path: Path) -> None:
    leave_effective(config(daily_limit=5), tmp_path)
    before = (tmp_path / FILE_NAME).stat().st_ino
    leave_effective(config(daily_limit=5), tmp_path)
    assert (tmp_path / FILE_NAME).stat().st_ino == before


def test_a_configuration_that_a_user_keeps_there_stays(tmp_path: Path) -> None:
    own = config(daily_limit=1, webhook_url=URL)
    own.save_to_file(tmp_path / FILE_NAME)
    leave_effective(config(daily_limit=2), tmp_path)
    assert TokenMonitorConfig.load_from_file(tmp_path / FILE_NAME) == own


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff"])
def test_a_file_of_another_kind_stays_and_is_told_of(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    leave_effective(config(), tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert FILE_NAME in said.getMessage()


def test_what_cannot_be_written_raises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    leave_effective(config(), tmp_path / "file")
    (said,) = caplog.records
    assert "could not be written beside it" in said.getMessage()
