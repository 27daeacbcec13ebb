"""Deliveries: in order, tried again, given up and counted, never held up by another target."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from otel_token_monitor.alerts.channels import DeliveryError
from otel_token_monitor.alerts.deliveries import Courier
from otel_token_monitor.ledger import alert_book
from tests.unit.alerts.scenes import SECOND, Sink, notice

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.unit.alerts.scenes import Scene

    Make = Callable[..., Scene]

DAY_SECONDS = 86400


def post(one: Scene, *numbers: int) -> None:
    """Put notices in the ledger, for all known targets."""
    for number in numbers:
        one.access.change(
            lambda connection, number=number: alert_book.add_notification(  # type: ignore[misc]
                connection,
                notice(number),
                alert_book.read_targets(connection, one.clock.now),
                one.clock.now,
            )
        )


def numbers(sink: Sink) -> list[int]:
    return [document["number"] for document in sink.got]


def delivered(one: Scene, sink: Sink) -> list[int]:
    """What has come once all is tried that may be tried now."""
    while one.courier.deliver():
        pass
    return numbers(sink)


def test_notices_come_in_order(scene: Make) -> None:
    one = scene()
    post(one, 1, 2, 3)
    assert delivered(one, one.sink) == [1, 2, 3]
    assert one.rows("SELECT * FROM notification") == []


def test_what_failed_is_tried_again_before_what_came_later(scene: Make) -> None:
    one = scene()
    one.sink.failures = [DeliveryError("down")]
    post(one, 1, 2)
    assert delivered(one, one.sink) == []
    one.after(3)
    assert delivered(one, one.sink) == []
    one.after(2)
    assert delivered(one, one.sink) == [1, 2]


def test_the_pauses_double_up_to_ten_minutes(scene: Make) -> None:
    one = scene()
    post(one, 1)
    one.sink.failures = [DeliveryError("down")] * 12
    pauses = []
    for _ in range(12):
        one.courier.deliver()
        ((next_ns,),) = one.rows("SELECT next_ns FROM delivery")
        pauses.append((next_ns - one.clock.now) / SECOND)
        one.clock.now = next_ns
    for attempt, pause in enumerate(pauses):
        longest = min(5 * 2**attempt, 600)
        assert 0.75 * longest <= pause <= longest


def test_a_target_that_fails_does_not_hold_up_another(scene: Make) -> None:
    failing, working = Sink("webhook:aaa"), Sink("webhook:bbb")
    failing.failures = [DeliveryError("down")]
    one = scene(channels=(failing, working))
    post(one, 1, 2)
    assert delivered(one, working) == [1, 2]
    assert numbers(failing) == []


def test_after_seven_days_a_delivery_is_given_up_and_counted(
    scene: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one = scene()
    post(one, 1)
    one.after(7 * DAY_SECONDS)
    one.sink.failures = [DeliveryError("https://hooks.test:443 is down")]
    one.courier.deliver()
    assert one.rows("SELECT * FROM delivery") == []
    assert one.book.health() == {"undelivered_alerts": 1}
    assert "an alert was given up after 1 attempts: https://hooks.test:443 is down" in caplog.text


def test_what_a_server_refuses_is_given_up_soon(scene: Make) -> None:
    one = scene()
    post(one, 1, 2)
    one.sink.failures = [DeliveryError("400", refused=True)] * 3
    for _ in range(3):
        delivered(one, one.sink)
        one.after(60)
    assert delivered(one, one.sink) == [2]
    assert one.book.health() == {"undelivered_alerts": 1}


def test_what_nobody_could_deliver_is_given_up_and_counted(scene: Make) -> None:
    one = scene()
    post(one, 1)
    one.after(8 * DAY_SECONDS)
    Courier(one.access, (Sink("webhook:other"),), one.clock, lambda: "").register()
    assert one.rows("SELECT * FROM delivery") == []
    assert one.book.health() == {"undelivered_alerts": 1}


def test_a_delivery_that_another_process_has_begun_is_left_to_it_for_a_minute(
    scene: Make,
) -> None:
    one = scene()
    post(one, 1)
    one.access.change(
        lambda connection: alert_book.lease(connection, one.sink.target, one.clock.now)
    )
    one.after(59)
    assert delivered(one, one.sink) == []
    one.after(1)
    assert delivered(one, one.sink) == [1]


def test_targets_of_the_last_day_get_what_is_posted(scene: Make) -> None:
    one = scene()
    one.after(DAY_SECONDS + 1)
    post(one, 1)
    assert one.rows("SELECT * FROM notification") == []
    Courier(one.access, (one.sink,), one.clock, lambda: "").register()
    post(one, 2)
    assert delivered(one, one.sink) == [2]


def test_trouble_is_logged_once_and_its_end_too(
    scene: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one = scene()
    one.sink.failures = [DeliveryError("hooks.test is down")] * 2
    post(one, 1)
    for _ in range(3):
        one.courier.deliver()
        one.after(60)
    assert [(entry.levelno, entry.getMessage()[:50]) for entry in caplog.records] == [
        (logging.WARNING, "an alert cannot be delivered: hooks.test is down. "),
        (logging.WARNING, f"{one.sink!r}"[:50]),
    ]


def test_nothing_begins_after_the_deadline(scene: Make) -> None:
    one = scene()
    post(one, 1)
    assert not one.courier.deliver(deadline=0.0)
    assert one.sink.got == []
