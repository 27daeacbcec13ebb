"""Passing on what others notified: once, and not back."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from otel_token_monitor.alerts.deliveries import Courier
from otel_token_monitor.alerts.times import instant
from otel_token_monitor.alerts.watch import BudgetWatch
from tests.unit.alerts.scenes import MIDNIGHT, SECOND, Sink, limit
from tests.unit.ledger.books import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.alerts.scenes import Scene

    Make = Callable[..., Scene]

LABELS = {"alertname": "Down", "severity": "critical"}
BUDGET: dict[str, Any] = {
    "alertname": "LLMBudgetUsed",
    "budget": "ledger/tokens/day",
    "severity": "warning",
    "window": "day",
}


def body(*alerts: dict[str, Any], url: str = "http://alertmanager:9093") -> bytes:
    return json.dumps({"version": "4", "externalURL": url, "alerts": alerts}).encode()


def alert(status: str = "firing", starts_ns: int = NOW, **labels: Any) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {**LABELS, **labels},
        "annotations": {"summary": "It is down"},
        "startsAt": instant(starts_ns),
        "fingerprint": f"{hash(tuple(labels.items())) & 0xFFFF:016x}",
    }


def receive(one: Scene, sent: bytes) -> list[str]:
    """The fates; what is to be delivered is delivered."""
    watch = BudgetWatch(one.access, one.settings, clock=one.clock)
    fates = watch.receive(sent)
    while one.courier.deliver():
        pass
    return [str(fate) for fate in fates]


def test_an_alert_is_passed_on_as_it_came(scene: Make) -> None:
    one = scene()
    sent = alert()
    assert receive(one, body(sent)) == ["forwarded"]
    (notice,) = one.sink.got
    (passed,) = notice["webhook"]["alerts"]
    assert passed == {**sent, "endsAt": "0001-01-01T00:00:00Z", "generatorURL": ""}


def test_a_repeat_is_known_also_to_another_process(scene: Make) -> None:
    one, other = scene(), scene()
    sent = body(alert(), alert(), alert("resolved"))
    assert receive(one, sent) == ["forwarded", "known", "forwarded"]
    assert receive(other, sent) == ["known", "known", "known"]
    assert len(one.sink.got) + len(other.sink.got) == 1


def test_the_same_alert_that_begins_again_is_passed_on(scene: Make) -> None:
    one = scene()
    receive(one, body(alert()))
    assert receive(one, body(alert(starts_ns=NOW + SECOND))) == ["forwarded"]


def test_a_repeat_is_remembered_as_long_as_it_comes(scene: Make) -> None:
    one = scene()
    fates = []
    for _ in range(4):
        one.courier = Courier(one.access, (one.sink,), one.clock, lambda: "")
        one.courier.register()
        fates += receive(one, body(alert()))
        one.after(20 * 86400)
    assert fates == ["forwarded", "known", "known", "known"]


def test_nothing_goes_back_to_where_it_came_from(scene: Make) -> None:
    sender, other = (
        Sink("webhook:aaa", "http://alertmanager:9093"),
        Sink("webhook:bbb", "http://alertmanager:80"),
    )
    one = scene(channels=(sender, other))
    receive(one, body(alert()))
    assert (sender.got, len(other.got)) == ([], 1)


def test_what_this_ledger_notified_itself_is_known(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(8_500)
    one.look()
    one.sink.got.clear()
    own: dict[str, Any] = {**BUDGET, "ledger": one.book.reader.ledger_id()}
    later = NOW + 30 * SECOND
    assert receive(one, body(alert(starts_ns=later, **own))) == ["known"]
    assert receive(one, body(alert("resolved", starts_ns=later, **own))) == ["known"]
    assert one.sink.got == []


@pytest.mark.parametrize(
    "differing",
    [
        {"alertname": "LLMBudgetNotANumber"},
        {"severity": "critical"},
        {"ledger": "another"},
        {"budget": "ledger/tokens/month"},
        {"window": "fortnight"},
    ],
)
def test_what_another_notified_is_passed_on(scene: Make, differing: dict[str, str]) -> None:
    one = scene(limit(10_000))
    one.use(8_500)
    one.look()
    own: dict[str, Any] = {**BUDGET, "ledger": one.book.reader.ledger_id(), **differing}
    assert receive(one, body(alert(**own))) == ["forwarded"]


@pytest.mark.parametrize(
    ("ledgers", "fate"),
    [
        ("{own} ", "known"),
        ("{own} another ", "forwarded"),
        ("another", "forwarded"),
        ("", "forwarded"),
    ],
)
def test_an_alert_of_our_rules_names_its_ledgers_in_an_annotation(
    scene: Make, ledgers: str, fate: str
) -> None:
    one = scene(limit(10_000))
    one.use(8_500)
    one.look()
    sent = alert(**BUDGET)
    sent["annotations"]["ledgers"] = ledgers.format(own=one.book.reader.ledger_id())
    assert receive(one, body(sent)) == [fate]


def test_what_was_notified_yesterday_is_news_today(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(8_500)
    one.look()
    own: dict[str, Any] = {**BUDGET, "ledger": one.book.reader.ledger_id()}
    del own["window"]  # it is the end of the budget's name, too
    assert receive(one, body(alert(starts_ns=MIDNIGHT + DAY - SECOND, **own))) == ["known"]
    assert receive(one, body(alert(starts_ns=MIDNIGHT + DAY, **own))) == ["forwarded"]


def test_two_monitors_that_know_each_other_end_at_once(scene: Make, tmp_path: Any) -> None:
    one = scene(limit(10_000))
    other = type(one)(tmp_path / "other")
    one.use(9_500)
    one.look()
    sent = json.dumps(one.sink.got[0]["webhook"]).encode()
    assert receive(other, sent) == ["forwarded"]
    back = json.dumps(other.sink.got[0]["webhook"]).encode()
    assert receive(one, back) == ["known"]
    other.close()


def test_the_console_has_new_ones_at_their_level_and_known_ones_at_info(
    scene: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one = scene()
    with caplog.at_level(logging.INFO, "otel_token_monitor.alerts"):
        receive(one, body(alert(), alert("resolved"), alert(), alert(alertname="a\nb")))
    assert [(entry.levelno, entry.getMessage()) for entry in caplog.records] == [
        (logging.CRITICAL, "received: Down is firing: It is down"),
        (logging.INFO, "received: Down is resolved: It is down"),
        (logging.INFO, "received: Down is firing, notified before: It is down"),
        (logging.CRITICAL, "received: a b is firing: It is down"),
    ]


def test_times_beyond_the_calendar_are_passed_on(scene: Make) -> None:
    one = scene(timezone="Asia/Seoul")
    own: dict[str, Any] = {**BUDGET, "ledger": one.book.reader.ledger_id()}
    late = {**alert(**own), "startsAt": "9999-12-31T23:59:59Z"}
    early = {**alert(**own), "startsAt": "0001-01-01T00:00:00Z"}
    assert receive(one, body(late, early)) == ["forwarded", "forwarded"]
