"""Type-checked, not run."""
