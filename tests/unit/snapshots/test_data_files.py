"""Data files are written from the ledger: what changed, each with the numbers of one moment."""

from __future__ import annotations

import gc
import gzip
import json
import os
import threading
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies

from otel_token_monitor.budgets.policy import Policy
from otel_token_monitor.snapshots.data_files import DataFiles, Written
from otel_token_monitor.snapshots.documents import DayDocument, MonthDocument
from otel_token_monitor.snapshots.files import Turn, read_document
from otel_token_monitor.snapshots.names import project_file_name
from tests.forking import ends_well
from tests.unit.ledger.books import project
from tests.unit.snapshots.ledgers import NOTHING, SEOUL, Desk, at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_token_monitor.ledger.reader import LedgerReader

NOON = "2026-11-24T12:00:00+09:00"


def test_a_call_is_in_the_files_of_its_day_month_and_project(desk: Desk) -> None:
    desk.use(700, NOON, "shop", cost_nanousd=5)
    assert desk.write() == Written(days=1, months=1, projects=1)
    assert desk.names() == {"usage_2026-11-24.json", "monthly_2026-11.json", "project_shop.json"}
    day = desk.read("usage_2026-11-24.json")
    assert (day["date"], day["timezone"]) == ("2026-11-24", "Asia/Seoul")
    assert (day["ledger"], day["updated"]) == (
        desk.book.reader.ledger_id(),
        "2026-11-24T16:48:00+09:00",
    )
    (entry,) = day["usage"]
    assert (entry["project"], entry["total_tokens"], entry["cost_nanousd"]) == ("shop", 700, 5)
    assert desk.read("monthly_2026-11.json")["usage"] == day["usage"]


def test_a_project_has_its_months_its_recent_days_and_its_models(desk: Desk) -> None:
    desk.use(1, "2025-01-10T12:00:00+09:00")
    desk.use(20, "2026-10-01T00:00:00+09:00")
    desk.use(300, "2026-11-24T00:00:00+09:00")
    desk.use(4000, "2026-11-24T12:00:00+09:00", "search")
    desk.write()
    found = desk.read("project_shop.json")
    assert found["total"]["total_tokens"] == 321
    assert [(part["month"], part["total_tokens"]) for part in found["months"]] == [
        ("2025-01", 1),
        ("2026-10", 20),
        ("2026-11", 300),
    ]
    assert [(part["date"], part["total_tokens"]) for part in found["days"]] == [
        ("2026-10-01", 20),
        ("2026-11-24", 300),
    ]
    assert [(part["model"], part["total_tokens"]) for part in found["models"]] == [
        ("gpt-5-mini", 321)
    ]


def test_midnight_is_that_of_the_time_zone(desk: Desk) -> None:
    desk.use(1, "2026-10-31T23:59:59+09:00")
    desk.use(20, "2026-11-01T00:00:00+09:00")
    desk.write()
    assert [
        desk.tokens(name)
        for name in (
            "usage_2026-10-31.json",
            "usage_2026-11-01.json",
            "monthly_2026-10.json",
            "monthly_2026-11.json",
        )
    ] == [1, 20, 1, 20]


def test_a_late_record_rewrites_the_files_of_its_day_alone(desk: Desk) -> None:
    desk.use(1, "2026-10-05T12:00:00+09:00", "shop")
    desk.use(20, "2026-10-05T12:00:00+09:00", "search")
    desk.use(300, NOON, "shop")
    desk.write()
    before = {name: desk.read(name) for name in desk.names()}
    desk.now_ns += 60_000_000_000
    desk.use(4000, "2026-10-05T13:00:00+09:00", "shop")
    assert desk.write() == Written(days=1, months=1, projects=1)
    assert {name for name, found in before.items() if desk.read(name) != found} == {
        "usage_2026-10-05.json",
        "monthly_2026-10.json",
        "project_shop.json",
    }
    assert desk.tokens("usage_2026-10-05.json") == 4021
    assert desk.tokens("monthly_2026-10.json") == 4021
    assert desk.tokens("project_shop.json") == 4301


def test_where_nothing_changed_nothing_is_done(desk: Desk) -> None:
    desk.use(1, NOON)
    desk.write()
    asked = 0
    ask = desk.access.ask

    def counting(question: Callable[[LedgerReader], Any], /) -> Any:
        nonlocal asked
        asked += 1
        return ask(question)

    desk.access.ask = counting  # type: ignore[method-assign]
    before = desk.names()
    (desk.directory / "usage_2026-11-24.json").unlink()
    assert desk.write() == NOTHING
    assert asked == 1
    assert desk.names() == before - {"usage_2026-11-24.json"}


