"""Whether a Prometheus has loaded the bundled rules, and sees what they are about.

Pure: what is bundled, and what a Prometheus told, are handed in.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from otel_token_monitor.deployment.prometheus_api import LoadedRule, Target
    from otel_token_monitor.deployment.rule_files import BundledRule

__all__ = [
    "JOB",
    "CheckedRule",
    "CheckedTarget",
    "Difference",
    "RuleState",
    "RulesCheck",
    "TargetState",
    "checked_rules",
    "checked_targets",
]

JOB: Final = "otel-token-monitor"
"""The job of our targets in the bundled prometheus.yml; elsewhere it may have another name."""

# Where a runbook is, is everybody's own business.
_RUNBOOK: Final = "runbook_url"


class RuleState(StrEnum):
    """How a bundled rule is loaded: `changed` works, but not as bundled; `failing` does not."""

    LOADED = "loaded"
    CHANGED = "changed"
    FAILING = "failing"
    MISSING = "missing"


class TargetState(StrEnum):
    """What a target shows: `silent` answers, but shows no ledger; `unknown` was not asked yet."""

    UP = "up"
    DOWN = "down"
    SILENT = "silent"
    UNKNOWN = "unknown"


class Difference(NamedTuple):
    """What of a rule is other than bundled; both as a rule file would say it."""

    field: str
    bundled: str
    loaded: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRule:
    """A bundled rule, and how it is loaded; `error` is Prometheus's if it fails, else ''."""

    rule: BundledRule
    state: RuleState
    differences: tuple[Difference, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTarget:
    """A target that shows a ledger, did within the hour, or should; `error` is Prometheus's."""

    job: str
    instance: str
    url: str
    state: TargetState
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesCheck:
    """All that was found in the Prometheus at `address`.

    `reload_failed`: its configuration was changed, and it could not load it.
    """

    address: str
    rules: tuple[CheckedRule, ...]
    targets: tuple[CheckedTarget, ...]
    reload_failed: bool = False

    @property
    def is_well(self) -> bool:
        """Whether every rule works, as bundled or changed, and every target shows a ledger."""
        works = {RuleState.LOADED, RuleState.CHANGED}
        return (
            not self.reload_failed
            and all(rule.state in works for rule in self.rules)
            and bool(self.targets)
            and all(target.state is TargetState.UP for target in self.targets)
        )


def checked_rules(
    bundled: Iterable[BundledRule],
    loaded: Iterable[LoadedRule],
    same_expression: Callable[[str, str], bool],
) -> tuple[CheckedRule, ...]:
    """How each bundled rule is loaded.

    Rules are recognised by kind and name, wherever they are loaded from; of several that have one
    name, each goes with the one that it is most like. `same_expression` tells whether a bundled and
    a loaded expression are the same but for their spelling.
    """
    candidates: dict[tuple[str, str], list[LoadedRule]] = defaultdict(list)
    for one in loaded:
        candidates[one.kind, one.name].append(one)
    order = list(bundled)
    namesakes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, rule in enumerate(order):
        namesakes[rule.kind, rule.name].append(place)
    found: dict[int, CheckedRule] = {}
    for key, places in namesakes.items():
        rules = [order[place] for place in places]
        found.update(zip(places, _matched(rules, candidates[key], same_expression), strict=True))
    return tuple(found[place] for place in range(len(order)))


def checked_targets(
    targets: Iterable[Target],
    showing: Iterable[Mapping[str, str]],
    seen: Iterable[Mapping[str, str]],
) -> tuple[CheckedTarget, ...]:
    """The targets that are ours: of our job, or such as have shown a ledger within the hour.

    `showing` and `seen` are the labels of otel_token_monitor_build_info now, and of late.
    """
    now, late = {_key(labels) for labels in showing}, {_key(labels) for labels in seen}
    return tuple(
        CheckedTarget(
            job=target.labels.get("job", ""),
            instance=target.labels.get("instance", ""),
            url=target.url,
            state=_target_state(target, shows=_key(target.labels) in now),
            error=target.last_error,
        )
        for target in targets
        if target.labels.get("job") == JOB or _key(target.labels) in late
    )


def _matched(
    rules: Sequence[BundledRule],
    candidates: Sequence[LoadedRule],
    same_expression: Callable[[str, str], bool],
) -> list[CheckedRule]:
    """Each rule with the candidate that it is most like, the best pairs first."""
    pairs = [
        (_differences(rule, one, same_expression), place, candidate)
        for place, rule in enumerate(rules)
        for candidate, one in enumerate(candidates)
    ]
    checked = [CheckedRule(rule=rule, state=RuleState.MISSING) for rule in rules]
    free = set(range(len(candidates)))
    for differences, place, candidate in sorted(pairs, key=lambda pair: len(pair[0])):
        if candidate in free and checked[place].state is RuleState.MISSING:
            free.remove(candidate)
            checked[place] = _loaded(rules[place], candidates[candidate], differences)
    return checked


def _loaded(
    rule: BundledRule, loaded: LoadedRule, differences: tuple[Difference, ...]
) -> CheckedRule:
    state = RuleState.CHANGED if differences else RuleState.LOADED
    if loaded.health == "err":
        state = RuleState.FAILING
    error = loaded.last_error if state is RuleState.FAILING else ""
    return CheckedRule(rule=rule, state=state, differences=differences, error=error)


def _differences(
    rule: BundledRule, loaded: LoadedRule, same_expression: Callable[[str, str], bool]
) -> tuple[Difference, ...]:
    """What is other in the loaded rule; labels and annotations one by one."""
    found = []
    if not same_expression(rule.expression, loaded.expression):
        found.append(Difference("expr", rule.expression.strip(), loaded.expression))
    if rule.hold != loaded.hold:
        found.append(Difference("for", f"{rule.hold:g}s", f"{loaded.hold:g}s"))
    if rule.keep_firing != loaded.keep_firing:
        ours, theirs = f"{rule.keep_firing:g}s", f"{loaded.keep_firing:g}s"
        found.append(Difference("keep_firing_for", ours, theirs))
    found += _differing("label", rule.labels, loaded.labels)
    found += _differing("annotation", rule.annotations, loaded.annotations)
    return tuple(found)


def _differing(
    what: str, ours: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[Difference]:
    for name in sorted({*ours, *theirs} - {_RUNBOOK}):
        if ours.get(name, "") != theirs.get(name, ""):
            yield Difference(f"{what} {name}", ours.get(name, ""), theirs.get(name, ""))


def _target_state(target: Target, *, shows: bool) -> TargetState:
    if target.health == "up":
        return TargetState.UP if shows else TargetState.SILENT
    return TargetState.DOWN if target.health == "down" else TargetState.UNKNOWN


def _key(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("job", ""), labels.get("instance", "")
