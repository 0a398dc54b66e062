"""How large a difference is, in other words than the difference itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Wins:
    """In how many pairs of runs the arm was better, worse, or equal."""

    wins: int
    losses: int
    ties: int


def count_wins(pairs: Iterable[tuple[float, float]]) -> Wins:
    """Count the pairs (arm, baseline) of scores, the higher the better.

    >>> count_wins([(0.9, 0.8), (0.9, 0.9)])
    Wins(wins=1, losses=0, ties=1)
    """
    pairs = list(pairs)
    wins, losses = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    return Wins(wins, losses, len(pairs) - wins - losses)


def probability_of_improvement(a: Sequence[float], b: Sequence[float]) -> float:
    """Return P(A > B) + P(A = B)/2 over all pairs of a run of A and one of B.

    Of scores, the higher the better. It is the Mann-Whitney U/(n_a n_b). Agarwal et al., Deep
    Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021, section 4.3.

    >>> probability_of_improvement([3.0, 1.0], [1.0, 2.0])
    0.625
    """
    y = np.sort(b)
    below = np.searchsorted(y, a, "left").sum() + np.searchsorted(y, a, "right").sum()
    return float(below / (2 * len(a) * len(b)))


def error_reduction(accuracy: float, baseline: float) -> float | None:
    """Return the fraction of the baseline's errors that are gone, (a - a₀)/(1 - a₀).

    Nielsen, chapter 3, states improvements so. None where the baseline makes no errors.

    >>> round(error_reduction(0.98, 0.96), 3)
    0.5
    """
    return (accuracy - baseline) / (1 - baseline) if baseline < 1 else None
