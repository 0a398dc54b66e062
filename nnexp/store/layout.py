"""The names of a run folder's files, and the version of its format: see docs/run-folder.md."""

from __future__ import annotations

FORMAT = 2
CONFIG, METRICS, RUN = "config.yaml", "metrics.csv", "run.json"
MODEL, PREDICTIONS, CHECKPOINT = "model.npz", "predictions.npz", "checkpoint.npz"
DIAGNOSTICS, PARAMETERS = "diagnostics.csv", "parameters.csv"
