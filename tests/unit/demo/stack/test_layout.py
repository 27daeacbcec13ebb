"""The copy that servers read is what is bundled, but for where it leads and how fast it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from otel_token_monitor.demo.stack.layout import Intervals, Layout, Target, _replace, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator

BUNDLED = Path(__file__).parents[4] / "deploy" / "prometheus"
TARGET = Target(address="127.0.0.1:1001")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return laid_out(tmp_path)


def laid_out(directory: Path, intervals: Intervals | None = None) -> Layout:
    return lay_out(
        directory / "files",
        targets=[TARGET],
        alertmanager="127.0.0.1:1002",
        receiver="http://127.0.0.1:1001/alerts",
        intervals=intervals,
    )


def lines(directory: Path) -> Iterator[tuple[str, str]]:
    """File and line of all that YAML does not skip."""
    for path in sorted(directory.rglob("*.yml")):
        name = path.relative_to(directory).as_posix()
        if not name.startswith("tests/"):
            for line in path.read_text().splitlines():
                if not line.lstrip().startswith("#"):
                    yield name, line


def changed(layout: Layout) -> list[tuple[str, str]]:
    """The lines of the copy that no bundled file has."""
    return sorted(set(lines(layout.directory)) - set(lines(BUNDLED)))


def test_only_what_leads_somewhere_differs_from_the_bundled_files(layout: Layout) -> None:
    assert changed(layout) == [
        ("alertmanager.yml", "      - url: http://127.0.0.1:1001/alerts"),
        ("targets/alertmanagers.yml", "- targets: ['127.0.0.1:1002']"),
        ("targets/token-monitors.yml", "- targets: ['127.0.0.1:1001']"),
    ]
    assert len(list(lines(layout.directory))) == len(list(lines(BUNDLED)))


def test_what_tests_the_rules_is_left_out(layout: Layout) -> None:
    assert sorted(path.name for path in layout.directory.iterdir()) == [
        "alertmanager.yml",
        "alerts-token",
        "prometheus.yml",
        "rules",
        "targets",
    ]


def test_the_token_is_a_new_one_that_only_its_owner_can_read(layout: Layout) -> None:
    other = laid_out(layout.directory.parent / "other")
    assert layout.token_file.stat().st_mode & 0o777 == 0o600
    assert len(layout.token_file.read_text().strip()) == 43
    assert layout.token_file.read_text() != other.token_file.read_text()


def test_the_pace_can_be_another(tmp_path: Path) -> None:
    pace = Intervals(scrape=1, evaluation=2, group_wait=3, group_interval=4)
    assert [line for line in changed(laid_out(tmp_path, pace)) if "target" not in line[0]] == [
        ("alertmanager.yml", "      - url: http://127.0.0.1:1001/alerts"),
        ("alertmanager.yml", "  group_interval: 4s"),
        ("alertmanager.yml", "  group_wait: 3s"),
        ("prometheus.yml", "  evaluation_interval: 2s"),
        ("prometheus.yml", "  scrape_interval: 1s"),
    ]


@pytest.mark.parametrize(
    ("targets", "read"),
    [
        ([], []),
        ([TARGET], [{"targets": ["127.0.0.1:1001"]}]),
        (
            [TARGET, Target(address="[::1]:9464", fleet="shop")],
            [
                {"targets": ["127.0.0.1:1001"]},
                {"targets": ["[::1]:9464"], "labels": {"fleet": "shop"}},
            ],
        ),
    ],
)
def test_targets_can_be_replaced(targets: list[Target], read: Any, layout: Layout) -> None:
    layout.scrape(targets)
    file = layout.directory / "targets" / "token-monitors.yml"
    assert yaml.safe_load(file.read_text()) == read


def test_a_bundled_file_without_what_is_to_be_replaced_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text("global: {}\n")
    with pytest.raises(ValueError, match=r"^the bundled prometheus.yml does not have 'x: 15s'$"):
        _replace(path, {"x: 15s": "x: 1s"})
