"""The bundled files, written to a directory: ours are replaced if wanted, theirs never."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from otel_token_monitor.deployment.exporting import (
    BundledFile,
    DifferingFilesError,
    Exported,
    export,
    files_to_export,
)
from otel_token_monitor.deployment.runbooks import RUNBOOKS

RULES = BundledFile(path="prometheus/rules/a.yml", content=b"groups: []\n")
BOARD = BundledFile(path="grafana/dashboards/a.json", content=b"{}\n")
SETTINGS = BundledFile(path="prometheus/prometheus.yml", content=b"global: {}\n", theirs=True)
FILES = (RULES, BOARD, SETTINGS)
PATHS = tuple(file.path for file in FILES)


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_all_is_written_to_a_new_directory(tmp_path: Path) -> None:
    exported = export(FILES, tmp_path / "new" / "one")
    assert exported == Exported(written=PATHS, same=(), kept=())
    assert files_in(tmp_path / "new" / "one") == {file.path: file.content for file in FILES}


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    export(FILES, tmp_path)
    before = {path: (tmp_path / path).stat().st_ino for path in PATHS}
    assert export(FILES, tmp_path, force=True) == Exported(written=(), same=PATHS, kept=())
    assert {path: (tmp_path / path).stat().st_ino for path in PATHS} == before


def test_what_is_missing_is_written(tmp_path: Path) -> None:
    export(FILES, tmp_path)
    (tmp_path / BOARD.path).unlink()
    assert export(FILES, tmp_path) == Exported(
        written=(BOARD.path,), same=(RULES.path, SETTINGS.path), kept=()
    )


def test_where_files_of_ours_differ_nothing_is_written(tmp_path: Path) -> None:
    export((RULES, BOARD), tmp_path)
    (tmp_path / RULES.path).write_bytes(b"groups: [mine]\n")
    (tmp_path / BOARD.path).write_bytes(b"[]\n")
    before = files_in(tmp_path)
    with pytest.raises(DifferingFilesError) as refused:
        export(FILES, tmp_path)
    assert refused.value.paths == (RULES.path, BOARD.path)
    assert files_in(tmp_path) == before


def test_force_replaces_what_is_ours_and_differs(tmp_path: Path) -> None:
    export(FILES, tmp_path)
    (tmp_path / RULES.path).write_bytes(b"groups: [mine]\n")
    assert export(FILES, tmp_path, force=True) == Exported(
        written=(RULES.path,), same=(BOARD.path, SETTINGS.path), kept=()
    )
    assert (tmp_path / RULES.path).read_bytes() == RULES.content


@pytest.mark.parametrize("force", [False, True])
def test_what_configures_is_never_replaced(tmp_path: Path, force: bool) -> None:
    export(FILES, tmp_path)
    (tmp_path / SETTINGS.path).write_bytes(b"mine\n")
    assert export(FILES, tmp_path, force=force) == Exported(
        written=(), same=(RULES.path, BOARD.path), kept=(SETTINGS.path,)
    )
    assert (tmp_path / SETTINGS.path).read_bytes() == b"mine\n"


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "prometheus" / "rules").mkdir(parents=True)
    (tmp_path / "prometheus" / "rules" / "own.yml").write_bytes(b"own")
    export(FILES, tmp_path, force=True)
    assert (tmp_path / "prometheus" / "rules" / "own.yml").read_bytes() == b"own"


def test_others_can_read_what_is_written(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        export(FILES, tmp_path)
    finally:
        os.umask(umask)
    assert {stat.S_IMODE((tmp_path / path).stat().st_mode) for path in PATHS} == {0o644}


def test_a_file_where_a_directory_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "grafana").write_bytes(b"")
    with pytest.raises(NotADirectoryError) as failed:
        export(FILES, tmp_path)
    assert failed.value.filename == str(tmp_path / BOARD.path)
    assert files_in(tmp_path) == {"grafana": b""}


def test_a_directory_where_a_file_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / RULES.path).mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as failed:
        export(FILES, tmp_path, force=True)
    assert failed.value.filename == str(tmp_path / RULES.path)


def test_a_place_where_nothing_can_be_written_is_named() -> None:
    directory = Path("/proc/nowhere")
    with pytest.raises(OSError, match="No such file or directory") as failed:
        export(FILES, directory)
    assert failed.value.filename == str(directory / RULES.path)


def test_rules_and_dashboards_are_ours_and_the_rest_is_theirs() -> None:
    ours = ("prometheus/rules/", "grafana/dashboards/")
    files = files_to_export()
    assert {file.path for file in files if not file.theirs} == {
        file.path for file in files if file.path.startswith(ours)
    }
    assert {"prometheus/prometheus.yml", "prometheus/alertmanager.yml"} < {
        file.path for file in files if file.theirs
    }


def test_neither_tests_nor_compose_files_are_exported() -> None:
    assert {Path(file.path).parts[:2] for file in files_to_export()} <= {
        ("prometheus", "alertmanager.yml"),
        ("prometheus", "prometheus.yml"),
        ("prometheus", "rules"),
        ("prometheus", "targets"),
        ("grafana", "dashboards"),
        ("grafana", "provisioning"),
    }


def test_rules_and_dashboards_lead_to_other_runbooks_if_wanted() -> None:
    ours, elsewhere = files_to_export(), files_to_export("https://wiki/")
    for one, other in zip(ours, elsewhere, strict=True):
        if "/rules/" in one.path or one.path.endswith(".json"):
            assert other.content == one.content.replace(RUNBOOKS.encode(), b"https://wiki/")
            assert other.content != one.content
        else:
            assert other == one
