"""Data files: what a ledger adds up to, by day, month and project, as JSON beside it."""
