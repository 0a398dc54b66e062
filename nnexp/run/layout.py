"""The files of a run folder, the version of their format, and how much of each is read.

The bounds are one table for the writer and the reader: a run that would go beyond them is refused
before its first epoch. See docs/run-folder.md.
"""

from __future__ import annotations

from typing import Any

from nnexp import __version__
from nnexp.text import quoted

FORMAT, CHECKPOINT_FORMAT = 3, 1
CONFIG, METRICS, RUN = "config.yaml", "metrics.csv", "run.json"
MODEL, PREDICTIONS, CHECKPOINT = "model.npz", "predictions.npz", "checkpoint.npz"
STUDY = "study.json"
DIAGNOSTICS, PARAMETERS = "diagnostics.csv", "parameters.csv"
LOGS = (METRICS, DIAGNOSTICS, PARAMETERS)

COLUMNS = (
    "epoch",
    "eta",
    "train_cost",
    "train_accuracy",
    "validation_cost",
    "validation_accuracy",
    "test_cost",
    "test_accuracy",
)
CLOCK_COLUMNS = ("train_seconds", "evaluate_seconds", "finished_at")
TEXT_COLUMNS = ("finished_at",)

# run.json
MAX_RECORD, MAX_DEPTH = 16_000_000, 20
# Words of a command, and times that a run was resumed, that run.json keeps.
MAX_ARGV, MAX_RESUMED = 1_000, 1_000
# Each log. No cell that is written is longer.
MAX_ROWS, MAX_CELLS, CELL_BYTES = 2_200_000, 24_000_000, 26
MAX_LOG = MAX_CELLS * CELL_BYTES
MAX_LINE = 1_000_000
# Of a log, so that no line is longer; no name of a column has more than 32 characters.
MAX_COLUMNS = MAX_LINE // 33
MAX_EPOCH = 10**9
# Of predictions.npz, labels and predicted classes together.
MAX_PREDICTIONS = 16_000_000


def later_format(written: Any, newest: int) -> str | None:
    """Say that a file is of a later format than the newest that is read; None where it is not.

    >>> later_format(9, 3)
    'written by a later nnexp (format 9; nnexp ... reads up to 3); upgrade with: ... nnexp'
    """
    if type(written) is not int or written <= newest:
        return None
    reads = f"nnexp {__version__} reads up to {newest}"
    upgrade = "upgrade with: pip install --upgrade nnexp"
    return f"written by a later nnexp (format {quoted(written)}; {reads}); {upgrade}"


def most_rows(columns: int) -> int:
    """Return how many rows of so many columns are read of a log."""
    return min(MAX_ROWS, MAX_CELLS // columns)


def beyond_bounds(name: str, rows: int, columns: int) -> str | None:
    """Say why a log of so many rows and columns would not be read back; None where it would.

    >>> beyond_bounds("metrics.csv", 3_000_000, 11)
    'metrics.csv would have 3,000,000 rows of 11 columns; at most 2,181,818 are read back'
    """
    if columns > MAX_COLUMNS:
        return f"{name} would have {columns:,} columns; at most {MAX_COLUMNS:,} are read back"
    most = most_rows(columns)
    if rows <= most:
        return None
    return f"{name} would have {rows:,} rows of {columns:,} columns; at most {most:,} are read back"
