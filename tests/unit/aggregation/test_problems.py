"""What cannot be counted, or only twice, is told; all else counts."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.aggregation.directories import directories_of, named
from otel_token_monitor.aggregation.errors import AggregationError
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.importing import ImportPlan, import_into
from otel_token_monitor.usage import Totals
from otel_token_monitor.views.breakdown import By
from tests.unit.aggregation.places import (
    NOW,
    added_up,
    call,
    files,
    files_of,
    ledger,
    ledger_id,
    tokens,
    write_files,
)
from tests.unit.ledger.books import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_token_monitor.ledger.importing import LedgerImport

DAY = "usage_2026-11-24.json"
MONTH = "monthly_2026-11.json"
QUARTER_NS = 900 * 10**9


def today(*dirs: Path, **settings: Any) -> dict[str, Any]:
    return added_up(dirs, **settings).aggregate_daily_usage()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return ledger(tmp_path / "good", call(1))


def test_what_does_not_exist(tmp_path: Path, good: Path) -> None:
    document = today(tmp_path / "gone", good)
    assert document["problems"] == [
        f"{tmp_path}/gone does not exist: name the data directory of an application"
    ]
    assert tokens(document["directories"]) == {str(tmp_path / "gone"): None, str(good): 1}
    gone = document["directories"][str(tmp_path / "gone")]
    assert (gone["source"], gone["ledger"], gone["cost_usd"], gone["tokens"]) == (None,) * 4
    assert gone.keys() == document["directories"][str(good)].keys()


def test_a_file(good: Path) -> None:
    document = today(good / "usage.db", good)
    assert document["problems"] == [
        f"{good}/usage.db is no directory: name the one that the file is in"
    ]


def test_a_directory_of_something_else(tmp_path: Path, good: Path) -> None:
    (tmp_path / "usage_2026-11.json").write_text("{}")
    document = today(tmp_path, good)
    assert document["problems"] == [
        (
            f"{tmp_path} has neither a ledger (usage.db) nor data files (usage_YYYY-MM-DD.json): "
            f"name the data directory of an application"
        )
    ]


def test_a_ledger_that_is_damaged_does_not_give_way_to_its_files(
    tmp_path: Path, good: Path
) -> None:
    bad = ledger(tmp_path / "bad", call(2))
    write_files(bad)
    (bad / "usage.db").write_bytes(b"no database at all" * 1000)
    document = today(bad, good)
    assert document["total_tokens"] == 1
    assert document["problems"] == [
        (
            f"the ledger {bad}/usage.db is damaged (file is not a database): put back a copy of "
            f"it, or start its application, which sets it aside"
        )
    ]


def test_a_ledger_of_a_newer_release(tmp_path: Path, good: Path) -> None:
    newer = ledger(tmp_path / "newer", call(2))
    with closing(sqlite3.connect(newer / "usage.db")) as connection:
        (known,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("PRAGMA user_version = 99")
    document = today(newer, good)
    assert document["total_tokens"] == 1
    assert document["problems"] == [
        (
            f"the ledger {newer}/usage.db has format 99, this release knows up to {known}: upgrade "
            f"otel-token-monitor, or set another TOKEN_MONITOR_DATA_DIR"
        )
    ]


def test_a_ledger_of_an_older_release(tmp_path: Path, good: Path) -> None:
    older = ledger(tmp_path / "older", call(2))
    with closing(sqlite3.connect(older / "usage.db")) as connection:
        connection.execute("PRAGMA user_version = 1")
    assert today(older, good)["problems"] == [
        (
            f"the ledger {older}/usage.db is of an older release, or not made yet: start its "
            f"application once"
        )
    ]


def test_a_policy_that_cannot_be_read_is_told_with_its_directory(
    tmp_path: Path, good: Path
) -> None:
    other = ledger(tmp_path / "other", call(2), zone="Mars/Olympus")
    assert today(other, good)["problems"] == [
        (
            f"{other}: this machine does not know the time zone 'Mars/Olympus' that the ledger "
            f"goes by: pip install --upgrade tzdata"
        )
    ]
    assert today(other, good, timezone="UTC")["total_tokens"] == 3


def test_the_same_directory_twice_counts_once(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(good)
    monkeypatch.chdir(tmp_path)
    document = added_up(["good", "good/", tmp_path / "link"]).aggregate_daily_usage()
    assert document["total_tokens"] == 1
    assert document["problems"] == [
        "good is named twice: counted once; name it once",
        f"{tmp_path}/link is the same directory as good: counted once; name it once",
    ]
    assert tokens(document["directories"]) == {"good": 1, f"{tmp_path}/link": None}


def test_a_copy_of_a_ledger_counts_once(tmp_path: Path, good: Path) -> None:
    copy = shutil.copytree(good, tmp_path / "copy")
    document = today(good, copy)
    assert document["total_tokens"] == 1
    assert document["problems"] == [
        f"{copy} has a copy of the ledger in {good}: counted once; name one of the two"
    ]


def test_files_give_way_to_their_ledger_whichever_comes_first(tmp_path: Path, good: Path) -> None:
    copy = files_of(good, tmp_path / "copy")
    ledger(good, call(2))
    document = today(copy, good)
    assert tokens(document["directories"]) == {str(copy): None, str(good): 3}
    assert document["problems"] == [
        f"{copy} has data files of the ledger in {good}: counted once; name one of the two"
    ]


def test_two_copies_of_the_same_files_count_once(tmp_path: Path) -> None:
    one = files(tmp_path / "one", call(1))
    two = shutil.copytree(one, tmp_path / "two")
    document = today(one, two)
    assert tokens(document["directories"]) == {str(one): 1, str(two): None}


def test_what_came_from_another_of_them_counts_twice(tmp_path: Path, good: Path) -> None:
    both = ledger(tmp_path / "both", call(2))

    def fill(staged: LedgerImport) -> ImportPlan:
        sums = Totals(input=1, requests_ok=1)
        quarter = (NOW - 10**9) // QUARTER_NS
        staged.add_sums([(quarter, ledger_id(good), staged.place(CHAT), *sums, 1)])
        return ImportPlan(origin=ledger_id(good))

    import_into(Location.in_directory(both), fill)
    document = today(good, both)
    assert document["total_tokens"] == 4
    assert document["problems"] == [
        (
            f"{both} holds calls that came from {good}: they are counted twice; leave out one of "
            f"the two"
        )
    ]
    assert today(both)["problems"] == []
    assert added_up([good, both]).aggregate_daily_usage("2026-11-23")["problems"] == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def other_day(path: Path) -> None:
    path.write_text(path.read_text().replace('"date": "2026-11-24"', '"date": "2026-11-23"'))


def less(path: Path) -> None:
    document = json.loads(path.read_text())
    document["usage"] = []
    path.write_text(json.dumps(document))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, "Input data was truncated"),
        (empty, "Input data was truncated"),
        (other_day, "it is of 2026-11-23"),
        (less, "its usage does not add up to its total"),
    ],
)
def test_a_damaged_file_and_all_others_count(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    bad = files(tmp_path / "bad", call(1), call(2, "2026-11-23T12:00Z"))
    damage(bad / DAY)
    found = added_up([bad]).aggregate(lambda today: (today.replace(day=1), today), by=(By.DAY,))
    assert {part.key: part.totals.total_tokens for part in found.breakdown.parts} == {
        ("2026-11-23",): 2
    }
    assert found.problems == (
        (
            f"{bad}/{DAY}: {said}: it is not counted; have it written anew from its ledger, or "
            f"remove it"
        ),
    )


def test_a_month_whose_file_is_damaged_is_put_together_from_its_days(tmp_path: Path) -> None:
    bad = files(tmp_path / "bad", call(1), call(2, "2026-11-23T12:00Z"))
    cut(bad / MONTH)
    document = added_up([bad]).aggregate_monthly_usage()
    assert (document["total_tokens"], len(document["problems"])) == (3, 1)


def test_a_file_that_is_not_asked_for_is_not_opened(tmp_path: Path) -> None:
    bad = files(tmp_path / "bad", call(1), call(2, "2026-11-23T12:00Z"))
    cut(bad / "usage_2026-11-23.json")
    assert today(bad)["problems"] == []


def test_compressed_files_count(tmp_path: Path) -> None:
    one = files(tmp_path / "one", call(1))
    for path in list(one.glob("*.json")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    document = today(one)
    assert (document["total_tokens"], document["problems"]) == (1, [])


def test_the_files_of_another_module_count_nothing_and_are_told(tmp_path: Path, good: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / DAY).write_text('{"date": "2026-11-24", "total_tokens": 5}')
    document = today(old, good)
    assert document["problems"] == [
        (
            f"{old}/{DAY}: Object missing required field `schema_version`: it is not counted; have "
            f"it written anew from its ledger, or remove it"
        ),
        f"{old} has no data file that can be read: name the data directory of an application",
    ]


def test_files_of_another_zone_than_the_one_asked_for(tmp_path: Path, good: Path) -> None:
    seoul = files(tmp_path / "seoul", call(2), zone="Asia/Seoul")
    document = today(seoul, good, timezone="UTC")
    assert document["problems"] == [
        (
            f"the data files in {seoul} have days of Asia/Seoul, not of UTC: not counted; ask for "
            f"Asia/Seoul, for each directory's own days, or name the directory of their ledger"
        )
    ]
    assert tokens(document["directories"]) == {str(seoul): None, str(good): 1}
    assert today(seoul, timezone="Asia/Seoul")["total_tokens"] == 2


def test_files_of_a_zone_that_this_machine_does_not_know(tmp_path: Path, good: Path) -> None:
    mars = files(tmp_path / "mars", call(2))
    for path in mars.glob("*.json"):
        path.write_text(path.read_text().replace('"UTC"', '"Mars/Olympus"'))
    assert today(mars, good)["problems"] == [
        (
            f"this machine does not know the time zone 'Mars/Olympus' that the data files in "
            f"{mars} go by: pip install --upgrade tzdata"
        )
    ]


def test_files_know_no_hours(tmp_path: Path, good: Path) -> None:
    only = files(tmp_path / "only", call(2))
    found = added_up([only, good]).aggregate(lambda today: (today, today), by=(By.HOUR,))
    assert found.problems == (f"{only} has data files only, which know no hours: ask by day",)
    assert found.breakdown.total.total_tokens == 1


def test_where_nothing_can_be_read_there_is_no_zero(tmp_path: Path) -> None:
    with pytest.raises(AggregationError) as caught:
        today(tmp_path / "a", tmp_path / "b")
    said = [
        f"{tmp_path}/{name} does not exist: name the data directory of an application"
        for name in ("a", "b")
    ]
    assert caught.value.problems == tuple(said)
    assert str(caught.value) == f"no directory can be counted:\n- {said[0]}\n- {said[1]}"


def test_one_directory_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(AggregationError) as caught:
        today(tmp_path / "a")
    said = f"{tmp_path}/a does not exist: name the data directory of an application"
    assert str(caught.value) == said


def test_a_directory_that_vanishes_is_told_the_next_time(good: Path, tmp_path: Path) -> None:
    other = ledger(tmp_path / "other", call(2))
    aggregator = added_up([good, other])
    before = aggregator.aggregate_daily_usage()["total_tokens"]
    shutil.rmtree(other)
    after = aggregator.aggregate_daily_usage()
    assert (before, after["total_tokens"], len(after["problems"])) == (3, 1, 1)


def test_two_directories_of_one_name() -> None:
    with pytest.raises(ValueError, match="called") as caught:
        directories_of([named("eu", "a"), named("eu", "b")])
    assert str(caught.value) == "a and b are both called 'eu': give each a name of its own"
