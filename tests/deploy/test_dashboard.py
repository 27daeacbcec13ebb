"""The dashboard's file: as the generator writes it, as Grafana takes it, as people see it."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tests.deploy.grafana import (
    DASHBOARD,
    dashboard,
    panels,
)
from tests.deploy.rules import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TITLED = [pytest.param(panel, id=panel["title"]) for panel in panels()]


def generate(root: Path, *arguments: str) -> tuple[int, str]:
    """Run the generator of a tree."""
    done = subprocess.run(
        [sys.executable, root / "scripts/generate_dashboard.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the generator is, with the committed file."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    copied = tmp_path / DASHBOARD.relative_to(ROOT)
    copied.parent.mkdir(parents=True)
    shutil.copyfile(DASHBOARD, copied)
    return tmp_path


def test_what_is_committed_is_what_the_generator_writes(tree: Path) -> None:
    copied = tree / DASHBOARD.relative_to(ROOT)
    copied.unlink()
    assert generate(tree) == (0, "")
    assert copied.read_bytes() == DASHBOARD.read_bytes()
    assert generate(tree, "--check") == (0, "")


def test_check_names_a_file_that_was_edited_by_hand_and_leaves_it(tree: Path) -> None:
    copied = tree / DASHBOARD.relative_to(ROOT)
    edited = DASHBOARD.read_text().replace('"now-24h"', '"now-6h"')
    copied.write_text(edited)
    assert generate(tree, "--check") == (
        1,
        "out of date: deploy/grafana/dashboards/llm-usage.json. Run `make docs`.\n",
    )
    assert copied.read_text() == edited


def lost(given: Any, kept: Any, where: str = "") -> Iterator[str]:
    """Where something that was given was not kept."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from (
                lost(value, kept[key], f"{where}.{key}") if key in kept else (f"{where}.{key}",)
            )
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for place, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(one, other, f"{where}[{place}]")
    elif given != kept:
        yield where


def round_trip(given: dict[str, Any]) -> Any:
    """What Grafana's model of a dashboard makes of one."""
    with warnings.catch_warnings():
        # The SDK would have us write in the schema of Grafana 12, which older ones don't take.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = importlib.import_module("grafana_foundation_sdk.models.dashboard")
        plugins.register_default_plugins()
    return json.loads(json.dumps(model.Dashboard.from_json(given), cls=JSONEncoder))


def test_grafanas_own_model_knows_every_key() -> None:
    given = dashboard()
    assert list(lost(given, round_trip(given))) == []


def test_a_misspelt_key_would_be_found() -> None:
    given = dashboard()
    given["panels"][0]["fieldConfig"]["defaults"]["noValues"] = "No limit set"
    given["panels"][0]["options"]["colourMode"] = "value"
    assert list(lost(given, round_trip(given))) == [
        ".panels[0].options.colourMode",
        ".panels[0].fieldConfig.defaults.noValues",
    ]


def test_it_is_one_fixed_uneditable_dashboard_of_the_last_day() -> None:
    found = dashboard()
    shown = {key: found[key] for key in ("uid", "editable", "time", "refresh")}
    assert shown == {
        "uid": "llm-usage",
        "editable": False,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
    }
    assert "id" not in found  # of one Grafana's database


def test_panels_fill_the_grid_and_have_ids_of_their_own() -> None:
    cells: dict[tuple[int, int], str] = {}
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert cells.setdefault((x, y), panel["title"]) == panel["title"]
    assert len(cells) == 24 * (1 + max(y for _, y in cells))
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert ids == list(range(1, len(ids) + 1))


def test_the_first_row_says_whether_we_are_fine() -> None:
    assert [panel["title"] for panel in panels() if panel["gridPos"]["y"] == 0] == [
        "Status",
        "Budget used",
        "Projected at reset",
        "Runs out in",
        "Cost in this range",
        "Tokens in this range",
    ]


@pytest.mark.parametrize("panel", TITLED)
def test_nothing_is_shown_in_words(panel: dict[str, Any]) -> None:
    words = panel["fieldConfig"]["defaults"]["noValue"]
    assert words[0].isupper()
    assert words != "No data"


@pytest.mark.parametrize("panel", TITLED)
def test_series_of_a_chart_have_names_of_their_own(panel: dict[str, Any]) -> None:
    named = [
        bool(target["legendFormat"])
        for target in panel["targets"]
        if target["format"] == "time_series"
    ]
    assert all(named)


# Provisioning


def provisioned(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy/grafana/provisioning" / name).read_text())


def test_the_datasource_has_a_fixed_id_and_the_interval_of_the_scrapes() -> None:
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    scrapes = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["global"]
    assert (source["uid"], source["type"], source["editable"], source["url"]) == (
        "prometheus",
        "prometheus",
        False,
        "http://prometheus:9090",
    )
    assert source["jsonData"]["timeInterval"] == scrapes["scrape_interval"]


def test_dashboards_are_read_from_where_the_directory_is_mounted() -> None:
    (provider,) = provisioned("dashboards/llm-usage.yml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    assert provider["allowUiUpdates"] is False
