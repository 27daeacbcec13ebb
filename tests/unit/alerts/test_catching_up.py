"""What a webhook is told that was not known when an alert began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_token_monitor.alerts.alert_log import LOG
from otel_token_monitor.alerts.deliveries import Courier
from otel_token_monitor.budgets.windows import Window
from tests.unit.alerts.scenes import Sink, limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.alerts.scenes import Scene

    Make = Callable[..., Scene]

DAY_SECONDS = 86400
WARNING = ("warning", "firing", "ledger/tokens/month")
CRITICAL = ("critical", "firing", "ledger/tokens/month")


def comes(one: Scene, sink: Sink) -> list[tuple[str, str, str]]:
    """A process begins that knows this target; what is delivered there from now on."""
    before = len(sink.alerts())
    courier = Courier(one.access, (sink,), one.clock, lambda: "")
    courier.register()
    while courier.deliver():
        pass
    return sink.alerts()[before:]


def monthly(scene: Make) -> Scene:
    return scene(limit(10_000, window=Window.MONTH))


def test_a_new_webhook_is_told_what_fires(scene: Make) -> None:
    one, late = monthly(scene), Sink("webhook:late")
    one.use(8_500)
    one.look()
    one.use(1_000)
    one.look()
    assert sorted(comes(one, late)) == [CRITICAL, WARNING]
    assert one.sink.alerts() == [WARNING, CRITICAL]


def test_it_is_told_once(scene: Make) -> None:
    one, late = monthly(scene), Sink("webhook:late")
    one.use(8_500)
    one.look()
    assert comes(one, late) == [WARNING]
    assert comes(one, late) == []


def test_what_has_ended_it_is_not_told(scene: Make) -> None:
    one = scene(limit(10_000))
    one.use(8_500)
    one.look()
    one.after(DAY_SECONDS)
    one.look()
    assert comes(one, Sink("webhook:late")) == []


def test_a_webhook_that_was_away_is_told_what_it_missed_only(scene: Make) -> None:
    one, away = monthly(scene), Sink("webhook:away")
    comes(one, away)
    one.after(DAY_SECONDS / 2)
    one.use(8_500)
    one.look()
    one.after(DAY_SECONDS)
    one.use(1_000)
    one.look()
    # The first alert has waited for it.
    assert comes(one, away) == [WARNING, CRITICAL]
    one.after(3 * DAY_SECONDS)
    assert comes(one, away) == []


def test_the_alert_log_is_told_nothing_of_the_past(scene: Make) -> None:
    one, log = monthly(scene), Sink(LOG)
    one.use(8_500)
    one.look()
    assert comes(one, log) == []
    assert log.got == []
