"""Several comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values by Holm's step-down procedure (Scand. J. Statist. 6, 1979).

    The i-th smallest of m becomes max over j ≤ i of (m - j + 1) p_j, at most 1. Claiming only what
    is then ≤ α keeps the chance of any false claim among the m at α.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, reached = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = reached
    return adjusted
