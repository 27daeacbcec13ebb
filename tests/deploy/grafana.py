"""The dashboard as Grafana asks it: its panels, their queries, and what stands for variables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.deploy.rules import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ALL",
    "DASHBOARD",
    "Asked",
    "annotation_queries",
    "dashboard",
    "panel_queries",
    "panels",
    "variable_queries",
]

DASHBOARD: Final = ROOT / "deploy/grafana/dashboards/llm-usage.json"

ALL: Final = {"fleet": ".*", "project": ".+", "model": ".+", "endpoint": ".+"}
"""What Grafana puts for each variable when all is chosen."""
_SCRAPES: Final = 1
"""Minutes from one scrape to the next."""


@dataclass(frozen=True)
class Asked:
    """A query: of which panel, variable or annotation, as it stands in the file."""

    by: str
    expr: str
    is_range: bool = False
    minutes: int = 1

    def sent(self, chosen: Mapping[str, str] = ALL) -> str:
        """The query as Grafana sends it. Raises KeyError for a variable that there is not.

        What label_replace() inserts ($1) is none.
        """
        values = {
            **ALL,
            **chosen,
            "__range": "24h",
            "__interval": f"{self.minutes}m",
            "__rate_interval": f"{max(self.minutes + _SCRAPES, 4 * _SCRAPES)}m",
        }
        return re.sub(r"\$([a-z_]\w*)", lambda found: values[found[1]], self.expr)


def dashboard() -> dict[str, Any]:
    """The committed file."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """All panels but the rows' titles."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def panel_queries() -> list[Asked]:
    """All queries of all panels."""
    return [
        Asked(
            f"{panel['title']} {target['refId']}",
            target["expr"],
            is_range=target["range"],
            minutes=int(panel.get("interval", "1m").removesuffix("m")),
        )
        for panel in panels()
        for target in panel["targets"]
    ]


def variable_queries() -> list[Asked]:
    """The series that each variable's values are looked up in; it is called as the label."""
    return [
        Asked(one["name"], _series_in(one["query"]["query"], one["name"]))
        for one in dashboard()["templating"]["list"]
        if one["type"] == "query"
    ]


def _series_in(text: str, label: str) -> str:
    found = re.fullmatch(rf"label_values\((.+), {label}\)", text)
    assert found is not None, text
    return found[1]


def annotation_queries() -> list[Asked]:
    """All queries of annotations."""
    return [
        Asked(one["name"], one["expr"], is_range=True) for one in dashboard()["annotations"]["list"]
    ]