def test_another_process_goes_on_where_the_first_one_was(desk: Desk) -> None:
    desk.use(1, NOON)
    desk.write()
    other = DataFiles(desk.access, desk.directory, SEOUL, retention_days=90)
    assert other.write(desk.now_ns) == NOTHING
    desk.use(20, NOON)
    assert other.write(desk.now_ns) == Written(days=1, months=1, projects=1)
    assert desk.write() == NOTHING
    assert desk.tokens("project_shop.json") == 21
    desk.use(300, NOON)
    assert desk.write() == Written(days=1, months=1, projects=1)
    assert desk.tokens("project_shop.json") == 321


def test_everything_is_written_on_demand(desk: Desk) -> None:
    desk.use(1, "2026-10-05T12:00:00+09:00", "search")
    desk.use(20, NOON)
    desk.write()
    for name in desk.names():
        (desk.directory / name).unlink()
    assert desk.write(everything=True) == Written(days=2, months=2, projects=2)
    assert len(desk.names()) == 6
    assert desk.write(everything=True) == NOTHING


def test_days_that_are_too_old_have_no_file_but_count_in_their_project(tmp_path: Path) -> None:
    desk = Desk(tmp_path, retention_days=10)
    desk.use(1, "2026-10-31T12:00:00+09:00")
    desk.use(20, "2026-11-13T12:00:00+09:00")
    desk.use(300, "2026-11-14T12:00:00+09:00")
    desk.write()
    assert desk.names() == {"usage_2026-11-14.json", "monthly_2026-11.json", "project_shop.json"}
    desk.use(4000, "2026-01-01T12:00:00+09:00", "search")
    desk.use(50_000, "2026-01-01T12:00:00+09:00", "shop")
    assert desk.write() == Written(projects=2)
    assert [desk.tokens(name) for name in sorted(desk.names())] == [320, 4000, 50_321, 300]
    desk.close()


def test_another_time_zone_writes_all_files_anew(desk: Desk) -> None:
    desk.use(1, "2026-11-23T08:00:00+09:00")
    desk.use(20, NOON)
    desk.write()
    assert desk.names() >= {"usage_2026-11-23.json", "usage_2026-11-24.json"}
    in_utc = DataFiles(desk.access, desk.directory, Policy(), retention_days=90)
    assert in_utc.write(desk.now_ns) == Written(days=2, months=1, projects=1)
    # It was Sunday still, in Greenwich.
    assert desk.names() == {
        "usage_2026-11-22.json",
        "usage_2026-11-24.json",
        "monthly_2026-11.json",
        "project_shop.json",
    }
    assert desk.read("project_shop.json")["timezone"] == "UTC"


HOSTILE = ["../../x", "/etc/passwd", "..", "CON", "Shop", "shop", "=1+1", "가" * 128, "a/b", "a~b"]


