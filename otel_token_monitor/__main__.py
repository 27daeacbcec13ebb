"""`python -m otel_token_monitor`: the same as the command `otel-token-monitor`."""

from otel_token_monitor.cli import main

if __name__ == "__main__":
    main()
