"""What must hold between fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_token_monitor.config.faults import key_text
from otel_token_monitor.config.limits import LIMITS, LimitSetting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

__all__ = ["combination_faults"]

_THRESHOLDS: Final = frozenset({"warning_threshold", "alert_threshold"})
_REMEDY: Final = "lower the one or raise the other"


def combination_faults(
    fields: Mapping[str, Any], origins: Mapping[str, str], wrong: AbstractSet[str]
) -> Iterator[str]:
    """A line for each combination of values that cannot be.

    `fields` has the values of all fields, `origins` the keys of those that were given. Fields
    that are `wrong` by themselves are not judged again.
    """
    if not wrong & _THRESHOLDS:
        yield from _thresholds(fields, origins)
    if fields["alerts_token"] is not None and fields["alerts_token_file"] is not None:
        both = " and ".join(origins[name] for name in ("alerts_token", "alerts_token_file"))
        yield f"{both} are both given; leave one of them out"


def _thresholds(fields: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    warning, alert = fields["warning_threshold"], fields["alert_threshold"]
    if warning >= alert:
        yield (
            f"warning_threshold {warning} ({origins.get('warning_threshold', 'default')}) is not "
            f"below alert_threshold {alert} ({origins.get('alert_threshold', 'default')}); "
            f"{_REMEDY}"
        )
    for field, path, setting in _settings(fields):
        own = (setting.warning_threshold, setting.alert_threshold)
        if own == (None, None):
            continue
        least, most = warning if own[0] is None else own[0], alert if own[1] is None else own[1]
        if least >= most:
            yield (
                f"{origins[field]}{path}: warning_threshold {least} is not below "
                f"alert_threshold {most}; {_REMEDY}"
            )


def _settings(fields: Mapping[str, Any]) -> Iterator[tuple[str, str, LimitSetting]]:
    """Each limit that is set: its field, its path within that, and itself."""
    for field in (*LIMITS, "global_daily_limit", "global_monthly_limit"):
        if (setting := fields[field]) is not None:
            yield field, "", setting
    scopes = [("models", f".{key_text(glob)}", scope) for glob, scope in fields["models"].items()]
    for project, limits in fields["projects"].items():
        path = f".{key_text(project)}"
        scopes.append(("projects", path, limits))
        scopes += [
            ("projects", f"{path}.models.{key_text(glob)}", scope)
            for glob, scope in limits.models.items()
        ]
    for field, path, scope in scopes:
        for name, setting in scope.settings():
            yield field, f"{path}.{name}", setting
