"""The pages about the rules: they say what the rules, the metrics and the commands are."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import promql_parser
import pytest
import yaml

from otel_token_monitor.cli import cli
from otel_token_monitor.config import CONFIG_VARIABLE, VARIABLES
from otel_token_monitor.views.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
GUIDE = ROOT / "docs" / "prometheus.md"
INDEX = RUNBOOKS / "README.md"
ALERT_PAGES = sorted(set(RUNBOOKS.glob("*.md")) - {INDEX})
PAGES = [GUIDE, INDEX, *ALERT_PAGES]
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]

# What Prometheus puts on every sample, and `fleet`, which our targets may have.
TARGET_LABELS = {"job", "instance", "fleet"}
OTHERS_METRICS = {"up": TARGET_LABELS, "ALERTS": {"alertname", "alertstate", "severity"}}
OTHERS_OPTIONS = {"--web.enable-lifecycle"}
OTHERS_VARIABLES = {"OTEL_SERVICE_NAME", CONFIG_VARIABLE}

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)]+)\)")
_VARIABLE = re.compile(r"\b(?:(?:GLOBAL_)?TOKEN|OTEL|REQUESTS)_[A-Z_]*[A-Z]\b")
_METRIC = re.compile(r"(?:[a-z]+:)?(?:llm|otel_token_monitor)_\w*[a-z](?::\w+)?")
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Alert:
    """What the rule files say of an alert, over all its rules."""

    severities: str
    held: str


def rules() -> Iterator[dict[str, Any]]:
    for file in sorted((DEPLOY / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, Alert]:
    found: dict[str, Alert] = {}
    for rule in rules():
        if "alert" not in rule:
            continue
        name, held = rule["alert"], rule.get("for", "-")
        before = found.get(name, Alert("", held))
        severities = dict.fromkeys([*filter(None, before.severities.split(", "))])
        severities[rule["labels"]["severity"]] = None
        assert before.held == held
        found[name] = Alert(", ".join(severities), held)
    return found


def records() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def metric_labels() -> dict[str, set[str]]:
    """The labels of each name that a query may have, but for recorded series."""
    found = {name: set(labels) for name, labels in OTHERS_METRICS.items()}
    for spec in METRICS:
        labels = {*spec.labels, *TARGET_LABELS}
        if spec.kind == "histogram":
            found |= {f"{spec.name}{end}": {*labels, "le"} for end in ("_bucket", "_count", "_sum")}
        else:
            found[spec.name] = labels
    return found


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in _FENCE.findall(page.read_text()) if name == language]


def prose(page: Path) -> str:
    """The page without its blocks, and each paragraph's lines joined."""
    return re.sub(r"(?<!\n)\n *(?=[^\n|#])", " ", _FENCE.sub("", page.read_text()))


def inline(page: Path) -> list[str]:
    return _INLINE.findall(prose(page))


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def command_lines(page: Path) -> list[str]:
    """Our commands in a page, with what is given to them."""
    lines = [line.strip() for text in blocks(page, "sh") for line in text.splitlines()]
    found = [line for line in [*lines, *inline(page)] if line.startswith("otel-token-monitor ")]
    return sorted(set(found))


def all_options(command: click.Command = cli) -> Iterator[str]:
    for parameter in command.params:
        yield from parameter.opts
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from all_options(inner)


def rows(page: Path, header: str) -> list[list[str]]:
    """The cells of the table that begins with a header."""
    _, _, after = page.read_text().partition(f"\n| {header} |\n")
    table, _, _ = after.partition("\n\n")
    return [row.split(" | ") for row in _ROW.findall(table)]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


QUERIES = [(page, query) for page in PAGES for query in blocks(page, "promql")]
COMMANDS = [(page, line) for page in PAGES for line in command_lines(page)]


def by_page(value: object) -> str | None:
    return value.stem if isinstance(value, Path) else None


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {page.stem for page in ALERT_PAGES} == set(alerts())


def test_every_runbook_url_names_the_page_of_its_alert() -> None:
    base = "https://github.com/otel-token-monitor/otel-token-monitor/blob/main/docs/runbooks"
    urls = {
        (rule["alert"], rule["annotations"]["runbook_url"]) for rule in rules() if "alert" in rule
    }
    assert urls == {(name, f"{base}/{name}.md") for name in alerts()}


