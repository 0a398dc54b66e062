"""The vocabulary: metrics, statistics, statuses. It imports nothing."""

from __future__ import annotations

from collections.abc import Container, Sequence

SETS = ("train", "validation", "test")
KINDS = ("cost", "accuracy", "data_cost", "r2")
METRICS = tuple(f"{name}_{kind}" for name in SETS for kind in KINDS)
CLOCKS = ("train_seconds", "evaluate_seconds")
# What a run can log in addition to the evaluation of its sets.
EXTRAS = ("diagnostics", "parameters")

# *last* is the value after the last epoch. *best epoch* is the value after the epoch that was best
# on the validation set: what early stopping would have kept. *peak* is the best value of all
# epochs; on the test set it was chosen by looking at the test set, so it is optimistic.
STATISTICS = ("last", "best-epoch", "peak")
# The name in older files -> the name today.
OLD_STATISTICS = {"best-validation": "best-epoch"}

STATUSES = ("completed", "running", "interrupted", "diverged", "failed")
MAX_SEED = 2**63 - 1
# The names of the classes are in each run.json.
MAX_CLASSES, MAX_CLASS_NAME = 10_000, 100


def is_accuracy(metric: str) -> bool:
    """Tell whether a metric is an accuracy: a fraction, shown in percent.

    >>> is_accuracy("test_accuracy"), is_accuracy("test_cost")
    (True, False)
    """
    return metric.endswith("accuracy")


def higher_is_better(metric: str) -> bool:
    """Tell whether a larger value is a better one.

    >>> higher_is_better("test_accuracy"), higher_is_better("train_cost")
    (True, False)
    """
    return metric.endswith(("accuracy", "r2"))


def default_metric(
    logged: Container[str], kinds: Sequence[str] = ("accuracy", "cost")
) -> str | None:
    """Return the metric a run is judged by: test accuracy, or the nearest to it that was logged.

    >>> default_metric(["train_cost", "train_accuracy"])
    'train_accuracy'
    """
    metrics = (f"{name}_{kind}" for kind in kinds for name in reversed(SETS))
    return next((metric for metric in metrics if metric in logged), None)


def label(metric: str) -> str:
    """Name a metric for people.

    >>> label("test_accuracy"), label("test_r2"), label("train_data_cost")
    ('test accuracy', 'test R²', 'train unregularized cost')
    """
    return metric.replace("_r2", " R²").replace("data_cost", "unregularized_cost").replace("_", " ")


def title(metric: str) -> str:
    """Name a metric with its unit, as a heading.

    >>> title("test_accuracy"), title("train_cost")
    ('test accuracy %', 'train cost')
    """
    return label(metric) + (" %" if is_accuracy(metric) else "")
