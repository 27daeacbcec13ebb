"""Budgets: limits on what is spent within a window of time, and how much of them is used."""
