"""`doctor`: the whole chain, from the application to who is told of its alerts."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from otel_token_monitor.cli.options import as_json, config_file, data_dir
from otel_token_monitor.cli.output import say, show, show_json
from otel_token_monitor.config import TokenMonitorConfig
from otel_token_monitor.deployment.doctor.examination import PROMETHEUS, Chain, Places
from otel_token_monitor.deployment.doctor.travel import STAGES, Step, Stop, travel
from otel_token_monitor.deployment.doctor.trial import NotNowError, TrialAlert
from otel_token_monitor.deployment.doctor.view import diagnosis_view
from otel_token_monitor.deployment.http_api import ApiError
from otel_token_monitor.ledger.guest import LedgerGuest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_token_monitor.deployment.doctor.examination import Examined

__all__ = ["doctor"]

_BROKEN: Final = 1
_FRESH: Final = "The test alert is asked for, and on its way:"
_OLD: Final = "A test alert that was asked for before is still on its way:"
_ARRIVED: Final = "The test alert has arrived. It ends by itself after five minutes."
_ELSEWHERE: Final = "Alertmanager sends it to {}, which is not for this ledger to see: look there."


@click.command()
@data_dir
@config_file
@click.option(
    "--metrics",
    metavar="URL",
    help="Where /metrics is. [default: what the configuration says, http://localhost:9464]",
)
@click.option(
    "--prometheus", metavar="URL", default=PROMETHEUS, show_default=True, help="The Prometheus."
)
@click.option(
    "--alertmanager",
    metavar="URL",
    help="The Alertmanager. [default: the one that Prometheus notifies, else "
    "http://localhost:9093]",
)
@click.option("--test-alert", is_flag=True, help="Send a test alert, and watch where it comes.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=120,
    show_default=True,
    help="How long to wait for the test alert.",
)
@as_json
@click.pass_context
def doctor(  # noqa: PLR0913, PLR0917 - an argument for each option
    context: click.Context,
    data_dir: str | None,
    config: str | None,
    metrics: str | None,
    prometheus: str,
    alertmanager: str | None,
    timeout: float,
    *,
    test_alert: bool,
    as_json: bool,
) -> None:
    """Look at the whole chain: what works, what does not, and what to do.

    From the application and its ledger by /metrics, Prometheus, its rules, and Alertmanager to the
    receiver of alerts. Nothing is changed. Addresses take a user and a password
    (https://USER:PASSWORD@HOST/PATH), which are not printed.

    With --test-alert, the alert LLMTestAlert goes all the way that alerts of budgets go; it is
    shown where it comes, and after how many seconds. It ends by itself after five minutes. Whoever
    is told of alerts is told of this one.

    Exits 0 if alerts come through (there may be warnings), 1 if something is broken or the test
    alert does not arrive, 3 if the options are wrong or a test alert cannot be sent now.
    """
    settings = TokenMonitorConfig(file=config, data_dir=data_dir)
    places = Places(metrics=metrics, prometheus=prometheus, alertmanager=alertmanager)
    try:
        chain = Chain(settings, places, context.obj)
    except ApiError as error:
        raise click.ClickException(str(error)) from error
    examined = chain.examine()
    if not as_json:
        show(partial(diagnosis_view, examined.diagnosis, test_alert=test_alert))
    document = examined.diagnosis.document()
    works = not examined.diagnosis.is_broken
    if test_alert and works:
        sent = _sent(chain, examined, context.obj, timeout, said=_nothing if as_json else say)
        document["test_alert"] = sent
        works = "stopped_before" not in sent
    if as_json:
        show_json(document)
    context.exit(0 if works else _BROKEN)


def _sent(
    chain: Chain,
    examined: Examined,
    clock: Callable[[], int],
    timeout: float,
    *,
    said: Callable[[str], None],
) -> dict[str, Any]:
    """Send the test alert, and say where it comes; what a document says of it."""
    if chain.location is None or examined.ledger.ledger_id is None or chain.metrics is None:
        message = "a test alert needs a ledger in a file, and a /metrics whose address is known"
        raise click.ClickException(message)
    if examined.metrics is None or not examined.metrics.knows_test:
        message = (
            f"{chain.metrics.address}/metrics cannot show a test alert, since it is of an older "
            "release: upgrade otel-token-monitor there, and start it anew"
        )
        raise click.ClickException(message)
    guest = LedgerGuest(chain.location)
    alert = TrialAlert(
        ledger_id=examined.ledger.ledger_id,
        guest=guest,
        metrics=chain.metrics,
        prometheus=chain.prometheus,
        alertmanager=examined.alertmanager,
        clock=clock,
    )
    try:
        return _watched(alert, clock, timeout, said, received_here=examined.received_here)
    except NotNowError as error:
        raise click.ClickException(str(error)) from error
    finally:
        guest.close()


def _watched(
    alert: TrialAlert,
    clock: Callable[[], int],
    timeout: float,
    said: Callable[[str], None],
    *,
    received_here: bool,
) -> dict[str, Any]:
    """Ask for it, and follow it as far as it can be seen from here."""
    asked_ns = clock()
    fresh = alert.ask()
    said(f"\n{_FRESH if fresh else _OLD}")
    ways = travel(
        alert,
        STAGES if received_here else STAGES[:-1],
        asked_ns=asked_ns,
        seconds=timeout,
        clock=clock,
        pause=time.sleep,
    )
    document = {"asked_before": not fresh, **_followed(ways, said, timeout)}
    if "stopped_before" not in document:
        document["arrived"] = received_here or None
        elsewhere = _ELSEWHERE.format(", ".join(alert.receivers))
        said(_ARRIVED if received_here else elsewhere)
    return document


def _followed(
    ways: Iterator[Step | Stop], said: Callable[[str], None], timeout: float
) -> dict[str, Any]:
    """Say each step as it is made; what a document says of them."""
    steps: list[dict[str, Any]] = []
    document: dict[str, Any] = {"arrived": False, "steps": steps}
    for way in ways:
        if isinstance(way, Step):
            said(f"{way.seconds:6.1f} s  {way.stage.name} {way.stage.said}")
            steps.append({"name": way.stage.name, "seconds": round(way.seconds, 3)})
        else:
            said(f"{timeout:6g} s  {way.stage.name}: it has not come so far.\n→ {way.reason}.")
            document |= {"stopped_before": way.stage.name, "reason": way.reason}
    return document


def _nothing(_text: str) -> None:
    """Say nothing: the document will."""
