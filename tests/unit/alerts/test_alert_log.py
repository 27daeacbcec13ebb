"""The alert log: a file a day, a line for each alert."""

from __future__ import annotations

import json
import logging
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from otel_token_monitor.alerts.alert_log import AlertLog
from otel_token_monitor.alerts.channels import DeliveryError
from otel_token_monitor.alerts.notices import Line, Notice
from tests.unit.ledger.books import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEOUL = ZoneInfo("Asia/Seoul")


def document(level: int, text: str) -> Any:
    return json.loads(Notice(lines=(Line.at(NOW, SEOUL, level, text, budget="b"),)).document(""))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Within it, files do not grow larger: as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_line_is_appended_to_the_days_file(tmp_path: Path) -> None:
    log = AlertLog(tmp_path / "logs", logging.INFO)
    log.send(document(logging.WARNING, "eins\nzwei"), 1)
    log.send(document(logging.INFO, "drei"), 1)
    lines = (tmp_path / "logs" / "alerts_2026-09-21.log").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "time": "2026-09-21T14:13:20.000Z",
            "level": "WARNING",
            "budget": "b",
            "text": "eins\nzwei",
        },
        {"time": "2026-09-21T14:13:20.000Z", "level": "INFO", "budget": "b", "text": "drei"},
    ]


def test_the_date_is_that_of_the_time_zone(tmp_path: Path) -> None:
    line = Line.at(NOW + 3600 * 1_000_000_000, SEOUL, logging.INFO, "")
    AlertLog(tmp_path, logging.INFO).send(json.loads(Notice(lines=(line,)).document("")), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["alerts_2026-09-22.log"]


def test_what_is_less_severe_is_left_out(tmp_path: Path) -> None:
    AlertLog(tmp_path / "logs", logging.WARNING).send(document(logging.INFO, ""), 1)
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no directory")
    with pytest.raises(DeliveryError, match=r"logs/alerts_2026-09-21\.log cannot be written: "):
        AlertLog(tmp_path / "logs", logging.INFO).send(document(logging.INFO, ""), 1)


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "alerts_2026-09-21.log").symlink_to("/dev/full")
    with pytest.raises(
        DeliveryError,
        match=r"/alerts_2026-09-21\.log cannot be written: No space left on device$",
    ):
        AlertLog(tmp_path, logging.INFO).send(document(logging.INFO, ""), 1)


def test_a_line_that_was_cut_is_written_again_as_a_line(tmp_path: Path) -> None:
    log = AlertLog(tmp_path, logging.INFO)
    log.send(document(logging.INFO, "first"), 1)
    path = tmp_path / "alerts_2026-09-21.log"
    with files_of_at_most(path.stat().st_size + 10), pytest.raises(DeliveryError) as raised:
        log.send(document(logging.INFO, "second"), 1)
    assert str(raised.value) == f"{path} cannot be written: the disk took only a part of it"
    log.send(document(logging.INFO, "second"), 1)
    first, cut, second = path.read_text().splitlines()
    assert [json.loads(line)["text"] for line in (first, second)] == ["first", "second"]
    assert cut == second[:10]
