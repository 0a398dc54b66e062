"""How numbers are written: accuracies in percent and points, costs as they are, times.

The one place that formats numbers for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from nnexp.names import is_accuracy

NONE = "–"


class Spread(Protocol):
    """A mean and a standard deviation, None for a single value."""

    @property
    def mean(self) -> float:
        """The mean."""

    @property
    def sd(self) -> float | None:
        """The standard deviation."""


def number(metric: str, value: float | None) -> str:
    """Write a metric's value without its unit.

    >>> number("test_accuracy", 0.9682), number("train_cost", 0.01234)
    ('96.82', '0.0123')
    """
    if value is None:
        return NONE
    return f"{value * 100:.2f}" if is_accuracy(metric) else f"{value:.3g}"


def quantity(metric: str, value: float | None) -> str:
    """Write a metric's value with its unit.

    >>> quantity("test_accuracy", 0.9682), quantity("test_cost", 0.01234)
    ('96.82 %', '0.0123')
    """
    return number(metric, value) + (" %" if is_accuracy(metric) and value is not None else "")


def spread(metric: str, found: Spread | None) -> str:
    """Write mean ± standard deviation.

    >>> from nnexp.stats.sample import Spread
    >>> spread("test_accuracy", Spread(3, 0.9676, 0.0008, 0.967, 0.968))
    '96.76 ± 0.08'
    """
    if found is None:
        return NONE
    mean = number(metric, found.mean)
    if found.sd is None:
        return mean
    decimals = len(mean.partition(".")[2]) if "e" not in mean else 0
    sd = f"{found.sd:.{decimals}f}" if decimals and not is_accuracy(metric) else None
    return f"{mean} ± {sd or number(metric, found.sd)}"


def duration(seconds: float) -> str:
    """Write a time.

    >>> duration(0.0214), duration(4.21), duration(75), duration(7384)
    ('21 ms', '4.2 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


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
