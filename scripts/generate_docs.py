"""Write the generated pages and schemas of docs/ from the code; `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otel_token_monitor.cli import cli
from otel_token_monitor.config import VARIABLES, TokenMonitorConfig
from otel_token_monitor.snapshots.documents import (
    DayDocument,
    Document,
    MonthDocument,
    ProjectDocument,
    json_schema,
)
from otel_token_monitor.views.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = Path(__file__).resolve().parent.parent / "docs"
ARGUMENTS = {"project", "data_dir", "host", "port", "serve", "instrumentation"}
NOTE = "<!-- Written by scripts/generate_docs.py (`make docs`): edit the code, not this page. -->"

_CONFIGURATION_HEAD = f"""\
# Configuration

{NOTE}

Each setting may be an argument of `TokenMonitorConfig()` (those marked `()` also of
`instrument()`), an environment variable, or a key in a YAML or JSON file (`config=` or
`TOKEN_MONITOR_CONFIG`). The first that is given holds: argument, environment, file, default.
Variables may also stand in a file `.env` in the working directory; the environment goes
before it. What cannot be used is refused at start, in one message that lists every fault.

| key | environment variable | takes | default |
|---|---|---|---|"""

_CONFIGURATION_FOOT = """
Without a project anywhere, `OTEL_SERVICE_NAME` names it.

```yaml
# token-monitor.yaml
project: checkout
data_dir: /var/lib/checkout/tokens
timezone: Asia/Seoul                # whose midnight ends a day
provider_hosts:
  llm-gateway.internal: openai      # a gateway that passes calls on to OpenAI
  "127.0.0.1:8001": vllm
inbound_projects: [search, support] # accepted from callers' baggage (`token.project`)
```

## Limits

Limits that stand at the top level, or in variables, are those of the whole ledger. A file may
also limit projects, models, and models within a project. A model's key is a pattern: `*` stands
for anything. What is left out has no limit. Days and months are those of `timezone`; a minute
is the last 60 seconds. Tokens and requests are whole numbers, costs are in US dollars.

```yaml
daily_limit: 2000000                # tokens a day, all projects together
monthly_cost_limit: 400             # US dollars
warning_threshold: 0.8              # WARNING from 80 % of a limit on
alert_threshold: 0.9                # CRITICAL from 90 % on
projects:
  checkout:
    daily_limit: 500000
    requests_per_minute_limit: 300
    monthly_cost_limit:             # a limit with thresholds of its own
      limit: 149.99
      warning_threshold: 0.7
      alert_threshold: 0.95
    models:
      gpt-5*:                       # these models within this project
        per_minute_limit: 100000
  search:
    requests_per_day_limit: 20000
models:
  o3:                               # this model over all projects
    daily_cost_limit: 5
```

Each of `projects.<project>`, `projects.<project>.models.<pattern>` and `models.<pattern>` takes
`daily_limit`, `monthly_limit` and `per_minute_limit` (tokens), `requests_per_minute_limit`,
`requests_per_day_limit` and `requests_per_month_limit`, `daily_cost_limit` and
`monthly_cost_limit`.

## Secrets

The addresses in `webhook_url` and `alerts_token` are secrets: they are never logged or shown,
but `save_to_file` writes them in clear, to a file that only its owner can read. To keep the token
out of variables, name a file that has it in `alerts_token_file`.
"""


def metrics_page() -> str:
    """Every metric, with its type, labels and help text."""
    lines = [
        "# Metrics",
        "",
        NOTE,
        "",
        "What `/metrics` shows. Series of calls carry `project`, `provider`, `model` (as asked",
        "for) and `endpoint` (the OpenAI path without `/v1/`; for other providers the operation).",
        "They come from the ledger: they survive restarts, and any worker shows those of all.",
        "Two targets with the same `ledger` in `otel_token_monitor_build_info` show the same",
        "figures: don't add them up.",
        "",
        "| metric | type | labels | what it says |",
        "|---|---|---|---|",
    ]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """Every setting, with its environment variable, what it takes and its default."""
    defaults = TokenMonitorConfig(environ={}).document(secrets=False)
    table = [_row(field, default) for field, default in defaults.items()]
    return "\n".join((_CONFIGURATION_HEAD, *table, _CONFIGURATION_FOOT))


def _row(field: str, default: object) -> str:
    variable = f"`{VARIABLES[field]}`" if field in VARIABLES else "-"
    takes = TokenMonitorConfig.model_fields[field].description
    shown = default if isinstance(default, str) else json.dumps(default)
    shown = "-" if default in (None, {}, []) else f"`{shown}`"
    name = f"`{field}` `()`" if field in ARGUMENTS else f"`{field}`"
    return f"| {name} | {variable} | {takes} | {shown} |"


_COMMANDS_HEAD = f"""\
# Command line

{NOTE}

`otel-token-monitor` (also `python -m otel_token_monitor`) reads what applications count; it never
creates a ledger, nor changes what was counted. Limits, thresholds and the time zone are those of
the application that writes the ledger, wherever the command runs.

- Tables fit the terminal: columns that have no room are left out. Colours go with `NO_COLOR=1`, or
  where the output is no terminal.
- `--json` prints documents with a `schema_version`, which grows when a key is removed or means
  something else. That of `status` and `check` is what `/token-status` serves.
- Exit codes are those of each command below; 3 is always trouble, never a verdict, and says on
  stderr what is wrong and what to do about it."""


def commands_page() -> str:
    """Every command, with its help."""
    lines = [_COMMANDS_HEAD]
    root = click.Context(cli, info_name="otel-token-monitor", **cli.context_settings)
    for name, text in _helps(root):
        lines += ["", f"## {name}", "", "```text", text, "```"]
    return "\n".join(lines) + "\n"


def _helps(context: click.Context) -> Iterator[tuple[str, str]]:
    """The help of each command below one, whose own is that of its group."""
    group = context.command
    assert isinstance(group, click.Group)  # noqa: S101 - asked of groups only
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101 - it is in the list
        inner = click.Context(command, info_name=name, parent=context, terminal_width=96)
        inner.max_content_width = 96
        if isinstance(command, click.Group):
            yield from _helps(inner)
        else:
            yield inner.command_path.partition(" ")[2], command.get_help(inner)


SCHEMAS: Mapping[str, type[Document]] = {
    "day": DayDocument,
    "month": MonthDocument,
    "project": ProjectDocument,
}


def schema_pages() -> dict[str, str]:
    """The JSON Schema of each kind of data file, by the name of its page."""
    return {
        f"schemas/{name}.json": json.dumps(json_schema(kind), indent=2) + "\n"
        for name, kind in SCHEMAS.items()
    }


def main() -> int:
    """Write the pages, or say which are out of date."""
    check = "--check" in sys.argv[1:]
    stale = []
    pages = {
        "metrics.md": metrics_page(),
        "configuration.md": configuration_page(),
        "cli.md": commands_page(),
        **schema_pages(),
    }
    for name, text in pages.items():
        path = DOCS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"out of date: {', '.join(stale)}. Run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
