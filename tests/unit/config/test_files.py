"""Reading and writing configuration files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.config import CONFIG_VARIABLE, TokenMonitorConfig
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
        "c.yaml: data_dri is unknown; did you mean data_dir?",
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
