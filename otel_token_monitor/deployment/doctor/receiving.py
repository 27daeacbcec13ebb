"""The receiver: whether `/alerts` of a monitor takes what Alertmanager sends."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.doctor.findings import (
    Finding,
    Link,
    broken,
    fine,
    of_error,
    skipped,
    warning,
)
from otel_token_monitor.deployment.http_api import RefusedError
from otel_token_monitor.views.terminal.texts import count_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_token_monitor.deployment.http_api import ApiError

__all__ = ["ReceiverSeen", "judge_receiver"]

_NAME_OURS: Final = (
    "Name the monitor's address as the webhook's url in alertmanager.yml, such as "
    "http://localhost:9464/alerts."
)
_NO_RECEIVER: Final = "{seen.url} is no receiver of alerts: it answers {seen.bare}."
_REFUSED: Final[dict[int, tuple[str, str]]] = {
    HTTPStatus.FORBIDDEN: (
        "{seen.url} takes no alerts: no token is set there.",
        "Set TOKEN_ALERTS_TOKEN_FILE for it, to the file that Alertmanager reads the token from.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "{seen.url} cannot take alerts now: {seen.said}.",
        "Mend that; if nobody watches budgets there, take TOKEN_AUTO_MONITOR=false away.",
    ),
}
"""What was seen, and what to do, by the status without a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSeen:
    """What `url` answered to no alerts at all, or why it did not.

    `bare` is the status without a token; `ours` with the one of this command's configuration, and
    `theirs` with the one in Alertmanager's `credentials_file`: None where there is none, or it
    cannot be read. `said` is the error that came with 503. `authorized`: Alertmanager gives some
    token. `needed`: Alertmanager sends there. `failed` of `sent` webhook notifications of
    Alertmanager failed since it started.
    """

    url: str | None
    trouble: ApiError | None = None
    bare: int | None = None
    ours: int | None = None
    theirs: int | None = None
    said: str = ""
    credentials_file: str | None = None
    authorized: bool = True
    needed: bool = True
    sent: int = 0
    failed: int = 0


def judge_receiver(seen: ReceiverSeen) -> Link:
    """Whether alerts that Alertmanager sends are taken."""
    return Link(name="receiver", findings=tuple(_receiver(seen)))


def _receiver(seen: ReceiverSeen) -> Iterator[Finding]:
    if seen.url is None:
        yield skipped("Where it is, is not known: give the address of /metrics with --metrics.")
        return
    finding = _taken(seen)
    if finding.remedy and not seen.needed:
        yield skipped(f"Alertmanager sends nothing to {seen.url}.")
        return
    yield finding
    if seen.failed:
        yield warning(
            f"{seen.failed:,} of {count_text(seen.sent, 'webhook notification')} of Alertmanager "
            "failed since it started.",
            "Its log says why; --test-alert tells whether they come now.",
        )


def _taken(seen: ReceiverSeen) -> Finding:
    if isinstance(seen.trouble, RefusedError):
        return broken(
            f"Nobody takes alerts at {seen.url}.",
            "Start the application or `otel-token-monitor serve`; or change the webhook's url in "
            "alertmanager.yml.",
        )
    if seen.trouble is not None:
        return of_error(seen.trouble)
    if seen.bare == HTTPStatus.UNAUTHORIZED:
        return _with_token(seen)
    if seen.bare == HTTPStatus.OK:
        return warning(f"{seen.url} takes alerts from everybody: it is no monitor's.", _NAME_OURS)
    text, remedy = _REFUSED.get(seen.bare or 0, (_NO_RECEIVER, _NAME_OURS))
    return broken(text.format(seen=seen), remedy)


def _with_token(seen: ReceiverSeen) -> Finding:
    """What is known of the token that is asked for."""
    if seen.theirs == HTTPStatus.OK:
        return fine(f"{seen.url} takes alerts with Alertmanager's token.")
    if seen.theirs is not None:
        return broken(
            f"{seen.url} refuses the token in Alertmanager's {seen.credentials_file} "
            f"({seen.theirs}).",
            "Write the token of TOKEN_ALERTS_TOKEN or TOKEN_ALERTS_TOKEN_FILE into that file.",
        )
    if seen.needed and not seen.authorized:
        return broken(
            f"{seen.url} wants a token, and Alertmanager has none for it.",
            "Set http_config: authorization: credentials_file for the webhook in alertmanager.yml.",
        )
    if seen.ours == HTTPStatus.OK:
        return fine(f"{seen.url} takes alerts with the token that is configured here.")
    if seen.ours is not None:
        return warning(
            f"{seen.url} refuses the token that is configured here ({seen.ours}).",
            "See that Alertmanager has the right one: --test-alert tells.",
        )
    return fine(f"{seen.url} asks for a token, which cannot be compared from here.")
