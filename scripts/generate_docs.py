"""Write docs/metrics.md and docs/configuration.md from the code; `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from otel_token_monitor.config import VARIABLES, TokenMonitorConfig
from otel_token_monitor.views.metrics import METRICS

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- Written by scripts/generate_docs.py (`make docs`): edit the code, not this page. -->"


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
    lines = [
        "# Configuration",
        "",
        NOTE,
        "",
        "Each setting may be an argument of `instrument()` (those marked `()`), an environment",
        "variable, or a key in a YAML or JSON file (`config=` or `TOKEN_MONITOR_CONFIG`). The",
        "first that is given holds: argument, environment, file, default. What cannot be used is",
        "refused at start, in one message that lists every fault.",
        "",
        "| key | environment variable | takes | default |",
        "|---|---|---|---|",
    ]
    arguments = {"project", "data_dir", "host", "port", "serve", "instrumentation"}
    defaults = TokenMonitorConfig().model_dump()
    for key, variable in VARIABLES.items():
        takes = TokenMonitorConfig.model_fields[key].description
        default = defaults[key]
        shown = "-" if default in (None, {}, frozenset()) else f"`{default}`"
        name = f"`{key}` `()`" if key in arguments else f"`{key}`"
        lines.append(f"| {name} | `{variable}` | {takes} | {shown} |")
    lines += [
        "",
        "Without a project anywhere, `OTEL_SERVICE_NAME` names it.",
        "",
        "```yaml",
        "# token-monitor.yaml",
        "project: checkout",
        "data_dir: /var/lib/checkout/tokens",
        "provider_hosts:",
        "  llm-gateway.internal: openai      # a gateway that passes calls on to OpenAI",
        '  "127.0.0.1:8001": vllm',
        "inbound_projects: [search, support] # accepted from callers' baggage (`token.project`)",
        "```",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the pages, or say which are out of date."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in (("metrics.md", metrics_page()), ("configuration.md", configuration_page())):
        path = DOCS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            DOCS.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"out of date: {', '.join(stale)}. Run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
