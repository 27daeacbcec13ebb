"""Limits: how much may be spent, and from which share of it on a budget warns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal  # noqa: TC003 - pydantic looks up the types of dataclasses
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_token_monitor.config.amounts import COUNT, DOLLARS, SHARE, Amount, plain_number
from otel_token_monitor.config.faults import PartsError, key_text, shown, unknown
from otel_token_monitor.usage import MAX_PROJECT_LENGTH, check_project

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = [
    "LIMITS",
    "LimitSetting",
    "ProjectLimits",
    "ScopeLimits",
    "model_limits",
    "project_limits",
    "read_limit",
]

_T = TypeVar("_T")

LIMITS: Final[Mapping[str, Amount]] = {
    "daily_limit": COUNT,
    "monthly_limit": COUNT,
    "per_minute_limit": COUNT,
    "requests_per_minute_limit": COUNT,
    "requests_per_day_limit": COUNT,
    "requests_per_month_limit": COUNT,
    "daily_cost_limit": DOLLARS,
    "monthly_cost_limit": DOLLARS,
}
"""The limits that the whole ledger, a project, a model, and a model of a project may have."""

_MAX_GLOB_LENGTH: Final = 256
_GLOB: Final = f"a model or a pattern such as gpt-5*, of 1 to {_MAX_GLOB_LENGTH} characters"
_PROJECT: Final = f"a project, a name of 1 to {MAX_PROJECT_LENGTH} printable characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSetting:
    """One limit: whole tokens or requests (int), or US dollars (Decimal); always over 0.

    Thresholds are shares of the limit, over 0 and up to 1; None means those of the configuration.
    """

    limit: int | Decimal
    warning_threshold: float | None = None
    alert_threshold: float | None = None

    def document(self) -> object:
        """As a file has it: the number alone, or a mapping if it has thresholds of its own."""
        thresholds = {
            name: value
            for name in ("warning_threshold", "alert_threshold")
            if (value := getattr(self, name)) is not None
        }
        number = plain_number(self.limit)
        return {"limit": number, **thresholds} if thresholds else number


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """The limits of a model, or of a project; None means no limit."""

    daily_limit: LimitSetting | None = None
    monthly_limit: LimitSetting | None = None
    per_minute_limit: LimitSetting | None = None
    requests_per_minute_limit: LimitSetting | None = None
    requests_per_day_limit: LimitSetting | None = None
    requests_per_month_limit: LimitSetting | None = None
    daily_cost_limit: LimitSetting | None = None
    monthly_cost_limit: LimitSetting | None = None

    def settings(self) -> Iterator[tuple[str, LimitSetting]]:
        """Each limit of this very scope that is set, by its name."""
        for name in LIMITS:
            if (setting := getattr(self, name)) is not None:
                yield name, setting

    def document(self) -> dict[str, object]:
        """As a file has it: only what is set."""
        return {name: setting.document() for name, setting in self.settings()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLimits(ScopeLimits):
    """The limits of a project and, by model glob, of models within it."""

    models: Mapping[str, ScopeLimits] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """As a file has it: only what is set."""
        own = ScopeLimits.document(self)
        models = {glob: limits.document() for glob, limits in self.models.items()}
        return {**own, "models": models} if models else own


def read_limit(value: object, amount: Amount) -> LimitSetting:
    """The limit that a number means, or a mapping of `limit` and thresholds.

    Raises PartsError.
    """
    if not isinstance(value, Mapping | LimitSetting):
        return LimitSetting(limit=_number(value, amount))
    amounts = {"limit": amount, "warning_threshold": SHARE, "alert_threshold": SHARE}
    document = _mapping(value, amounts)
    if document.get("limit") is None:
        raise PartsError([f": {shown(document)} has no limit; add limit: and a number"])
    return LimitSetting(
        **_settings(document, amounts, lambda name, part: _number(part, amounts[name]))
    )


def model_limits(value: object) -> dict[str, ScopeLimits]:
    """The limits by model glob that a mapping holds.

    Raises PartsError.
    """
    return _named(value, _is_glob, _GLOB, _scope)


def project_limits(value: object) -> dict[str, ProjectLimits]:
    """The limits by project that a mapping holds.

    Raises PartsError.
    """
    return _named(value, _is_project, _PROJECT, _project)


def _number(value: object, amount: Amount) -> Any:
    try:
        return amount.read(value)
    except ValueError:
        raise PartsError([f": {shown(value)} is not {amount.takes}"]) from None


def _scope(value: object) -> ScopeLimits:
    document = _mapping(value, LIMITS)
    return ScopeLimits(
        **_settings(document, LIMITS, lambda name, part: read_limit(part, LIMITS[name]))
    )


def _project(value: object) -> ProjectLimits:
    def read(name: str, part: object) -> Any:
        return model_limits(part) if name == "models" else read_limit(part, LIMITS[name])

    keys = [*LIMITS, "models"]
    return ProjectLimits(**_settings(_mapping(value, keys), keys, read))


def _is_glob(name: object) -> bool:
    return (
        isinstance(name, str)
        and bool(name.strip())
        and name.isprintable()
        and len(name) <= _MAX_GLOB_LENGTH
    )


def _is_project(name: object) -> bool:
    try:
        check_project(name)
    except (TypeError, ValueError):
        return False
    return True


def _mapping(value: object, keys: Collection[str]) -> Mapping[object, object]:
    """What a scope or a limit holds, also if it is made already; None holds nothing."""
    if value is None:
        return {}
    if isinstance(value, LimitSetting | ScopeLimits):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    if not isinstance(value, Mapping):
        raise PartsError([f": {shown(value)} is not a mapping with keys of {', '.join(keys)}"])
    return value


def _settings(
    document: Mapping[object, object],
    keys: Collection[str],
    read: Callable[[str, object], Any],
) -> dict[str, Any]:
    """Each part whose key is one of `keys`, read; a part of None is left out."""
    given = {key: part for key, part in document.items() if part is not None or key not in keys}
    return _each(given, lambda key: None if key in keys else f".{unknown(key, keys)}", read)


def _named(
    value: object, may: Callable[[object], bool], takes: str, read: Callable[[object], _T]
) -> dict[str, _T]:
    """Each part, read, by a name that it may have."""
    if not isinstance(value, Mapping):
        raise PartsError([f": {shown(value)} is not a mapping whose keys are {takes}"])
    return _each(
        value,
        lambda key: None if may(key) else f": {shown(key)} is not {takes}",
        lambda _, part: read(part),
    )


def _each(
    document: Mapping[Any, object],
    fault_of: Callable[[object], str | None],
    read: Callable[[str, object], _T],
) -> dict[str, _T]:
    """Each part, read; raises PartsError with what is wrong with any key or part."""
    parts: dict[str, _T] = {}
    faults: list[str] = []
    for key, part in document.items():
        if fault := fault_of(key):
            faults.append(fault)
            continue
        try:
            parts[key] = read(key, part)
        except PartsError as error:
            faults += [f".{key_text(key)}{line}" for line in error.lines]
    if faults:
        raise PartsError(faults)
    return parts
