"""Sums over many data directories: those of ledgers, or of data files only."""
