"""Switching the monitor on and off, with code and without."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_token_monitor.demo.server import DemoServer
from otel_token_monitor.ledger.database import Location
from otel_token_monitor.ledger.reader import LedgerReader
from tests.integration.processes import ahead, counted, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.processes import Answers

pytestmark = pytest.mark.integration

LAUNCHER = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))


INSTRUMENTATIONS = ("traceloop", "official", "openinference")

# Environments under `opentelemetry-instrument`, and how many of ten calls are counted.
LAUNCHED: dict[str, tuple[dict[str, str], int | None]] = {
    "on": ({"TOKEN_AUTO_MONITOR": "true"}, 10),
    "on, nothing sampled": (
        {"TOKEN_AUTO_MONITOR": "true", "OTEL_TRACES_SAMPLER": "always_off"},
        10,
    ),
    "off": ({"TOKEN_AUTO_MONITOR": "false"}, None),
    "unset": ({}, None),
}
EXPORTERS = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledgers")


@pytest.fixture(scope="module")
def answers(data_dir: Path) -> Iterator[Answers]:
    assert LAUNCHER is not None
    with DemoServer() as demo:
        question = {"server": demo.base_url, "data_dir": ":memory:"}
        own = {"instrumentation": "auto", "switched_on_by_the_application": "official"}
        asked = {
            name: partial(run, "switching", question | {"instrumentation": name})
            for name in INSTRUMENTATIONS
        }
        asked["own"] = partial(run, "switching", question | own)
        for name, (env, _) in LAUNCHED.items():
            always = {
                **EXPORTERS,
                "OTEL_SERVICE_NAME": "shop",
                "TOKEN_MONITOR_DATA_DIR": str(data_dir / name),
                "TOKEN_SERVE": "false",
            }
            launcher = (LAUNCHER, sys.executable)
            asked[name] = partial(run, "plain", question, env=always | env, launcher=launcher)
        with ahead(asked) as told:
            yield told


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_uninstrument_leaves_everything_as_it_was_found(
    answers: Answers, instrumentation: str
) -> None:
    answer = answers(instrumentation)

    assert answer["complaints"] == []
    assert answer["again"]
    assert any(name.startswith("openai.") for name in answer["changed"])
    assert answer["left"] == []
    assert answer["same_state"]
    # A ledger in memory ends with its monitor: the second one counts its own calls, once each.
    told = counted(answer["metrics"])
    assert {name: project.requests for name, project in told.items()} == {"second": Counter(ok=3)}


def test_an_instrumentation_of_the_applications_own_stays_on(answers: Answers) -> None:
    answer = answers("own")

    assert answer["complaints"] == []
    assert not any(name.startswith("openai.") for name in answer["changed"])
    assert answer["left"] == []
    told = counted(answer["metrics"])
    assert {name: project.requests for name, project in told.items()} == {"second": Counter(ok=3)}


@pytest.mark.parametrize("name", LAUNCHED)
def test_opentelemetry_instrument_counts_if_asked_to(
    answers: Answers, data_dir: Path, name: str
) -> None:
    answer = answers(name)

    _, counted_calls = LAUNCHED[name]
    assert answer["provider"] == "TracerProvider"
    assert answer["thread"] is (counted_calls is not None)
    if counted_calls is None:
        assert not (data_dir / name).exists()
    else:
        reader = LedgerReader(Location.in_directory(data_dir / name))
        assert {
            (labels.project, labels.model): sums.totals.requests_ok
            for labels, sums in reader.exposition().series.items()
        } == {("shop", "gpt-5-mini"): counted_calls}
        reader.close()