@pytest.mark.parametrize("page", ALERT_PAGES, ids=by_page)
def test_a_page_has_the_four_headings(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    assert re.findall(r"^#+ .*$", text, re.MULTILINE) == [
        f"# {page.stem}",
        *(f"## {heading}" for heading in HEADINGS),
    ]


@pytest.mark.parametrize("page", ALERT_PAGES, ids=by_page)
def test_a_diagnosis_has_a_query_and_a_command(page: Path) -> None:
    _, _, after = page.read_text().partition("\n## Diagnosis\n")
    diagnosis, _, _ = after.partition("\n## ")
    assert {name for name, _ in _FENCE.findall(diagnosis)} >= {"promql", "sh"}


@pytest.mark.parametrize(("page", "query"), QUERIES, ids=by_page)
def test_a_query_names_only_series_and_labels_that_exist(page: Path, query: str) -> None:
    del page  # it is in the test's name
    known, recorded = metric_labels(), records()
    for selector in selectors(query):
        if selector.name in recorded:
            continue
        assert selector.name in known
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= known[selector.name]


@pytest.mark.parametrize("page", PAGES, ids=by_page)
def test_the_text_names_only_series_that_exist(page: Path) -> None:
    known = {*metric_labels(), *records(), *(spec.name for spec in METRICS)}
    named = {name for code in inline(page) for name in _METRIC.findall(code)}
    assert named - known - {"otel_token_monitor"} == set()


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=by_page)
def test_a_command_is_one_that_can_be_given(page: Path, line: str) -> None:
    del page
    _, *arguments = shlex.split(line.partition(" | ")[0], comments=True)
    command: click.Command = cli
    path = []
    while isinstance(command, click.Group):
        path.append(arguments.pop(0))
        inner = command.get_command(click.Context(command), path[-1])
        assert inner is not None, f"there is no command {' '.join(path)}"
        command = inner
    # An example in running text may leave out what a command cannot do without.
    context = click.Context(command)
    given, _, _ = command.make_parser(context).parse_args(list(arguments))
    for parameter in command.params:
        if parameter.name in given and isinstance(parameter, click.Option):
            parameter.process_value(context, given[parameter.name])


@pytest.mark.parametrize("page", PAGES, ids=by_page)
def test_the_text_names_only_options_that_exist(page: Path) -> None:
    named = {code.split()[0] for code in inline(page) if code.startswith("--")}
    assert named - set(all_options()) - OTHERS_OPTIONS == set()


@pytest.mark.parametrize("page", PAGES, ids=by_page)
def test_the_variables_exist(page: Path) -> None:
    named = set(_VARIABLE.findall(page.read_text()))
    assert named - set(VARIABLES.values()) - OTHERS_VARIABLES == set()


@pytest.mark.parametrize("page", PAGES, ids=by_page)
def test_the_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    written = [
        (name, severities, held)
        for name, severities, _, held in rows(GUIDE, "alert | severity | fires when | for")
    ]
    assert sorted(written) == sorted(
        (f"[{name}](runbooks/{name}.md)", alert.severities, alert.held)
        for name, alert in alerts().items()
    )


def test_the_index_has_every_alert() -> None:
    written = [(name, severities) for name, severities, _ in rows(INDEX, "alert | severity | says")]
    assert sorted(written) == sorted(
        (f"[{name}]({name}.md)", alert.severities) for name, alert in alerts().items()
    )


def test_every_recorded_series_is_in_the_tables() -> None:
    _, _, after = GUIDE.read_text().partition("\n### Recorded series\n")
    section, _, _ = after.partition("\n## ")
    assert sorted(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) == sorted(records())


def test_the_rule_files_are_in_their_table() -> None:
    written = [name for name, *_ in rows(GUIDE, "file | evaluated | is about")]
    assert sorted(written) == sorted(f"`{f.name}`" for f in (DEPLOY / "rules").glob("*.yml"))


def test_the_grouping_is_that_of_the_configuration() -> None:
    route = yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())["route"]
    (shown,) = (text for text in blocks(GUIDE, "yaml") if text.startswith("group_by"))
    assert yaml.safe_load(shown) == {key: route[key] for key in route if key != "receiver"}
