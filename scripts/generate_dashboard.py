"""Write the Grafana dashboard in deploy/ from the code; `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from llm_dashboard.frame import dashboard_of_usage

ROOT = Path(__file__).resolve().parent.parent
PATH = ROOT / "deploy/grafana/dashboards/llm-usage.json"


def main() -> int:
    """Write the dashboard, or say whether it is out of date."""
    text = json.dumps(dashboard_of_usage(), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
    if PATH.exists() and PATH.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"out of date: {PATH.relative_to(ROOT)}. Run `make docs`.", file=sys.stderr)
        return 1
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
