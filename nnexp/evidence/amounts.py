"""How sentences word amounts: accuracies in percent and points, costs as they are."""

from __future__ import annotations

from collections.abc import Iterable


def is_accuracy(metric: str) -> bool:
    """Tell whether a metric is a fraction of examples that are right."""
    return metric.endswith("accuracy")


def level(metric: str, value: float) -> str:
    """Write a value.

    >>> level("test_accuracy", 0.9682), level("test_cost", 0.01234)
    ('96.82 %', '0.0123')
    """
    return f"{value * 100:.2f} %" if is_accuracy(metric) else f"{value:.3g}"


def size(metric: str, value: float) -> str:
    """Write a difference without a sign.

    >>> size("test_accuracy", 0.0035), size("test_cost", 0.01234)
    ('0.35 points', '0.0123')
    """
    return f"{value * 100:.2f} points" if is_accuracy(metric) else f"{value:.3g}"


def change(metric: str, value: float) -> str:
    """Write a difference with its sign.

    >>> change("test_accuracy", -0.0035), change("test_cost", 0.01234)
    ('-0.35 points', '+0.0123')
    """
    return f"{value * 100:+.2f} points" if is_accuracy(metric) else f"{value:+.3g}"


def span(metric: str, low: float, high: float) -> str:
    """Write an interval of differences.

    >>> span("test_accuracy", -0.001, 0.0035)
    '-0.10 to +0.35 points'
    """
    return f"{change(metric, low).removesuffix(' points')} to {change(metric, high)}"


def plural(n: int, noun: str) -> str:
    """Write a number and its noun.

    >>> plural(1, "run"), plural(2, "run")
    ('1 run', '2 runs')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def name_seeds(seeds: Iterable[int]) -> str:
    """Name seeds in their order.

    >>> name_seeds([3, 1]), name_seeds([7])
    ('seeds 1, 3', 'seed 7')
    """
    found = sorted(seeds)
    return f"seed{'s' * (len(found) != 1)} {', '.join(map(str, found))}"
