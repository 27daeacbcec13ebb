"""What a ledger looks like from outside: the metrics of a scrape."""
