"""The names of files in folders of runs, and the version of a run's: see docs/run-folder.md."""

from __future__ import annotations

FORMAT = 2
CONFIG, METRICS, RUN = "config.yaml", "metrics.csv", "run.json"
MODEL, PREDICTIONS, CHECKPOINT = "model.npz", "predictions.npz", "checkpoint.npz"
STUDY = "study.json"
DIAGNOSTICS, PARAMETERS = "diagnostics.csv", "parameters.csv"
