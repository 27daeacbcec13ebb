"""Where each setting comes from, which values it takes, and what a wrong one is told."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from otel_token_monitor.config import CONFIG_VARIABLE, VARIABLES, ConfigError, TokenMonitorConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[str, str], Path]

NAME = "a name of 1 to 128 printable characters"
INSTRUMENTATION = "one of auto, traceloop, official, openinference, none"
FLAG = "one of true, false, yes, no, on, off, 1, 0"
PROJECTS = "project names, comma-separated or as a list, each of 1 to 128 printable characters"
HOSTS = (
    "a mapping of host[:port] patterns to providers, such as gateway.corp=openai,127.0.0.1:*=openai"
)
KNOWN = (
    "project, data_dir, host, port, serve, instrumentation, max_label_sets, histograms, "
    "drain_interval, auto_monitor, inbound_projects, provider_hosts"
)

LATER_KEYS = [
    "alert_threshold",
    "auto_report",
    "daily_limit",
    "enable_compression",
    "enable_file_logging",
    "global_daily_limit",
    "global_monthly_limit",
    "log_level",
    "monitor_interval",
    "monthly_limit",
    "per_minute_limit",
    "report_threshold",
    "requests_per_minute_limit",
    "retention_days",
    "warning_threshold",
    "webhook_url",
]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the working directory, so that messages show its bare name."""
    monkeypatch.chdir(tmp_path)

    def written(name: str, text: str) -> Path:
        path = Path(name)
        path.write_text(text, encoding="utf-8")
        return path

    return written


def load(environ: dict[str, str] | None = None, **arguments: Any) -> TokenMonitorConfig:
    return TokenMonitorConfig.load(environ=environ or {}, **arguments)


def faults(environ: dict[str, str] | None = None, **arguments: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(environ, **arguments)
    return caught.value.faults


# Sources


def test_nothing_given_means_defaults() -> None:
    assert load().model_dump() == {
        "project": "default",
        "data_dir": "data/token_usage",
        "host": "localhost",
        "port": 9464,
        "serve": True,
        "instrumentation": "auto",
        "max_label_sets": 1000,
        "histograms": True,
        "drain_interval": 0.1,
        "auto_monitor": None,
        "inbound_projects": frozenset(),
        "provider_hosts": {},
    }


def test_the_constructor_has_the_same_defaults() -> None:
    assert TokenMonitorConfig() == load()


def test_every_field_has_a_variable() -> None:
    assert list(VARIABLES) == list(TokenMonitorConfig.model_fields)


def test_every_field_says_what_it_takes() -> None:
    assert all(field.description for field in TokenMonitorConfig.model_fields.values())


def test_the_environment_gives_every_field() -> None:
    environ = {
        "TOKEN_PROJECT": "checkout",
        "TOKEN_MONITOR_DATA_DIR": ":memory:",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0",  # noqa: S104 - what containers set
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        "TOKEN_SERVE": "off",
        "TOKEN_INSTRUMENTATION": "traceloop",
        "TOKEN_MAX_LABEL_SETS": "5",
        "TOKEN_HISTOGRAMS": "no",
        "TOKEN_DRAIN_INTERVAL": "0.5",
        "TOKEN_AUTO_MONITOR": "true",
        "TOKEN_INBOUND_PROJECTS": "search, checkout,",
        "TOKEN_PROVIDER_HOSTS": "gateway.corp=openai, 127.0.0.1:*=azure",
    }
    assert load(environ) == TokenMonitorConfig(
        project="checkout",
        data_dir=":memory:",
        host="0.0.0.0",  # noqa: S104 - as above
        port=0,
        serve=False,
        instrumentation="traceloop",
        max_label_sets=5,
        histograms=False,
        drain_interval=0.5,
        auto_monitor=True,
        inbound_projects=frozenset({"search", "checkout"}),
        provider_hosts={"gateway.corp": "openai", "127.0.0.1:*": "azure"},
    )


def test_an_argument_beats_the_environment() -> None:
    assert load({"TOKEN_PROJECT": "environment"}, project="argument").project == "argument"


def test_an_argument_of_none_gives_nothing() -> None:
    assert load({"TOKEN_PROJECT": "environment"}, project=None).project == "environment"


def test_an_argument_of_false_is_given() -> None:
    assert load({"TOKEN_SERVE": "true"}, serve=False).serve is False


def test_the_environment_beats_the_file(write: Write) -> None:
    file = write("c.json", '{"project": "file"}')
    assert load({"TOKEN_PROJECT": "environment"}, file=file).project == "environment"


def test_an_empty_variable_gives_nothing(write: Write) -> None:
    file = write("c.json", '{"project": "file"}')
    assert load({"TOKEN_PROJECT": ""}, file=file).project == "file"


def test_a_null_in_the_file_gives_nothing(write: Write) -> None:
    assert load(file=write("c.json", '{"project": null}')).project == "default"


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_PROJECT", "checkout")
    assert TokenMonitorConfig.load().project == "checkout"


def test_the_service_is_the_project_where_nothing_names_one() -> None:
    assert load({"OTEL_SERVICE_NAME": "shop"}).project == "shop"


def test_the_file_beats_the_service_name(write: Write) -> None:
    file = write("c.json", '{"project": "file"}')
    assert load({"OTEL_SERVICE_NAME": "shop"}, file=file).project == "file"


def test_a_service_name_that_cannot_name_a_project_is_a_fault() -> None:
    assert faults({"OTEL_SERVICE_NAME": " "}) == (f"OTEL_SERVICE_NAME: ' ' is not {NAME}",)


def test_a_service_name_that_does_not_come_into_effect_may_be_anything() -> None:
    assert load({"OTEL_SERVICE_NAME": " ", "TOKEN_PROJECT": "shop"}).project == "shop"


def test_variables_of_the_original_module_are_no_faults() -> None:
    environ = {"TOKEN_DAILY_LIMIT": "2000000", "TOKEN_WEBHOOK_URL": "https://example.com"}
    assert load(environ) == TokenMonitorConfig()


# Values


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "On", " true\n"])
def test_what_means_true(text: str) -> None:
    assert load({"TOKEN_AUTO_MONITOR": text}).auto_monitor is True


