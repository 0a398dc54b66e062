"""Evidence: the numbers of runs in, summaries and comparisons out. Pure functions."""
