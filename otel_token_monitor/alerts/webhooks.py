"""Webhooks: notifications over HTTP, in Slack's format for Slack."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from otel_token_monitor.alerts import slack
from otel_token_monitor.alerts.channels import DeliveryError

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["Webhook", "origin_of"]

_CONNECT_SECONDS: Final = 3.05
_ANSWER_SECONDS: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443}
_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""What a server answers to a document that it will not take later either."""


class Webhook:
    """One address; it is a secret, so only its origin is ever shown, and its hash kept."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url
        clear = url.get_secret_value()
        self.target = f"webhook:{hashlib.sha256(clear.encode()).hexdigest()[:12]}"
        self.origin = origin_of(clear)
        self._for_slack = (urlsplit(clear).hostname or "") in slack.HOSTS

    def __repr__(self) -> str:
        return f"the webhook at {self.origin}"

    def prepare(self) -> None:
        """Import what takes 100 ms, and what most processes never need."""
        import opentelemetry.instrumentation.utils  # noqa: F401, PLC0415
        import requests  # noqa: F401, PLC0415

    def send(self, notice: dict[str, Any], seconds: float) -> None:
        """Post the notice's alerts, if it has any."""
        document = notice["webhook"]
        if document is None:
            return
        sent = slack.message(document) if self._for_slack else document
        self._check(_post(self._url.get_secret_value(), sent, seconds, self))

    def _check(self, status: int) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        hint = ""
        if status < HTTPStatus.BAD_REQUEST:
            hint = "; redirects are not followed: configure the address that it leads to"
        message = f"{self!r} answered {status}{hint}"
        raise DeliveryError(message, refused=status in _REFUSALS)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, the usual port spelled out; '' if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ""
    if not parts.hostname or port is None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _post(url: str, document: dict[str, Any], seconds: float, webhook: Webhook) -> int:
    """The status of the answer, whose body nobody reads."""
    # See `prepare`.
    import requests  # noqa: PLC0415
    from opentelemetry.instrumentation.utils import suppress_instrumentation  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    timeout = (min(_CONNECT_SECONDS, seconds), min(_ANSWER_SECONDS, seconds))
    try:
        # Ours is no request of the application: it must not show among its traces.
        with (
            suppress_instrumentation(),
            requests.post(
                url,
                data=json.dumps(document).encode(),
                headers={"Content-Type": "application/json", "User-Agent": "otel-token-monitor"},
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            return response.status_code
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        # What they say has the address in it.
        reason = type(error).__name__
    raise DeliveryError(f"{webhook!r} cannot be reached ({reason})")
