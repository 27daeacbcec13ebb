"""Notifications as Slack's incoming webhooks take them; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.alerts.documents import RESOLVED

if TYPE_CHECKING:
    from otel_token_monitor.alerts.documents import AlertDocument

__all__ = ["HOSTS", "message"]

HOSTS: Final = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
"""Where Slack takes them."""

_COLOURS: Final = {"critical": "#d00000", "warning": "#e8a200", RESOLVED: "#2eb67d"}
_OTHER_COLOUR: Final = "#808080"
_ATTACHMENTS: Final = 20
_LETTERS: Final = 2000


def message(payload: dict[str, Any]) -> dict[str, Any]:
    """One message with an attachment for each alert, coloured by its severity."""
    alerts = payload["alerts"]
    return {
        "text": _plain("; ".join(_title(alert) for alert in alerts[:_ATTACHMENTS])),
        "mrkdwn": False,
        "attachments": [_attachment(alert) for alert in alerts[:_ATTACHMENTS]],
    }


def _attachment(alert: AlertDocument) -> dict[str, Any]:
    labels, annotations = alert["labels"], alert["annotations"]
    kind = RESOLVED if alert["status"] == RESOLVED else labels.get("severity", "")
    text = annotations.get("description") or annotations.get("message") or _all(labels)
    attachment = {
        "color": _COLOURS.get(kind, _OTHER_COLOUR),
        "title": _plain(_title(alert)),
        "text": _plain(text),
        "fallback": _plain(f"{_title(alert)}: {text}"),
        "mrkdwn_in": [],
    }
    url = alert["generatorURL"]
    return (
        {**attachment, "title_link": url} if url.startswith(("http://", "https://")) else attachment
    )


def _title(alert: AlertDocument) -> str:
    labels = alert["labels"]
    resolved = alert["status"] == RESOLVED
    kind = "RESOLVED" if resolved else labels.get("severity", "firing").upper()
    summary = alert["annotations"].get("summary") or labels.get("alertname", "alert")
    return f"[{kind}] {summary}"


def _all(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _plain(text: str) -> str:
    """A text that Slack shows as it is: names may have what it takes for markup."""
    cut = text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
