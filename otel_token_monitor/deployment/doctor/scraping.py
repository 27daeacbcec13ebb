"""Prometheus: whether it is there, and scrapes the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_token_monitor.deployment.doctor.findings import (
    Finding,
    Link,
    broken,
    fine,
    of_error,
    warning,
)
from otel_token_monitor.deployment.doctor.places import host_and_port, same_place
from otel_token_monitor.deployment.rules_check import JOB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_token_monitor.deployment.http_api import ApiError
    from otel_token_monitor.deployment.prometheus_api import Target

__all__ = ["PrometheusSeen", "Wanted", "judge_prometheus"]

_MINUTE_INTERVAL: Final = 30.0
_LONG_INTERVAL: Final = 120.0
_CLOCK_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSeen:
    """What was seen of the Prometheus at `address`, or why nothing was.

    `shown` has the ledgers that targets show, by their job and instance. `clock_ahead` is its clock
    less ours, in seconds. `just_loaded`: its configuration, some seconds ago.
    """

    address: str
    trouble: ApiError | None = None
    reload_failed: bool = False
    targets: tuple[Target, ...] = ()
    shown: Mapping[tuple[str, str], frozenset[str]]
    clock_ahead: float = 0.0
    just_loaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What Prometheus is to scrape: a ledger (None if its id is not known), shown at an address.

    `per_minute`: a limit for a minute is to be watched.
    """

    ledger_id: str | None
    metrics: str | None
    per_minute: bool


def judge_prometheus(seen: PrometheusSeen, wanted: Wanted) -> Link:
    """Whether it scrapes what is wanted, often enough."""
    return Link(name="Prometheus", findings=tuple(_prometheus(seen, wanted)))


def _prometheus(seen: PrometheusSeen, wanted: Wanted) -> Iterator[Finding]:
    if seen.trouble is not None:
        yield of_error(seen.trouble)
        return
    ours = [
        target for target in seen.targets if wanted.ledger_id in seen.shown.get(_key(target), ())
    ]
    yield from _scraped(seen, wanted, ours) if ours else [_not_scraped(seen, wanted)]
    for target in seen.targets:
        if target.health == "down" and target.labels.get("job") == JOB and not _is(target, wanted):
            yield warning(
                f"Another target is down: {target.url} ({target.last_error}).",
                "Run this command on that machine.",
            )
    if seen.reload_failed:
        yield warning(
            "Its configuration was changed, and could not be loaded: it goes on with the old one.",
            "Run `promtool check config prometheus.yml`, then reload it.",
        )
    if abs(seen.clock_ahead) > _CLOCK_SECONDS:
        which = "ahead of" if seen.clock_ahead > 0 else "behind"
        yield warning(
            f"Its clock is {abs(seen.clock_ahead):,.0f} s {which} the one here: days end apart.",
            "Set both by NTP (timedatectl).",
        )


def _scraped(seen: PrometheusSeen, wanted: Wanted, ours: list[Target]) -> Iterator[Finding]:
    target = ours[0]
    every = f", every {target.interval:g} s" if target.interval else ""
    yield fine(f"{seen.address} scrapes {host_and_port(target.url)}{every}.")
    if len(ours) > 1:
        urls = " and ".join(host_and_port(target.url) for target in ours)
        yield warning(
            f"{len(ours)} targets show this ledger: {urls}.",
            "Scrape one of them: queries that add up targets count it "
            f"{'twice' if len(ours) == 2 else f'{len(ours)} times'}.",  # noqa: PLR2004 - as said
        )
    longest = _MINUTE_INTERVAL if wanted.per_minute else _LONG_INTERVAL
    if target.interval > longest:
        why = "to see what is used of a minute" if wanted.per_minute else "lest series go stale"
        yield warning(
            f"It scrapes every {target.interval:g} s only.",
            f"Set scrape_interval to {longest:g}s or less, {why}.",
        )


def _not_scraped(seen: PrometheusSeen, wanted: Wanted) -> Finding:
    """Why no target shows the ledger."""
    there = [target for target in seen.targets if _is(target, wanted)]
    there = there or [target for target in seen.targets if target.labels.get("job") == JOB]
    if not there:
        text = f"{seen.address} has no target that shows this ledger."
        if seen.just_loaded:
            late = "It has just loaded its configuration: wait some seconds. Else "
            return broken(text, f"{late}{_how_to_add(wanted, 'add')}")
        return broken(text, _how_to_add(wanted))
    target = there[0]
    if target.health == "down":
        return broken(
            f"{seen.address} cannot scrape {target.url}: {target.last_error}.",
            "See that it is served there, as seen from Prometheus's machine: other machines and "
            "containers need another host than localhost (OTEL_EXPORTER_PROMETHEUS_HOST).",
        )
    if target.health != "up":
        text = f"{seen.address} has not scraped {target.url} yet."
        return warning(text, "Try again in a minute.")
    return _shows_another(target, seen.shown.get(_key(target)), seen, wanted)


def _shows_another(
    target: Target, others: frozenset[str] | None, seen: PrometheusSeen, wanted: Wanted
) -> Finding:
    """That a target is up, and shows something else than the ledger."""
    if others is None:
        return broken(
            f"{target.url} shows Prometheus no ledger: it is another program's, or cannot read it.",
            _how_to_add(wanted),
        )
    if wanted.ledger_id is None:
        return fine(f"{seen.address} scrapes {host_and_port(target.url)}.")
    return broken(
        f"{target.url} shows Prometheus another ledger ({', '.join(sorted(others))}).",
        _how_to_add(wanted),
    )


def _how_to_add(wanted: Wanted, add: str = "Add") -> str:
    place = "localhost:9464" if wanted.metrics is None else host_and_port(wanted.metrics)
    return f"{add} `- targets: [{place}]` to targets/token-monitors.yml beside its prometheus.yml."


def _is(target: Target, wanted: Wanted) -> bool:
    """Whether a target is the address that we looked at."""
    return wanted.metrics is not None and same_place(target.url, wanted.metrics)


def _key(target: Target) -> tuple[str, str]:
    return target.labels.get("job", ""), target.labels.get("instance", "")
