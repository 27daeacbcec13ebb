"""Single calls in files: written from a ledger, and read into one."""
