"""Configs: YAML in, a validated `Experiment` out, each mistake by file, line and key."""