def test_hostile_projects_have_files_of_their_own_in_the_directory(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    for number, name in enumerate(HOSTILE):
        desk.use(1 + number, NOON, name)
    desk.write()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    found = {
        desk.read(name)["project"]: desk.tokens(name)
        for name in desk.names()
        if name.startswith("project_")
    }
    assert found == {name: 1 + number for number, name in enumerate(HOSTILE)}
    desk.close()


def forget(desk: Desk, pattern: str) -> None:
    """Take calls of some projects out of the ledger's sums, as a range that is replaced does."""

    def action(connection: Any) -> None:
        of_projects = "label_set_id IN (SELECT id FROM label_set WHERE project GLOB ?)"
        for table in ("period", "hour", "day"):
            connection.execute(f"DELETE FROM {table} WHERE {of_projects}", (pattern,))  # noqa: S608
        connection.execute("UPDATE changed SET number = (SELECT max(number) FROM changed) + 1")

    desk.book.writer.run(action)


def test_a_project_whose_calls_are_gone_loses_its_file(desk: Desk) -> None:
    desk.use(1, NOON, "shop")
    desk.use(20, NOON, "search")
    desk.write()
    forget(desk, "search")
    assert desk.write() == Written(days=1, months=1)
    assert desk.names() == {"usage_2026-11-24.json", "monthly_2026-11.json", "project_shop.json"}
    assert desk.tokens("usage_2026-11-24.json") == 1
    forget(desk, "*")
    assert desk.write() == NOTHING
    assert desk.names() == set()


def test_a_file_of_another_ledger_or_of_the_user_stays(desk: Desk) -> None:
    desk.use(1, NOON)
    desk.write()
    stray = desk.read("usage_2026-11-24.json") | {"date": "2026-11-20", "ledger": "another"}
    (desk.directory / "usage_2026-11-20.json").write_text(json.dumps(stray))
    own = stray | {"date": "2026-11-21", "ledger": desk.book.reader.ledger_id()}
    (desk.directory / "usage_2026-11-21.json").write_text(json.dumps(own))
    (desk.directory / "project_notes.json").write_text("[]")
    (desk.directory / "project_plan.txt").write_text("plan")
    (desk.directory / "project_dir.json").mkdir()
    desk.write(everything=True)
    assert desk.names() == {
        "usage_2026-11-24.json",
        "monthly_2026-11.json",
        "project_shop.json",
        "usage_2026-11-20.json",
        "project_notes.json",
        "project_plan.txt",
        "project_dir.json",
    }


def test_a_file_that_others_wrote_is_set_aside(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    path = desk.directory / "usage_2026-11-24.json"
    path.write_text('{"date": "2026-11-24", "total": 7}')
    desk.use(1, NOON)
    desk.write()
    aside = desk.directory / "usage_2026-11-24.json.aside-1"
    assert aside.read_text() == '{"date": "2026-11-24", "total": 7}'
    assert desk.tokens(path.name) == 1
    assert caplog.messages == [
        f"{path} was not written by otel_token_monitor: it is usage_2026-11-24.json.aside-1 now"
    ]


def test_nothing_that_was_set_aside_is_overwritten(desk: Desk) -> None:
    path = desk.directory / "project_shop.json"
    for number in (1, 2):
        path.write_text(f"note {number}")
        desk.use(1, NOON)
        desk.write()
    aside = [path.with_name(f"{path.name}.aside-{number}").read_text() for number in (1, 2)]
    assert aside == ["note 1", "note 2"]
    assert desk.tokens(path.name) == 2


def test_where_a_day_cannot_be_read_all_its_projects_are_written(desk: Desk) -> None:
    desk.use(1, NOON, "shop")
    desk.use(20, NOON, "search")
    desk.write()
    for name in ("usage_2026-11-24.json", "project_search.json"):
        (desk.directory / name).write_text('{"schema_version": 1, "kind": "damaged"}')
    desk.use(300, NOON, "shop")
    assert desk.write() == Written(days=1, months=1, projects=2)
    assert desk.tokens("project_search.json") == 20


def test_a_damaged_file_of_ours_is_written_anew(desk: Desk) -> None:
    desk.use(1, NOON)
    desk.write()
    path = desk.directory / "usage_2026-11-24.json"
    path.write_text(json.dumps(desk.read(path.name) | {"usage": 7}))
    assert desk.write(everything=True) == Written(days=1)
    assert desk.tokens(path.name) == 1
    assert len(desk.names()) == 3


def test_a_late_record_rewrites_a_compressed_file(desk: Desk) -> None:
    desk.use(1, "2026-10-05T12:00:00+09:00")
    desk.write()
    plain = desk.directory / "usage_2026-10-05.json"
    packed = plain.with_name(f"{plain.name}.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    desk.use(20, "2026-10-05T12:00:00+09:00")
    assert desk.write() == Written(days=1, months=1, projects=1)
    assert not plain.exists()
    assert json.loads(gzip.decompress(packed.read_bytes()))["total"]["total_tokens"] == 21


def test_of_a_plain_and_a_compressed_file_the_plain_one_holds(desk: Desk) -> None:
    desk.use(1, "2026-10-05T12:00:00+09:00")
    desk.write()
    plain = desk.directory / "usage_2026-10-05.json"
    plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(b"{}"))
    found = read_document(plain, DayDocument)
    assert found is not None
    assert found.total.total_tokens == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"{}" * 1000, mtime=0)[:-9]],
    ids=["empty", "no gzip", "cut off"],
)
def test_a_broken_compressed_file_is_set_aside(desk: Desk, content: bytes) -> None:
    packed = desk.directory / "usage_2026-10-05.json.gz"
    packed.write_bytes(content)
    desk.use(1, "2026-10-05T12:00:00+09:00")
    desk.write()
    assert packed.with_name(f"{packed.name}.aside-1").read_bytes() == content
    assert desk.tokens("usage_2026-10-05.json") == 1


