"""The command `otel-token-monitor`.

Whatever is wrong (a missing ledger, an unusable configuration, a taken port, a misspelt option) is
said in a sentence on stderr, with exit code 3: 1 and 2 are left for verdicts.
"""

from otel_token_monitor.cli.commands import cli, main

__all__ = ["cli", "main"]
