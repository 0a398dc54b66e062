"""Statistics of runs: numbers in, intervals, tests and verdicts out. Pure."""
