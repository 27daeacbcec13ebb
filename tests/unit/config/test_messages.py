"""What a wrong configuration is told, and that any says something."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from contextlib import chdir
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from otel_token_monitor.config import (
    CONFIG_VARIABLE,
    LIMITS,
    VARIABLES,
    ConfigError,
    TokenMonitorConfig,
)
from tests.unit.config.loading import FLAG, faults, load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.loading import Write


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


def works_or_says_why(environ: dict[str, str] | None, **arguments: Any) -> None:
    try:
        config = TokenMonitorConfig(environ=environ, **arguments)
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
LIMIT_KEYS = st.sampled_from([*LIMITS, "models", "limit", "warning_threshold", "alert_threshold"])
LIMIT_TREES = st.recursive(
    st.integers() | st.floats() | JSON,
    lambda inner: st.dictionaries(LIMIT_KEYS | TEXT, inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from([*TokenMonitorConfig.model_fields]) | TEXT


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
    projects=LIMIT_TREES,
    models=LIMIT_TREES,
    daily_limit=LIMIT_TREES,
    daily_cost_limit=LIMIT_TREES,
    webhook_url=JSON,
    timezone=TEXT,
)
def test_any_limits_work_or_say_why(**document: object) -> None:
    works_or_says_why({}, **document)


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


@given(st.binary() | st.text("TOKEN_PROJECT=\n'\"#$\\ {}export").map(str.encode))
def test_any_dotenv_works_or_says_why(directory: Path, content: bytes) -> None:
    (directory / ".env").write_bytes(content)
    with chdir(directory):
        works_or_says_why(None)


def test_a_validation_by_pydantic_shows_no_secrets() -> None:
    with pytest.raises(ValidationError) as caught:
        TokenMonitorConfig.model_validate({"alerts_token": "s3 cret"})
    assert "s3 cret" not in str(caught.value)
