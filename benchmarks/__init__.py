"""Both sides of each comparison in one run, alternating: medians and their ratio."""