def test_while_another_is_at_it_nothing_is_written(desk: Desk) -> None:
    desk.use(1, NOON)
    with Turn(desk.directory).taken() as mine:
        assert mine
        assert desk.write() is None
        assert desk.names() == set()
    assert desk.write() == Written(days=1, months=1, projects=1)


def test_whoever_has_patience_waits_for_its_turn(desk: Desk) -> None:
    desk.use(1, NOON)
    results: list[Written | None] = []
    thread = threading.Thread(target=lambda: results.append(desk.write(patience=10)))
    with Turn(desk.directory).taken():
        thread.start()
    thread.join()
    assert results == [Written(days=1, months=1, projects=1)]


def test_a_turn_ends_though_a_forked_child_lives(desk: Desk) -> None:
    reading, writing = os.pipe()
    gc.collect()  # see tests/forking.py
    with suppress(OSError), desk.files.turn.taken():
        child = os.fork()
        if child == 0:
            os.read(reading, 1)
            os._exit(0)
        raise OSError("the disk is full")
    with Turn(desk.directory).taken() as mine:
        assert mine
    os.write(writing, b".")
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


def test_a_forked_child_gives_up_the_turn_of_its_parent(desk: Desk) -> None:
    with desk.files.turn.taken():

        def child() -> bool:
            desk.files.turn.forget_after_fork()
            with Turn(desk.directory).taken() as mine:
                return not mine

        assert ends_well(child)
    with Turn(desk.directory).taken() as mine:
        assert mine


def test_what_could_not_be_written_is_written_the_next_time(desk: Desk) -> None:
    desk.use(1, NOON)
    hurdle = desk.directory / "monthly_2026-11.json"
    hurdle.mkdir()
    with pytest.raises(IsADirectoryError):
        desk.write()
    hurdle.rmdir()
    assert desk.write() == Written(days=1, months=1)
    assert desk.write() == NOTHING


def interruptions(desk: Desk) -> Iterator[Written | None]:
    """Write until it is done; each time it is ended one file later."""
    for allowed in range(100):
        left = [allowed]

        def is_over(left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] < 0

        yield desk.write(is_over=is_over)
        if left[0] > 0:
            return


def test_ended_midway_it_is_done_the_next_time(desk: Desk) -> None:
    for number in range(3):
        desk.use(1, f"2026-11-0{number + 1}T12:00:00+09:00", f"project-{number}")
    results = [written for written in interruptions(desk) if written != NOTHING]
    assert results[:-1] == [Written(projects=1)] * 3 + [Written(months=1)] + [Written(days=1)] * 2
    assert desk.write() == NOTHING
    assert len(desk.names()) == 7


def test_after_an_end_midway_a_project_that_changed_is_written(desk: Desk) -> None:
    desk.use(1, NOON)
    desk.write()
    desk.use(20, NOON)
    assert desk.write(is_over=lambda: True) == NOTHING
    again = DataFiles(desk.access, desk.directory, SEOUL, retention_days=90)
    assert again.write(desk.now_ns) == Written(days=1, months=1, projects=1)
    assert desk.tokens("project_shop.json") == 21


def test_calls_that_come_while_it_reads_are_in_all_files_or_in_the_next(desk: Desk) -> None:
    for month in range(1, 11):
        desk.use(1, f"2026-{month:02}-10T12:00:00+09:00")
    ask = desk.access.ask

    def busy(question: Callable[[LedgerReader], Any], /) -> Any:
        desk.use(100, NOON)
        return ask(question)

    desk.access.ask = busy  # type: ignore[method-assign]
    desk.write()
    tokens = [
        desk.tokens(name)
        for name in ("usage_2026-11-24.json", "monthly_2026-11.json", "project_shop.json")
    ]
    assert tokens[0] == tokens[1] == tokens[2] - 10
    desk.access.ask = ask  # type: ignore[method-assign]
    desk.use(1, NOON)
    desk.write()
    assert desk.tokens("project_shop.json") == tokens[2] + 1


def test_a_ledger_from_a_backup_is_written_anew(desk: Desk) -> None:
    desk.use(1, NOON)
    desk.write()
    desk.book.writer.run(
        lambda connection: connection.execute(
            "UPDATE ledger SET value = ? WHERE key = 'data_files'",
            ('{"number": 1000, "timezone": "Asia/Seoul", "schema": 1}',),
        )
    )
    desk.use(20, NOON)
    assert desk.write() == Written(days=1, months=1, projects=1)


