"""Which transitions are notified, and as what."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.budgets.limits import Scope, Unit
from otel_token_monitor.budgets.windows import Window
from tests.unit.alerts.scenes import MIDNIGHT, SECOND, Sink, limit
from tests.unit.ledger.books import DAY, NOW, project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.alerts.scenes import Scene

    Make = Callable[..., Scene]


@pytest.mark.parametrize(
    ("used", "transitions"),
    [
        (7_999, []),
        (8_000, [("NORMAL", "WARNING")]),
        (8_999, [("NORMAL", "WARNING")]),
        (9_000, [("NORMAL", "CRITICAL")]),
    ],
)
def test_the_thresholds_are_exact(
    scene: Make, used: int, transitions: list[tuple[str, str]]
) -> None:
    one = scene(limit(10_000))
    one.use(used)
    assert one.look() == transitions


def test_each_threshold_is_notified_once_on_the_way_up(scene: Make) -> None:
    one = scene(limit(10_000))
    seen = []
    for tokens in (7_999, 1, 998, 1, 1, 5_000):
        one.use(tokens)
        seen.append(one.look())
    assert seen == [[], [("NORMAL", "WARNING")], [], [], [("WARNING", "CRITICAL")], []]
    assert one.sink.alerts() == [
        ("warning", "firing", "ledger/tokens/day"),
        ("critical", "firing", "ledger/tokens/day"),
    ]


def test_a_new_day_resolves_all_that_fires(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(8_000)
    one.look()
    one.use(1_500)
    one.look()
    one.sink.got.clear()
    one.clock.now = MIDNIGHT + DAY
    assert one.look() == [("CRITICAL", "NORMAL")]
    assert one.said[-1].reset
    assert one.sink.alerts() == [
        ("critical", "resolved", "ledger/tokens/day"),
        ("warning", "resolved", "ledger/tokens/day"),
    ]
    assert one.look() == []


def test_the_end_of_an_alert_has_its_beginning(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(9_500)
    one.look()
    one.clock.now = MIDNIGHT + DAY
    one.look()
    begun, ended = (notice["webhook"]["alerts"][0] for notice in one.sink.got)
    same = ("labels", "fingerprint", "startsAt", "generatorURL")
    assert [begun[name] for name in same] == [ended[name] for name in same]
    assert begun["startsAt"] == "2026-09-21T14:13:20.000Z"
    assert (begun["endsAt"], ended["endsAt"]) == (
        "0001-01-01T00:00:00Z",
        "2026-09-22T00:00:00.000Z",
    )


def test_a_new_day_that_begins_over_a_threshold_is_two_transitions(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(9_500)
    one.look()
    one.clock.now = MIDNIGHT + DAY + SECOND
    one.use(8_100)
    assert one.look() == [("CRITICAL", "NORMAL"), ("NORMAL", "WARNING")]


def test_a_higher_limit_brings_a_budget_down(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(9_500)
    one.look()
    one.sink.got.clear()
    one.set_policy(limit(11_000))
    assert one.look() == [("CRITICAL", "WARNING")]
    # The warning never fired: it does now.
    assert one.sink.alerts() == [
        ("critical", "resolved", "ledger/tokens/day"),
        ("warning", "firing", "ledger/tokens/day"),
    ]
    one.set_policy(limit(20_000))
    assert one.look() == [("WARNING", "NORMAL")]
    assert one.sink.alerts()[2:] == [("warning", "resolved", "ledger/tokens/day")]


def test_a_warning_that_fires_goes_on_when_a_budget_comes_down_to_it(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(8_500)
    one.look()
    one.use(1_000)
    one.look()
    one.sink.got.clear()
    one.set_policy(limit(11_000))
    assert one.look() == [("CRITICAL", "WARNING")]
    assert one.sink.alerts() == [("critical", "resolved", "ledger/tokens/day")]


def test_a_limit_that_is_removed_resolves_its_alerts(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(9_500)
    one.look()
    one.sink.got.clear()
    one.set_policy()
    assert one.look() == [("CRITICAL", "NORMAL")]
    assert one.said[-1].budget is None
    assert one.said[-1].text == "The limit of ledger/tokens/day was removed"
    assert one.sink.alerts() == [("critical", "resolved", "ledger/tokens/day")]
    assert one.rows("SELECT * FROM budget_state") == []
    assert one.look() == []


def test_a_changed_time_zone_begins_a_new_window(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(9_500, time_ns=MIDNIGHT)
    one.look()
    one.set_policy(limit(10_000), timezone="Asia/Seoul")
    # Today in Seoul began at 15:00 UTC yesterday: the same calls, in another window.
    assert one.look() == [("CRITICAL", "NORMAL"), ("NORMAL", "CRITICAL")]
    assert one.look() == []


def test_a_process_whose_clock_is_behind_does_not_turn_the_day_back(scene: Make) -> None:
    one = scene(limit(10_000))
    one.clock.now = MIDNIGHT + DAY - SECOND
    one.use(9_500)
    one.look()
    one.clock.now = MIDNIGHT + DAY
    assert one.look() == [("CRITICAL", "NORMAL")]
    one.clock.now = MIDNIGHT + DAY - 1
    assert one.look() == []


def test_two_processes_notify_a_transition_once(scene: Make) -> None:
    one, other = scene(limit(10_000)), scene(limit(10_000))
    one.use(9_500)
    assert one.look() + other.look() == [("NORMAL", "CRITICAL")]
    assert len(one.sink.got) + len(other.sink.got) == 1


def test_who_read_before_another_process_notified_changes_nothing(scene: Make) -> None:
    slow, fast = scene(limit(10_000)), scene(limit(10_000))
    slow.use(8_500)
    reading = slow.rounds._read(pace=True)
    moves = slow.rounds._plan(reading)
    fast.use(1_000, labels=project("other"))
    assert fast.look() == [("NORMAL", "CRITICAL")]
    applied = slow.rounds._apply(reading, moves)
    assert (applied.moves, applied.overtaken) == ((), True)
    assert slow.look() == []


def test_a_budget_per_minute_goes_down_after_five_minutes_below(scene: Make) -> None:
    one = scene(limit(100, Window.MINUTE))
    one.use(95)
    assert one.look() == [("NORMAL", "CRITICAL")]
    one.after(61)
    assert one.look() == []
    one.after(299)
    assert one.look() == []
    one.after(1)
    assert one.look() == [("CRITICAL", "NORMAL")]


def test_a_budget_per_minute_that_flaps_is_notified_once(scene: Make) -> None:
    one = scene(limit(100, Window.MINUTE))
    seen = []
    for _ in range(20):
        one.use(95)
        seen += one.look()
        one.after(61)
        seen += one.look()
    assert seen == [("NORMAL", "CRITICAL")]


def test_it_looks_again_when_the_day_ends(scene: Make) -> None:
    one = scene(limit(10_000))
    assert one.rounds.look() is None
    one.use(1)
    assert one.rounds.look() == MIDNIGHT + DAY


def test_a_budget_per_minute_is_looked_at_until_it_is_normal(scene: Make) -> None:
    one = scene(limit(100, Window.MINUTE))
    one.use(95)
    one.look()
    assert one.rounds.look() == one.clock.now + 60 * SECOND
    one.after(61)
    one.look()
    assert one.rounds.look() == one.clock.now + 300 * SECOND


def test_labels_say_whose_budget_it_is(scene: Make) -> None:
    scope = Scope("checkout", "gpt-5*")
    one = scene(limit(1_000_000_000, Window.MONTH, Unit.USD, scope))
    one.use(10, labels=project("checkout"), cost_nanousd=1_200_000_000)
    one.look()
    payload = one.sink.got[0]["webhook"]
    (alert,) = payload["alerts"]
    assert alert["labels"] == {
        "alertname": "LLMBudgetUsed",
        "severity": "critical",
        "budget": "project:checkout/model:gpt-5*/usd/month",
        "ledger": one.book.reader.ledger_id(),
        "scope": "project_model",
        "project": "checkout",
        "model": "gpt-5*",
        "window": "month",
        "unit": "usd",
    }
    assert alert["generatorURL"] == "http://127.0.0.1:9464/"
    assert (payload["version"], payload["status"]) == ("4", "firing")
    assert payload["externalURL"] == "http://127.0.0.1:9464"
    assert payload["commonLabels"] == alert["labels"]
    assert alert["annotations"]["summary"] == (
        "LLM budget project:checkout/model:gpt-5*/usd/month has reached its critical threshold"
    )


def test_an_alert_says_how_much_is_used_and_when_it_resets(scene: Make) -> None:
    one = scene(limit(10_000), timezone="Asia/Seoul")
    one.book.write()
    one.use(9_000, estimated=False)
    one.use(250, estimated=True)
    one.look()
    said = one.sink.got[0]["webhook"]["alerts"][0]["annotations"]["description"]
    assert said.startswith(
        "9,250 of 10,000 tokens used today (92.5 %); 2.7 % of that is estimated; at the pace of "
    )
    assert said.endswith("; resets 2026-09-22 00:00 KST")


def test_a_line_has_the_figures(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(8_000)
    one.look()
    (line,) = one.sink.lines()
    text = line.pop("text")
    assert text.startswith("ledger/tokens/day is WARNING, was NORMAL: 8,000 of 10,000 tokens used")
    assert line == {
        "time": "2026-09-21T14:13:20.000Z",
        "level": "WARNING",
        "event": "up",
        "budget": "ledger/tokens/day",
        "old_status": "NORMAL",
        "new_status": "WARNING",
        "unit": "tokens",
        "used": 8000,
        "limit": 10000,
        "ratio": 0.8,
        "resets": "2026-09-22T00:00:00.000Z",
    }


def test_each_step_of_the_limit_is_reported_once(scene: Make) -> None:
    log = Sink("log")
    one = scene(limit(10_000), report_step=0.1, channels=(log,))
    reported = []
    for tokens in (999, 1, 999, 1, 3_500):
        log.got.clear()
        one.use(tokens)
        one.look()
        reported.append([line["ratio"] for line in log.lines() if line["event"] == "report"])
    # Several steps at once are one report.
    assert reported == [[], [0.1], [], [0.2], [0.55]]


def test_what_an_alert_says_is_not_reported_too(scene: Make) -> None:
    log = Sink("log")
    one = scene(limit(10_000), report_step=0.1, channels=(log,))
    events = []
    for tokens in (8_000, 500, 500, 1_000, 5_000):
        log.got.clear()
        one.use(tokens)
        one.look()
        events.append([(line["event"], line["ratio"]) for line in log.lines()])
    # Nor is it reported how far the limit is exceeded.
    assert events == [[("up", 0.8)], [], [("up", 0.9)], [("report", 1.0)], []]


def test_reports_begin_anew_with_the_day(scene: Make) -> None:
    log = Sink("log")
    one = scene(limit(10_000), report_step=0.1, channels=(log,))
    one.use(5_000)
    one.look()
    one.clock.now = MIDNIGHT + DAY
    log.got.clear()
    one.look()
    assert log.lines() == []
    one.use(1_000)
    one.look()
    assert [line["ratio"] for line in log.lines()] == [0.1]


def test_two_processes_report_a_step_once(scene: Make) -> None:
    logs = Sink("log"), Sink("log")
    one, other = (scene(limit(10_000), report_step=0.1, channels=(log,)) for log in logs)
    one.use(1_500)
    one.look()
    other.look()
    assert [len(log.lines()) for log in logs] == [1, 0]


def test_reports_are_not_sent_to_webhooks(scene: Make) -> None:
    one = scene(limit(10_000), report_step=0.1)
    one.use(1_500)
    one.look()
    assert one.sink.got == []
    assert one.rows("SELECT reported_ppm FROM budget_state") == [(100_000,)]


@pytest.mark.logs_errors
def test_a_callback_that_fails_stops_nothing(scene: Make, caplog: pytest.LogCaptureFixture) -> None:
    one = scene(limit(10_000))
    one.rounds._callbacks.insert(0, lambda _alert: 1 // 0)
    one.use(8_000)
    assert one.look() == [("NORMAL", "WARNING")]
    errors = [entry for entry in caplog.records if entry.levelno == logging.ERROR]
    assert [entry.getMessage() for entry in errors] == [
        "a callback of on_alert failed for ledger/tokens/day"
    ]


@pytest.mark.parametrize(("tokens", "level"), [(8_000, logging.WARNING), (9_000, logging.CRITICAL)])
def test_the_console_speaks_at_the_alerts_own_level(
    scene: Make, caplog: pytest.LogCaptureFixture, tokens: int, level: int
) -> None:
    one = scene(limit(10_000))
    one.use(tokens)
    with caplog.at_level(logging.INFO, "otel_token_monitor.alerts"):
        one.look()
        one.clock.now = NOW + DAY
        one.look()
    ours = [entry for entry in caplog.records if entry.name == "otel_token_monitor.alerts"]
    assert [entry.levelno for entry in ours] == [level, logging.INFO]
