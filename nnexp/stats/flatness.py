"""How much an optimum depends on having been found: best, median and worst of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from nnexp.names import higher_is_better

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Flatness:
    """What the trials of a search came to; a trial without a value is worse than any with one.

    Attributes:
        best: the best value; None where no trial has one.
        median: the middle value; of an even number, the mean of both in the middle.
        worst: the worst value; None where a trial has none.
        near: how many trials, the best included, lie within 0.1 points of the best (of an
            accuracy or R²) or within 1 % of it (of a cost).
        nearby: the same within 1 point, or within 10 %.

    >>> Flatness.of([0.75, None, 0.7495, 0.5], "validation_accuracy")
    Flatness(best=0.75, median=0.62475, worst=None, near=2, nearby=2)
    """

    best: float | None
    median: float | None
    worst: float | None
    near: int
    nearby: int

    @classmethod
    def of(cls, values: Sequence[float | None], metric: str) -> Flatness:
        """Summarize the values of a metric, one a trial."""
        higher = higher_is_better(metric)
        found = sorted((value for value in values if value is not None), reverse=higher)
        if not found:
            return cls(None, None, None, 0, 0)
        ranked = [*found, *[None] * (len(values) - len(found))]
        low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
        median = None if low is None or high is None else (low + high) / 2
        scale = 1.0 if higher else 10 * abs(found[0])
        near, nearby = (
            sum(abs(value - found[0]) <= part * scale + _ROUNDING for value in found)
            for part in (0.001, 0.01)
        )
        return cls(found[0], median, ranked[-1], near, nearby)


def at_edge(value: float, low: float, high: float, *, logarithmic: bool = False) -> str | None:
    """Say at which end of a range a value lies: within a twentieth of it.

    >>> at_edge(9.1, 0.01, 10, logarithmic=True), at_edge(9.1, 0, 10), at_edge(0, 0, 10)
    ('upper', None, 'lower')
    """
    if logarithmic:
        value, low, high = log(value), log(low), log(high)
    place = (value - low) / (high - low)
    return "lower" if place <= 0.05 else "upper" if place >= 0.95 else None