@pytest.mark.parametrize("text", ["false", "False", "0", "NO", "off"])
def test_what_means_false(text: str) -> None:
    assert load({"TOKEN_AUTO_MONITOR": text}).auto_monitor is False


@pytest.mark.parametrize("text", ["t", "y", "2", "enabled", " "])
def test_what_is_no_boolean(text: str) -> None:
    assert faults({"TOKEN_SERVE": text}) == (f"TOKEN_SERVE: {text!r} is not {FLAG}",)


@pytest.mark.parametrize("port", [0, 65535])
def test_ports_at_the_bounds(port: int) -> None:
    assert load({"OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}).port == port


@pytest.mark.parametrize("port", [-1, 65536, True, 1.5, "http"])
def test_what_is_no_port(port: object) -> None:
    assert faults(port=port) == (f"argument port: {port!r} is not a whole number from 0 to 65535",)


@pytest.mark.parametrize("seconds", [0.005, 5])
def test_drain_intervals_at_the_bounds(seconds: float) -> None:
    assert load(drain_interval=seconds).drain_interval == seconds


@pytest.mark.parametrize("text", ["0.0049", "5.1", "nan", "inf", "fast"])
def test_what_is_no_drain_interval(text: str) -> None:
    assert faults({"TOKEN_DRAIN_INTERVAL": text}) == (
        f"TOKEN_DRAIN_INTERVAL: {text!r} is not a number of seconds from 0.005 to 5",
    )


def test_a_label_set_is_the_least() -> None:
    assert load(max_label_sets=1).max_label_sets == 1


def test_no_label_set_is_too_few() -> None:
    assert faults({"TOKEN_MAX_LABEL_SETS": "0"}) == (
        "TOKEN_MAX_LABEL_SETS: '0' is not a whole number from 1 up",
    )


def test_an_unknown_instrumentation() -> None:
    assert faults({"TOKEN_INSTRUMENTATION": "openai"}) == (
        f"TOKEN_INSTRUMENTATION: 'openai' is not {INSTRUMENTATION}",
    )


@pytest.mark.parametrize("name", ["x" * 128, "한국어 팀", "a b"])
def test_what_names_a_project(name: str) -> None:
    assert load({"TOKEN_PROJECT": name}).project == name


@pytest.mark.parametrize("name", [" ", "a\nb", 7])
def test_what_names_no_project(name: object) -> None:
    assert faults(project=name) == (f"argument project: {name!r} is not {NAME}",)


def test_a_long_value_is_shortened() -> None:
    start, end = "x" * 37, "x" * 38
    assert faults({"TOKEN_PROJECT": "x" * 129}) == (
        f"TOKEN_PROJECT: '{start}...{end}' is not {NAME}",
    )


def test_a_number_too_long_to_write_is_told_by_its_size() -> None:
    assert faults(port=1 << 20_000) == (
        "argument port: <a number of 20001 bits> is not a whole number from 0 to 65535",
    )


def test_a_data_directory_may_be_a_path() -> None:
    assert load(data_dir=Path("data") / "tokens").data_dir == "data/tokens"


@pytest.mark.parametrize("path", [" ", "a\0b"])
def test_what_is_no_data_directory(path: str) -> None:
    assert faults({"TOKEN_MONITOR_DATA_DIR": path}) == (
        f"TOKEN_MONITOR_DATA_DIR: {path!r} is not the path of a directory, or :memory:",
    )


@pytest.mark.parametrize("host", ["", "local host"])
def test_what_is_no_host(host: str) -> None:
    assert faults(host=host) == (f"argument host: {host!r} is not a host name or an address",)


def test_inbound_projects_as_a_list(write: Write) -> None:
    file = write("c.json", '{"inbound_projects": ["a,b", "c"]}')
    assert load(file=file).inbound_projects == {"a,b", "c"}


def test_one_wrong_inbound_project() -> None:
    assert faults({"TOKEN_INBOUND_PROJECTS": "a,b\tc"}) == (
        rf"TOKEN_INBOUND_PROJECTS: 'a,b\tc' is not {PROJECTS}",
    )


def test_provider_hosts_as_a_mapping(write: Write) -> None:
    file = write("c.yaml", "provider_hosts:\n  127.0.0.1:*: openai\n  '[::1]:80': azure\n")
    assert load(file=file).provider_hosts == {"127.0.0.1:*": "openai", "[::1]:80": "azure"}


def test_provider_hosts_keep_their_order() -> None:
    hosts = load({"TOKEN_PROVIDER_HOSTS": "b=x,a=y,*=z"}).provider_hosts
    assert list(hosts) == ["b", "a", "*"]


@pytest.mark.parametrize(
    "text", ["gateway", "gateway=", "=openai", "https://gateway/v1=openai", "a=b=c d", "a b=c"]
)
def test_what_names_no_provider_host(text: str) -> None:
    assert faults({"TOKEN_PROVIDER_HOSTS": text}) == (
        f"TOKEN_PROVIDER_HOSTS: {text!r} is not {HOSTS}",
    )


def test_two_configurations_share_no_hosts() -> None:
    TokenMonitorConfig().provider_hosts["gateway"] = "openai"
    assert TokenMonitorConfig().provider_hosts == {}


def test_an_assignment_takes_effect() -> None:
    config = TokenMonitorConfig()
    config.port = 9000
    assert config.port == 9000


def test_an_assignment_is_checked() -> None:
    config = TokenMonitorConfig()
    with pytest.raises(ValidationError):
        config.port = 65536


def test_the_constructor_takes_no_unknown_field() -> None:
    with pytest.raises(ValidationError):
        TokenMonitorConfig.model_validate({"prot": 1})


# Arguments


def test_an_unknown_argument_is_told_what_is_close() -> None:
    assert faults(histogram=False) == ("argument histogram is unknown; did you mean histograms?",)


def test_a_setting_of_a_later_release_is_no_argument() -> None:
    assert faults(webhook_url="https://example.com") == (
        f"argument webhook_url is unknown; known are {KNOWN}",
    )


# Files


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


@pytest.mark.parametrize("key", LATER_KEYS)
def test_a_key_of_a_later_release_is_ignored(write: Write, key: str) -> None:
    assert load(file=write("c.json", json.dumps({key: "x"}))) == TokenMonitorConfig()


def test_keys_of_a_later_release_are_warned_of_once(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    load(file=write("c.yaml", "daily_limit: 1\nproject: a\nwebhook_url: x\n"))
    assert caplog.messages == [
        "c.yaml: ignored until a later release brings them: daily_limit, webhook_url"
    ]


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


# Messages


def test_one_error_names_every_fault(write: Write) -> None:
    file = write("c.yaml", "hots: a\nport: 1.5\n")
    with pytest.raises(ConfigError) as caught:
        load({"TOKEN_SERVE": "maybe"}, file=file, max_label_sets=0)
    assert str(caught.value) == (
        "the configuration cannot be used:\n"
        "c.yaml: hots is unknown; did you mean host?\n"
        "c.yaml: port: 1.5 is not a whole number from 0 to 65535\n"
        f"TOKEN_SERVE: 'maybe' is not {FLAG}\n"
        "argument max_label_sets: 0 is not a whole number from 1 up"
    )


def test_faults_beside_a_file_that_cannot_be_read(write: Write) -> None:
    assert faults({"TOKEN_SERVE": "maybe"}, file=write("c.json", "{")) == (
        "c.json: line 1: Expecting property name enclosed in double quotes",
        f"TOKEN_SERVE: 'maybe' is not {FLAG}",
    )


def test_a_config_error_is_a_value_error() -> None:
    assert issubclass(ConfigError, ValueError)


def test_a_config_error_survives_pickling() -> None:
    error = ConfigError(["a", "b"])
    assert pickle.loads(pickle.dumps(error)).faults == ("a", "b")  # noqa: S301 - our own


# Whatever comes


def works_or_says_why(environ: dict[str, str], **arguments: Any) -> None:
    try:
        config = load(environ, **arguments)
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - both outcomes are fine, a third is not
    else:
        assert isinstance(config, TokenMonitorConfig)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


TEXT = st.text(st.characters())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)
KEYS = st.sampled_from([*VARIABLES, *LATER_KEYS]) | TEXT


@given(
    st.dictionaries(
        st.sampled_from([*VARIABLES.values(), CONFIG_VARIABLE, "OTEL_SERVICE_NAME"]), TEXT
    )
)
def test_any_environment_works_or_says_why(environ: dict[str, str]) -> None:
    works_or_says_why(environ)


@given(document=JSON | st.dictionaries(KEYS, JSON))
def test_any_json_document_works_or_says_why(directory: Path, document: object) -> None:
    file = directory / "any.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    works_or_says_why({}, file=file)


@given(
    name=st.sampled_from(["any.json", "any.yaml"]),
    content=st.binary()
    | st.text().map(str.encode)
    | st.text("!&*:-?[]{}#'|<>=,.0 1abe\n~").map(str.encode),
)
def test_any_file_works_or_says_why(directory: Path, name: str, content: bytes) -> None:
    file = directory / name
    file.write_bytes(content)
    works_or_says_why({}, file=file)


@given(
    tag=st.sampled_from(["int", "float", "bool", "timestamp", "null", "binary", "set", "omap"]),
    text=st.text("0123456789abcdefnox:.-+_ TZ"),
)
def test_any_tagged_yaml_value_works_or_says_why(directory: Path, tag: str, text: str) -> None:
    file = directory / "tagged.yaml"
    file.write_text(f"port: !!{tag} '{text}'\n", encoding="utf-8")
    works_or_says_why({}, file=file)


def test_importing_it_does_not_import_yaml() -> None:
    check = "import sys, otel_token_monitor.config; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