@pytest.mark.parametrize("kept", ["", "7", '{"number": "x"}'])
def test_what_the_ledger_keeps_may_be_unreadable(desk: Desk, kept: str) -> None:
    desk.use(1, NOON)
    desk.write()
    (desk.directory / "project_shop.json").unlink()
    desk.book.writer.run(
        lambda connection: connection.execute(
            "UPDATE ledger SET value = ? WHERE key = 'data_files'", (kept,)
        )
    )
    assert desk.write() == Written(projects=1)


def test_files_have_the_modes_that_the_process_gives(desk: Desk) -> None:
    desk.use(1, NOON)
    before = os.umask(0o027)
    try:
        desk.write()
    finally:
        os.umask(before)
    modes = {(desk.directory / name).stat().st_mode & 0o777 for name in desk.names()}
    assert modes == {0o640}


def test_the_files_and_the_ledger_tell_the_same(desk: Desk) -> None:
    for number in range(40):
        desk.use(
            number, f"2026-11-{1 + number % 24:02}T0{number % 10}:14:59+09:00", f"p{number % 7}"
        )
        if number % 5 == 0:
            desk.write()
    desk.write()
    month = read_document(desk.directory / "monthly_2026-11.json", MonthDocument)
    assert month is not None
    start, end = (at(f"2026-{month:02}-01T00:00:00+09:00") // 900_000_000_000 for month in (11, 12))
    assert {entry.labels: entry.totals for entry in month.usage} == desk.book.reader.totals(
        start, end
    )
    days = sum(desk.tokens(name) for name in desk.names() if name.startswith("usage_"))
    projects = sum(desk.tokens(project_file_name(f"p{number}")) for number in range(7))
    assert days == projects == month.total.total_tokens == sum(range(40))
    assert {labels.project for labels in desk.book.reader.totals(start, end)} == {
        project(f"p{number}").project for number in range(7)
    }


ZONES = ["UTC", "Asia/Seoul", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"]
MINUTES = strategies.integers(0, 100 * 24 * 60)
CALLS = strategies.tuples(
    MINUTES, strategies.sampled_from(HOSTILE), strategies.integers(0, 9**9), strategies.booleans()
)


def in_files(desk: Desk, kind: str) -> dict[str, dict[str, int]]:
    """The tokens of each project, in each file of a kind."""
    return {
        path.name: {
            name: sum(entry["total_tokens"] for entry in found["usage"] if entry["project"] == name)
            for name in sorted({entry["project"] for entry in found["usage"]})
        }
        for path in desk.directory.glob(f"{kind}_*.json")
        for found in [desk.read(path.name)]
    }


@settings(deadline=None)
@given(strategies.lists(CALLS, max_size=15), strategies.sampled_from(ZONES))
def test_whenever_files_are_written_they_tell_what_the_ledger_does(
    calls: list[tuple[int, str, int, bool]], zone: str
) -> None:
    start = datetime.fromisoformat("2026-08-24T12:00:00+00:00")
    policy = Policy(timezone=zone)
    days: dict[str, Counter[str]] = defaultdict(Counter)
    months: dict[str, Counter[str]] = defaultdict(Counter)
    projects: Counter[str] = Counter()
    with TemporaryDirectory() as directory:
        desk = Desk(Path(directory), policy=policy, retention_days=1000)
        for minutes, name, tokens, written in calls:
            moment = start + timedelta(minutes=minutes)
            desk.use(tokens, moment.isoformat(), name)
            local = moment.astimezone(policy.zone)
            days[f"usage_{local:%Y-%m-%d}.json"][name] += tokens
            months[f"monthly_{local:%Y-%m}.json"][name] += tokens
            projects[name] += tokens
            if written:
                desk.write()
        desk.write()
        assert in_files(desk, "usage") == days
        assert in_files(desk, "monthly") == months
        assert {
            found["project"]: (
                found["total"]["total_tokens"],
                sum(part["total_tokens"] for part in found["months"]),
                sum(part["total_tokens"] for part in found["models"]),
            )
            for path in desk.directory.glob("project_*.json")
            for found in [desk.read(path.name)]
        } == {name: (tokens,) * 3 for name, tokens in projects.items()}
        desk.close()
