"""Where an Alertmanager's configuration sends an alert; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml

from otel_token_monitor.deployment.alertmanager_api import Matcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Destination", "Webhook", "destinations", "fits", "webhooks"]

HIDDEN: Final = "<secret>"
"""What newer versions show instead of a webhook's address."""

_EVERYTHING: Final = "..."
_MATCHER: Final = re.compile(r'\s*([a-zA-Z_:][\w:]*)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*', re.DOTALL)
_ALERTS_PATH: Final = "/alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A receiver that an alert goes to, and the labels it is grouped by; None: by all."""

    receiver: str
    group_by: frozenset[str] | None

    def groups_by(self, label: str) -> bool:
        """Whether alerts that differ in a label are told of one by one."""
        return self.group_by is None or label in self.group_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook of a receiver: `url` is None if hidden, the token's file None if there is none.

    `authorized`: it gives a token, from a file or not.
    """

    receiver: str
    url: str | None
    authorized: bool
    credentials_file: str | None

    @property
    def may_be_ours(self) -> bool:
        """Whether it may lead to `/alerts` of a monitor."""
        return self.url is None or urlsplit(self.url).path.rstrip("/").endswith(_ALERTS_PATH)


def destinations(configuration: str, labels: Mapping[str, str]) -> tuple[Destination, ...]:
    """The receivers that an alert with such labels goes to. Raises ValueError."""
    try:
        route = yaml.safe_load(configuration)["route"]
        return tuple(_walk(route, Destination(receiver="", group_by=frozenset()), labels))
    except (AttributeError, KeyError, TypeError, re.error, yaml.YAMLError) as error:
        raise ValueError(f"its configuration cannot be read ({type(error).__name__})") from error


def webhooks(configuration: str) -> tuple[Webhook, ...]:
    """All webhooks. Raises ValueError."""
    try:
        receivers = yaml.safe_load(configuration).get("receivers") or ()
        return tuple(
            _webhook(receiver["name"], fields)
            for receiver in receivers
            for fields in receiver.get("webhook_configs") or ()
        )
    except (AttributeError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ValueError(f"its configuration cannot be read ({type(error).__name__})") from error


def fits(labels: Mapping[str, str], matchers: Sequence[Matcher]) -> bool:
    """Whether labels fit all matchers; a label that is missing is ''."""
    return all(_fits(labels.get(matcher.name, ""), matcher) for matcher in matchers)


def _walk(
    route: Mapping[str, Any], above: Destination, labels: Mapping[str, str]
) -> Iterator[Destination]:
    here = Destination(
        receiver=route.get("receiver") or above.receiver, group_by=_grouping(route, above)
    )
    found = False
    for child in route.get("routes") or ():
        if fits(labels, _matchers(child)):
            found = True
            yield from _walk(child, here, labels)
            if not child.get("continue"):
                return
    if not found:
        yield here


def _grouping(route: Mapping[str, Any], above: Destination) -> frozenset[str] | None:
    names = route.get("group_by")
    if not names:
        return above.group_by
    return None if _EVERYTHING in names else frozenset(names)


def _matchers(route: Mapping[str, Any]) -> list[Matcher]:
    found = [Matcher(name=name, value=value) for name, value in (route.get("match") or {}).items()]
    found += [
        Matcher(name=name, value=value, is_regex=True)
        for name, value in (route.get("match_re") or {}).items()
    ]
    for text in route.get("matchers") or ():
        match = _MATCHER.fullmatch(text.strip("{}"))
        if match is None:
            raise TypeError(text)
        name, sign, value = match.groups()
        found.append(
            Matcher(
                name=name,
                value=value.replace('\\"', '"').replace("\\\\", "\\"),
                is_regex="~" in sign,
                is_equal="!" not in sign,
            )
        )
    return found


def _fits(value: str, matcher: Matcher) -> bool:
    if matcher.is_regex:
        try:
            same = re.fullmatch(matcher.value, value) is not None
        except re.error:
            # Go's and Python's expressions differ in rare ways.
            return False
    else:
        same = value == matcher.value
    return same is matcher.is_equal


def _webhook(receiver: str, fields: Mapping[str, Any]) -> Webhook:
    url = fields.get("url") or HIDDEN
    authorization = (fields.get("http_config") or {}).get("authorization") or {}
    return Webhook(
        receiver=receiver,
        url=None if url == HIDDEN else str(url),
        authorized=bool(authorization),
        credentials_file=authorization.get("credentials_file"),
    )
