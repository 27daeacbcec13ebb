"""The ledger: what every view reads. All SQL is in this folder."""
