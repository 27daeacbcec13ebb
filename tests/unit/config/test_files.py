"""Reading and writing configuration files."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_token_monitor.config import CONFIG_VARIABLE, LIMITS, ConfigError, TokenMonitorConfig
from tests.unit.config.loading import KNOWN, faults, load

if TYPE_CHECKING:
    from tests.unit.config.loading import Write


@pytest.mark.parametrize("name", ["c.yaml", "c.yml", "c.YAML"])
def test_a_yaml_file(write: Write, name: str) -> None:
    file = write(name, "project: checkout\nserve: no\ndrain_interval: 1\n")
    assert load(file=file) == TokenMonitorConfig(project="checkout", serve=False, drain_interval=1)


def test_a_json_file(write: Write) -> None:
    file = write("c.json", '{"project": "checkout", "auto_monitor": true}')
    assert load(file=file) == TokenMonitorConfig(project="checkout", auto_monitor=True)


def test_a_file_may_begin_with_a_byte_order_mark(write: Write) -> None:
    assert load(file=write("c.json", '\ufeff{"project": "checkout"}')).project == "checkout"


@pytest.mark.parametrize(
    ("name", "text"), [("c.yaml", ""), ("c.yaml", "# nothing yet\n"), ("c.json", " \n")]
)
def test_an_empty_file_gives_nothing(write: Write, name: str, text: str) -> None:
    assert load(file=write(name, text)) == TokenMonitorConfig()


def test_the_environment_may_name_the_file(write: Write) -> None:
    write("c.yaml", "project: checkout")
    assert load({CONFIG_VARIABLE: "c.yaml"}).project == "checkout"


def test_an_argument_beats_the_file_of_the_environment(write: Write) -> None:
    write("environment.yaml", "port: 1")
    file = write("argument.yaml", "project: checkout")
    assert load({CONFIG_VARIABLE: "environment.yaml"}, file=file).port == 9464


def test_an_empty_variable_names_no_file() -> None:
    assert load({CONFIG_VARIABLE: ""}) == TokenMonitorConfig()


def test_load_from_file_leaves_the_environment_out(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_PROJECT", "environment")
    assert TokenMonitorConfig.load_from_file(write("c.yaml", "port: 1")).project == "default"


def test_a_wrong_value_in_a_file(write: Write) -> None:
    assert faults(file=write("c.yaml", "port: 70000")) == (
        "c.yaml: port: 70000 is not a whole number from 0 to 65535",
    )


def test_a_wrong_value_that_does_not_come_into_effect(write: Write) -> None:
    assert load(file=write("c.yaml", "port: 70000"), port=1).port == 1


def test_an_unknown_key_is_told_what_is_close(write: Write) -> None:
    assert faults(file=write("c.yaml", "data_dri: x")) == (
        "c.yaml: data_dri is unknown; did you mean data_dir or global_data_dir?",
    )


def test_a_variable_as_a_key_is_told_what_is_close(write: Write) -> None:
    assert faults(file=write("c.yaml", "TOKEN_HISTOGRAMS: no")) == (
        "c.yaml: TOKEN_HISTOGRAMS is unknown; did you mean histograms?",
    )


def test_an_unknown_key_like_no_other_is_told_all(write: Write) -> None:
    assert faults(file=write("c.yaml", "2: x")) == (f"c.yaml: 2 is unknown; known are {KNOWN}",)


def test_a_key_too_long_to_write(write: Write) -> None:
    assert faults(file=write("c.yaml", f"? 0x{'f' * 5000}\n: x")) == (
        f"c.yaml: <a number of 20000 bits> is unknown; known are {KNOWN}",
    )


def test_a_long_key_is_shortened(write: Write) -> None:
    assert faults(file=write("c.yaml", f"{'k' * 90}: x")) == (
        f"c.yaml: '{'k' * 37}...{'k' * 38}' is unknown; known are {KNOWN}",
    )


def test_a_file_of_this_release_has_no_warning(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    load(file=write("c.yaml", "project: a"))
    assert caplog.messages == []


def test_a_missing_file(write: Write) -> None:
    write("other.yaml", "")
    assert faults(file="c.yaml") == (
        "argument file: 'c.yaml' cannot be read: No such file or directory",
    )


def test_a_missing_file_of_the_environment(write: Write) -> None:
    write("other.yaml", "")
    assert faults({CONFIG_VARIABLE: "c.yaml"}) == (
        "TOKEN_MONITOR_CONFIG: 'c.yaml' cannot be read: No such file or directory",
    )


def test_a_directory_is_no_file(write: Write) -> None:
    write("other.yaml", "")
    Path("c.yaml").mkdir()
    assert faults(file="c.yaml") == ("argument file: 'c.yaml' cannot be read: Is a directory",)


def test_a_path_that_no_file_can_have() -> None:
    assert faults(file="\0.yaml") == (
        r"argument file: '\x00.yaml' cannot be read: embedded null byte",
    )


@pytest.mark.parametrize("name", ["c.toml", "yaml", ""])
def test_a_file_of_another_kind(name: str) -> None:
    assert faults(file=name) == (
        f"argument file: {name!r} is not a file that ends in .yaml, .yml or .json",
    )


def test_a_file_that_is_not_utf_8(write: Write) -> None:
    write("c.yaml", "").write_bytes(b"host: \xff")
    assert faults(file="c.yaml") == ("c.yaml: byte 6 is not UTF-8 text",)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [("c.yaml", "- a\n- b\n", "['a', 'b']"), ("c.json", '"port"', "'port'")],
)
def test_a_file_that_is_no_mapping(write: Write, name: str, text: str, shown: str) -> None:
    assert faults(file=write(name, text)) == (
        f"{name}: {shown} is not a mapping of keys to values",
    )


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("c.json", '{"port": 1,\n"host"}', "line 2: Expecting ':' delimiter"),
        ("c.yaml", "port: 1\nhost: a: b\n", "line 2: mapping values are not allowed here"),
        (
            "c.yaml",
            "port: 1\n\thost: a\n",
            "line 2: found character '\\t' that cannot start any token",
        ),
        ("c.yaml", "port: 1\nhost: \0", "line 2: special characters are not allowed"),
        ("c.yaml", "port: [1\n", "line 2: expected ',' or ']', but got '<stream end>'"),
        ("c.yaml", "a: 1\n--- \nb: 2\n", "line 2: but found another document"),
        (
            "c.yaml",
            "port: !unsafe x",
            "line 1: could not determine a constructor for the tag '!unsafe'",
        ),
        ("c.yaml", "port: 2026-02-31", "not usable YAML: day is out of range for month"),
        ("c.yaml", "port: !!bool maybe", "not usable YAML: 'maybe'"),
    ],
)
def test_a_broken_file(write: Write, name: str, text: str, problem: str) -> None:
    assert faults(file=write(name, text)) == (f"{name}: {problem}",)


@pytest.mark.parametrize("name", ["c.json", "c.yaml"])
def test_a_file_nested_too_deeply(write: Write, name: str) -> None:
    (fault,) = faults(file=write(name, "[" * 100_000))
    assert fault.startswith(f"{name}: not usable ")


def test_a_number_of_too_many_digits_in_a_file(write: Write) -> None:
    (fault,) = faults(file=write("c.json", '{"port": %s}' % ("9" * 5000)))
    assert fault.startswith("c.json: not usable JSON: Exceeds the limit (4300 digits)")


def test_a_value_that_would_not_fit_into_memory_is_shortened(write: Write) -> None:
    lines = ["x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 30)]
    (*_, fault) = faults(file=write("c.yaml", "\n".join([*lines, "port: *x29"])))
    assert len(fault) == len("c.yaml: port:  is not a whole number from 0 to 65535") + 80


# Saving


@pytest.mark.parametrize("name", ["c.json", "c.yaml", "c.yml"])
def test_what_is_saved_is_loaded(write: Write, name: str) -> None:
    config = load(
        project="checkout",
        daily_cost_limit="999999999.123456789",
        projects={"my team": {"daily_limit": {"limit": 5, "alert_threshold": 1}}},
        webhook_url="https://a.example/s3cret",
        inbound_projects="b,a",
    )
    write(name, "")
    config.save_to_file(name)
    assert TokenMonitorConfig.load_from_file(name) == config


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{\n  "port": 1,\n  "daily_limit": 5,\n  "alert_threshold": 0.95\n}\n'),
        ("c.yaml", "port: 1\ndaily_limit: 5\nalert_threshold: 0.95\n"),
    ],
)
def test_only_what_differs_is_saved(tmp_path: Path, name: str, text: str) -> None:
    config = load(alert_threshold=0.95, daily_limit=5, port=1, project="default")
    config.save_to_file(tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["c.json", "c.yaml"])
def test_defaults_are_saved_too(tmp_path: Path, name: str) -> None:
    load().save_to_file(tmp_path / name)
    assert TokenMonitorConfig.load_from_file(tmp_path / name) == load()


def test_directories_of_a_saved_file_are_made(tmp_path: Path) -> None:
    load(port=1).save_to_file(tmp_path / "a" / "b" / "c.json")
    assert TokenMonitorConfig.load_from_file(tmp_path / "a" / "b" / "c.json").port == 1


def test_only_its_owner_can_read_a_saved_file(write: Write) -> None:
    file = write("c.yaml", "port: 2")
    file.chmod(0o644)
    load(port=1).save_to_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_saved_file_leaves_nothing_beside_it(tmp_path: Path) -> None:
    load(port=1).save_to_file(tmp_path / "c.yaml")
    assert list(tmp_path.iterdir()) == [tmp_path / "c.yaml"]


def test_a_link_goes_on_pointing_to_what_is_saved(write: Write) -> None:
    file = write("c.yaml", "port: 2")
    Path("link.yaml").symlink_to(file)
    load(port=1).save_to_file("link.yaml")
    assert Path("link.yaml").is_symlink()
    assert file.read_text(encoding="utf-8") == "port: 1\n"


def unsaved(path: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(port=1).save_to_file(path)
    return caught.value.faults


@pytest.mark.parametrize("name", ["c.toml", "c", ""])
def test_a_file_of_another_kind_is_not_saved(name: str) -> None:
    assert unsaved(name) == (f"{name!r} is not a file that ends in .yaml, .yml or .json",)


def test_a_file_where_a_directory_should_be(write: Write) -> None:
    write("c", "")
    assert unsaved("c/c.yaml") == ("'c/c.yaml' cannot be written: File exists",)


def test_a_directory_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "c.yaml" / "d").mkdir(parents=True)
    (fault,) = unsaved(str(tmp_path / "c.yaml"))
    assert fault.endswith(" cannot be written: Is a directory")
    assert list(tmp_path.iterdir()) == [tmp_path / "c.yaml"]


def test_a_path_that_no_saved_file_can_have() -> None:
    assert unsaved("\0.yaml") == (r"'\x00.yaml' cannot be written: embedded null byte",)


# Any configuration

WORDS = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], exclude_characters=",="), min_size=1
)
PATHS = st.text(st.characters(exclude_characters="\0"), min_size=1).filter(str.strip)
SHARES = st.floats(0, 1, exclude_min=True)
COUNTS = st.integers(1, 10**15)
COSTS = st.integers(1, 10**18).map(lambda nano: Decimal(nano).scaleb(-9))


def limits(amounts: st.SearchStrategy[int] | st.SearchStrategy[Decimal]) -> st.SearchStrategy[Any]:
    thresholds = st.tuples(SHARES, SHARES).map(sorted).filter(lambda pair: pair[0] < pair[1])
    own = st.builds(
        lambda limit, pair: {
            "limit": limit,
            "warning_threshold": pair[0],
            "alert_threshold": pair[1],
        },
        amounts,
        thresholds,
    )
    return amounts | own


SCOPE: dict[str, st.SearchStrategy[Any]] = {
    name: limits(COSTS if "cost" in name else COUNTS) for name in LIMITS
}
SCOPES = st.fixed_dictionaries({}, optional=SCOPE)
PROJECT_NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9)
MODELS = st.dictionaries(PROJECT_NAMES, SCOPES, max_size=2)
PROJECTS = st.fixed_dictionaries({}, optional={**SCOPE, "models": MODELS})


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029"])
def test_marks_that_end_a_line_in_yaml_come_back(tmp_path: Path, mark: str) -> None:
    config = load({}, alerts_token_file=f"a{mark}ü")
    config.save_to_file(tmp_path / "c.yaml")
    assert TokenMonitorConfig.load_from_file(tmp_path / "c.yaml") == config


@given(
    name=st.sampled_from(["any.json", "any.yaml"]),
    arguments=st.fixed_dictionaries(
        {},
        optional={
            **SCOPE,
            "project": PROJECT_NAMES,
            "data_dir": PATHS,
            "alerts_token_file": PATHS,
            "port": st.integers(0, 65535),
            "serve": st.booleans(),
            "auto_monitor": st.booleans(),
            "drain_interval": st.floats(0.005, 5),
            "inbound_projects": st.frozensets(PROJECT_NAMES),
            "provider_hosts": st.dictionaries(st.just("a.example"), PROJECT_NAMES),
            "projects": st.dictionaries(PROJECT_NAMES, PROJECTS, max_size=2),
            "models": MODELS,
            "warning_threshold": st.floats(0.01, 0.8),
            "alert_threshold": st.floats(0.81, 1),
            "timezone": st.sampled_from(["UTC", "Asia/Seoul"]),
            "webhook_url": st.lists(WORDS.map("https://a.example/{}".format)),
            "log_level": st.sampled_from(["DEBUG", "ERROR"]),
        },
    ),
)
def test_any_configuration_is_loaded_as_it_was_saved(
    tmp_path_factory: pytest.TempPathFactory, name: str, arguments: dict[str, Any]
) -> None:
    config = load({}, **arguments)
    file = tmp_path_factory.getbasetemp() / name
    config.save_to_file(file)
    assert TokenMonitorConfig.load_from_file(file) == config
